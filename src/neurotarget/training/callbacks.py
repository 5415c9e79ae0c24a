"""Callbacks and checkpoint writing of a run: run record, best scores, random state, weights."""

import math
import random
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from neurotarget.files.writing import written


class Opening(Callback):
    """Writes the record of a resumed run once training has loaded its checkpoint.

    An error before that point leaves the run folder as it was.

    Args:
        write: function that writes the record; called once.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write: Callable[[], None] | None = write

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Write the record: the checkpoint has been loaded."""
        self.write_once()

    def write_once(self) -> None:
        """Write the record unless it is already written."""
        write, self._write = self._write, None
        if write is not None:
            write()


class Loading(Callback):
    """Loads a module that only the end of a training needs, when the first validation begins.

    The first step does not wait for the module, and loading counts as no training time. Loading it
    at the end could mix two versions, if the program is changed during the training.

    Args:
        module: dotted name of a module.
    """

    def __init__(self, module: str) -> None:
        self.module = module

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Load the module unless it is loaded."""
        import_module(self.module)


class BestScores(Callback):
    """Validation scores at the best value of the monitored metric, across all resumes of a run.

    Args:
        monitor: logged name of the metric, such as `val/dice`.
        mode: `min` if low values are better, `max` if high values are.
    """

    def __init__(self, monitor: str, *, mode: str) -> None:
        self.monitor, self.sign = monitor, -1 if mode == "min" else 1
        self.values: dict[str, float] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Store the values if this validation is the best so far.

        All logged values under `val/` are stored; the first validation is the best until then.
        """
        logged = trainer.callback_metrics
        if trainer.sanity_checking or self.monitor not in logged:
            return
        now = self.sign * float(logged[self.monitor])
        before = self.sign * self.values.get(self.monitor, math.nan)
        if now > before or math.isnan(before):
            self.values = {
                key: float(value) for key, value in logged.items() if key.startswith("val/")
            }

    def state_dict(self) -> dict[str, float]:
        """Return plain values for the checkpoint: scores by their logged name."""
        return dict(self.values)

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Restore the values of a checkpoint."""
        self.values = dict(state_dict)


class Checkpoint(ModelCheckpoint):
    """A checkpoint under one name, whose record stays valid when the run folder moves.

    Lightning drops the best score if the folder's path differs from the one in the checkpoint. The
    first validation of a run that was moved, copied or opened through a link would then replace
    better weights. This class keeps the score and replaces the paths with those of the current
    folder.

    Args:
        folder: folder of the checkpoints.
        name: name of the file without its suffix.
        settings: further settings of Lightning's ModelCheckpoint.
    """

    def __init__(self, folder: Path, name: str, **settings: object) -> None:
        super().__init__(str(folder), name, enable_version_counter=False, **settings)

    @property
    def state_key(self) -> str:
        """Key of Lightning's class, so that checkpoints of earlier versions can be read."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Restore a checkpoint; a score whose weights are lost is dropped."""
        path = Path(self.dirpath) / f"{self.filename}{self.FILE_EXTENSION}"
        score = state_dict.get("best_model_score")
        if not path.is_file():
            return
        self.best_model_path = str(path)
        if self.monitor is None or score is None:
            return
        self.best_model_score = self.kth_value = self.current_score = torch.as_tensor(score)
        self.kth_best_model_path = str(path)
        self.best_k_models = {str(path): self.best_model_score}


class RandomState(Callback):
    """Stores the random state in the checkpoint, so that a resumed run draws the same numbers."""

    def state_dict(self) -> dict[str, object]:
        """Return the state of the generators of torch, numpy and Python as plain values."""
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002  # libraries draw from this one
        python = random.getstate()
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [kind, keys.tolist(), *rest],
            "python": [python[0], list(python[1]), python[2]],
        }

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Keep the stored state until training starts."""
        self._saved = state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Restore the generators, after Lightning has used them for its own preparation.

        Generators of GPUs are restored only if there are as many GPUs as before.
        """
        saved = self.__dict__.pop("_saved", None)
        if saved is None:
            return
        torch.set_rng_state(saved["torch"])
        if torch.cuda.is_available() and len(saved["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(saved["cuda"])
        kind, keys, *rest = saved["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
        version, numbers, gauss = saved["python"]
        random.setstate((version, tuple(numbers), gauss))


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints completely or not at all, even if temporary files are on another disk."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, object],
        path: str | Path,
        storage_options: object | None = None,  # noqa: ARG002
    ) -> None:
        """Write a draft, then rename it.

        Raises:
            DataError: the file cannot be written, such as on a full disk.
        """
        with written(path) as draft:
            try:
                torch.save(checkpoint, draft)
            except RuntimeError as error:  # raised by torch when the disk is full
                raise OSError(f"the disk is full or cannot be written: {error}") from error
