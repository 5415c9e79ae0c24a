"""Exponential moving average of the weights; averaged weights are validated, saved and used."""

from functools import partial

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class EMA(WeightAveraging):
    """Lightning's weight averaging with a decay that warms up.

    After n steps the decay is min(decay, (1 + n) / (10 + n)), so that the first weights do not
    dominate a short training. A checkpoint holds the averaged weights, which validation used, as
    `state_dict`, and the weights to resume from as `current_model_state`.
    """

    def __init__(
        self, decay: float = 0.999, device: torch.device | None = None, *, every: int = 1
    ) -> None:
        """Average with `decay` per `every` steps on `device`, by default the task's device.

        Raises:
            ValueError: the decay is not a number in (0, 1).
        """
        if not 0 < decay < 1:
            raise ValueError(f"EMA: got decay {decay}, wanted a number in (0, 1) or null for none")
        super().__init__(device=device, multi_avg_fn=partial(blend, decay=decay))
        self.every, self._is_swapped = every, False

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:  # noqa: ARG002
        """Return whether to average after this step; never at the end of an epoch."""
        return step_idx is not None and (step_idx + 1) % self.every == 0

    def averaged_state(self) -> dict[str, Tensor] | None:
        """Return the averaged weights under the task's own names; None before training."""
        return None if self._average_model is None else self._average_model.module.state_dict()

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Swap in the averaged weights for validation."""
        super().on_validation_epoch_start(trainer, pl_module)
        self._is_swapped = self._average_model is not None

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Swap the latest weights back for training."""
        super().on_validation_epoch_end(trainer, pl_module)
        self._is_swapped = False

    def on_exception(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Restore the latest weights if validation was interrupted."""
        if self._is_swapped:
            self.on_validation_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the latest weights: a checkpoint at the end of training must resume exactly."""

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace the task's weights with the averaged ones, for a test after training."""
        super().on_train_end(trainer, pl_module)


@torch.no_grad()
def blend(average: list[Tensor], current: list[Tensor], count: Tensor, *, decay: float) -> None:
    """Move the average towards the current weights, in place; counters are copied.

    Args:
        average: averaged tensors of one type and device.
        current: tensors of the network, in the same order.
        count: number of averages so far, for the warm-up of the decay.
        decay: share of the average that stays after the warm-up.
    """
    steps = int(count)
    if average[0].is_floating_point():
        torch._foreach_lerp_(average, current, 1 - min(decay, (1 + steps) / (10 + steps)))
    else:
        torch._foreach_copy_(average, current)
