"""Learning rate over training: a warm-up in steps, then a decay over progress and by epochs."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Progress = Callable[[int], float]


@dataclass(frozen=True)
class Schedule:
    """Factor of the learning rate: warm-up, polynomial decay, and a factor per epoch.

    The factor is min(1, (step + 1) / warmup_steps) × (1 − progress)^power × epoch_factor^epoch;
    `epoch` counts finished epochs. The decay never goes below `floor`, a share of the full rate.

    Source: polynomial decay with power 0.9, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; a
    factor of 0.985 per epoch alone, Weninger et al. 2019, doi:10.1007/978-3-030-11726-9_1.
    """

    warmup_steps: int = 50
    power: float = 0.9
    floor: float = 0.0
    epoch_factor: float = 1.0

    def factor(self, step: int, progress: float, epoch: int = 0) -> float:
        """Return the share of the full learning rate at a step, a progress and an epoch.

        Args:
            step: number of the step, from 0.
            progress: share of the training that is done; values are clipped to [0, 1].
            epoch: number of finished epochs.
        """
        rise = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        fall = (1.0 - min(max(progress, 0.0), 1.0)) ** self.power * self.epoch_factor**epoch
        return rise * max(fall, self.floor)

    def scheduler(
        self, optimizer: Optimizer, progress: Progress, steps_per_epoch: float = math.inf
    ) -> LambdaLR:
        """Make a scheduler that calls `progress` once per step; its state is plain values.

        Args:
            optimizer: optimizer with the full learning rate.
            progress: function from the step to the share of the training that is done.
            steps_per_epoch: steps per epoch, for the factor per epoch; infinite without epochs.
        """

        def factor(step: int) -> float:
            return self.factor(step, progress(step), int(step // steps_per_epoch))

        return LambdaLR(optimizer, factor)


def training_progress(trainer: pl.Trainer) -> Progress:
    """Return a function for the share of training that is done, in steps or in `max_time`.

    The larger share counts. The share of steps is exact after resuming. The share of time comes
    from Lightning's Timer, whose time is stored in checkpoints; all ranks use rank 0's clock.
    Without a limit in steps or time the progress stays 0 and the rate does not fall.
    """
    steps = trainer.estimated_stepping_batches
    timer = next((timer for timer in trainer.callbacks if isinstance(timer, Timer)), None)

    def progress(step: int) -> float:
        by_steps = step / steps if 0 < steps < float("inf") else 0.0
        return max(by_steps, trainer.strategy.broadcast(time_share(timer)))

    return progress


def steps_per_epoch(trainer: pl.Trainer) -> float:
    """Return the number of weight updates per epoch; infinite for data without an end.

    Batches whose gradients are accumulated count as one update. May load the training data.
    """
    if trainer.train_dataloader is None:  # not loaded yet, if the training is limited in steps
        trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if math.isinf(batches):
        return math.inf
    return max(math.ceil(batches / trainer.accumulate_grad_batches), 1)


def time_share(timer: Timer | None) -> float:
    """Return the share of the time budget that has been spent; 0 without a budget."""
    left_s = timer.time_remaining() if timer else None
    if left_s is None:
        return 0.0
    spent_s = timer.time_elapsed()
    return spent_s / (spent_s + left_s)
