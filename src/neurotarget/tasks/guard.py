"""Stop a training whose loss is NaN or infinite, before it overwrites good weights."""

from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from neurotarget.problems import DataError
from neurotarget.shapes import Batch


class Seen(NamedTuple):
    """The latest training batch, whose loss is not yet checked."""

    loss: Tensor
    epoch: int
    step: int
    case_ids: list[str]


class NotFiniteError(DataError):
    """Raised for a loss or weights that are not finite; `step` is the last trained step, from 1."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class NaNGuard(Callback):
    """Raise `NotFiniteError` when the training or validation loss becomes NaN or infinite.

    Steps are counted from 1; with accumulated gradients a step has several batches.
    On a GPU the loss of a batch is read after the next batch has started, so that the GPU never
    waits; before validation and before any checkpoint it is read at once.
    """

    def __init__(self) -> None:
        self._seen: Seen | None = None
        self._step = 0  # of the current batch

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Store the number of the batch's step."""
        self._step = trainer.global_step + 1

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, Tensor],
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Check the loss of the previous batch, and on a CPU also of this batch."""
        self._look(trainer)
        loss = outputs["loss"].detach()
        self._seen = Seen(loss, trainer.current_epoch, self._step, batch.case_ids)
        if pl_module.device.type == "cpu":
            self._look(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Check the last loss, before broken weights are validated."""
        self._look(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Check the last loss, also in an epoch without validation."""
        self._look(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Check the validation loss: it reveals broken weights after a finite training loss."""
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not torch.isfinite(loss):
            where = f"validation after epoch {trainer.current_epoch}, step {trainer.global_step}"
            raise _error(f"{where}: found a loss of {loss.item()}", trainer, self._step)

    def on_save_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        checkpoint: dict,
    ) -> None:
        """Check the last loss, and refuse to save weights that are NaN or infinite.

        The last step of a training can break the weights, and no later loss would reveal this.
        """
        self._look(trainer)
        weights = {**pl_module.state_dict(), **checkpoint.get("state_dict", {})}
        broken = [
            name
            for name, value in weights.items()
            if value.is_floating_point() and not torch.isfinite(value).all()
        ]
        if broken:
            where = f"training, epoch {trainer.current_epoch}, step {trainer.global_step}"
            found = f"NaN or infinite weights ({len(broken)} tensors, such as {broken[0]})"
            raise _error(f"{where}: found {found}", trainer, self._step)

    def _look(self, trainer: pl.Trainer) -> None:
        seen, self._seen = self._seen, None
        if seen is None or torch.isfinite(seen.loss):
            return
        cases = ", ".join(dict.fromkeys(seen.case_ids))
        where = f"training, epoch {seen.epoch}, step {seen.step}, cases {cases}"
        raise _error(f"{where}: found a loss of {seen.loss.item()}", trainer, seen.step)


def _error(found: str, trainer: pl.Trainer, step: int) -> NotFiniteError:
    saved = [
        Path(path)
        for callback in trainer.checkpoint_callbacks
        for path in (
            getattr(callback, "last_model_path", ""),
            getattr(callback, "best_model_path", ""),
        )
        if path and Path(path).exists()
    ]
    last = max(saved, key=lambda path: path.stat().st_mtime, default=None)
    good = f"the last good checkpoint is {last}" if last else "no checkpoint was saved before"
    return NotFiniteError(
        f"{found}, wanted finite numbers; {good}; look at these cases with `neurotarget lint`, "
        "or lower optimizer.lr, or train with trainer.precision=32-true",
        step,
    )
