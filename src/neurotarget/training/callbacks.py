"""What a run keeps beside its weights: its best scores and its random state."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from neurotarget.files.writing import written


class Opening(Callback):
    """Writes what a run that goes on is made of, once training has taken up its checkpoint.

    A refusal before that leaves the run as it was.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write: Callable[[], None] | None = write

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Write it."""
        self.write_once()

    def write_once(self) -> None:
        """Write it unless that is done."""
        write, self._write = self._write, None
        if write is not None:
            write()


class BestScores(Callback):
    """What validation logged when the monitored value was best, over all sittings of a run."""

    def __init__(self, monitor: str, *, mode: str) -> None:
        self.monitor, self.sign = monitor, -1 if mode == "min" else 1
        self.values: dict[str, float] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Keep the values where this validation is the best so far."""
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
        """Plain values for the checkpoint."""
        return dict(self.values)

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from a checkpoint."""
        self.values = dict(state_dict)


class Checkpoint(ModelCheckpoint):
    """A checkpoint under one name, with a record that holds wherever the run folder lies.

    Lightning drops the best score where the folder's path is not the one in the checkpoint, so that
    the first validation of a run that was moved, copied or reached by a link would replace better
    weights. Here the score is read and the paths are those of this folder.
    """

    def __init__(self, folder: Path, name: str, **settings: object) -> None:
        super().__init__(str(folder), name, enable_version_counter=False, **settings)

    @property
    def state_key(self) -> str:
        """Lightning's own key, under which earlier runs have kept their record."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Go on from a checkpoint; where the best weights are lost, no score bars the next ones."""
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
    """Keeps the random generators in the checkpoint, so that a resumed run draws on as it would."""

    def state_dict(self) -> dict[str, object]:
        """Generators of torch, numpy and Python as plain values."""
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002  # what libraries draw from
        python = random.getstate()
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [kind, keys.tolist(), *rest],
            "python": [python[0], list(python[1]), python[2]],
        }

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Keep what was saved until training starts."""
        self._saved = state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Set the generators as they were."""
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
    """Checkpoints that replace the old one in one step, also where /tmp is another disk."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, object],
        path: str | Path,
        storage_options: object | None = None,  # noqa: ARG002
    ) -> None:
        """Write beside the file, then rename."""
        with written(path) as draft:
            try:
                torch.save(checkpoint, draft)
            except RuntimeError as error:  # what torch makes of a full disk
                raise OSError(f"no room, or the disk refuses it: {error}") from error
