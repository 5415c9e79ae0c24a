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
    """Factor of the learning rate: warm-up, polynomial decay, and a factor for each epoch.

    It is min(1, (step + 1) / warmup_steps) × (1 − progress)^power × epoch_factor^epoch, of finished
    epochs. The decay never goes below `floor`, a share of the full rate.

    Source: polynomial decay with power 0.9, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; a
    factor of 0.985 an epoch alone, Weninger et al. 2019, doi:10.1007/978-3-030-11726-9_1.
    """

    warmup_steps: int = 50
    power: float = 0.9
    floor: float = 0.0
    epoch_factor: float = 1.0

    def factor(self, step: int, progress: float, epoch: int = 0) -> float:
        """Share of the full learning rate at a step, at a progress in [0, 1], in an epoch.

        Args:
            step: number of the step, from 0.
            progress: share of the training that is done; values outside of [0, 1] are cut.
            epoch: number of finished epochs.
        """
        rise = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        fall = (1.0 - min(max(progress, 0.0), 1.0)) ** self.power * self.epoch_factor**epoch
        return rise * max(fall, self.floor)

    def scheduler(
        self, optimizer: Optimizer, progress: Progress, steps_per_epoch: float = math.inf
    ) -> LambdaLR:
        """Follow `progress`, which is called once per optimizer step; the state is plain values.

        Args:
            optimizer: its rate is the full one.
            progress: gives the share of the training that is done, from the step.
            steps_per_epoch: for the factor of each epoch; infinite where epochs do not count.
        """

        def factor(step: int) -> float:
            return self.factor(step, progress(step), int(step // steps_per_epoch))

        return LambdaLR(optimizer, factor)


def training_progress(trainer: pl.Trainer) -> Progress:
    """Share of training that is done: of the steps or of `max_time`, whichever is larger.

    The share of steps is exact after resuming. The share of time comes from Lightning's Timer,
    whose elapsed time is stored in checkpoints; all ranks use the clock of rank 0. Without a limit
    in steps or time the progress stays 0 and the rate does not fall.
    """
    steps = trainer.estimated_stepping_batches
    timer = next((timer for timer in trainer.callbacks if isinstance(timer, Timer)), None)

    def progress(step: int) -> float:
        by_steps = step / steps if 0 < steps < float("inf") else 0.0
        return max(by_steps, trainer.strategy.broadcast(time_share(timer)))

    return progress


def steps_per_epoch(trainer: pl.Trainer) -> float:
    """Updates of the weights in an epoch; infinite where the data have no end.

    Batches whose gradients are accumulated count as one update. May load the training data.
    """
    if trainer.train_dataloader is None:  # not loaded yet, if the training is limited in steps
        trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if math.isinf(batches):
        return math.inf
    return max(math.ceil(batches / trainer.accumulate_grad_batches), 1)


def time_share(timer: Timer | None) -> float:
    """Share of the time budget that has been spent; 0 without a budget."""
    left_s = timer.time_remaining() if timer else None
    if left_s is None:
        return 0.0
    spent_s = timer.time_elapsed()
    return spent_s / (spent_s + left_s)
