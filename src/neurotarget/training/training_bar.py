"""Progress bar of a training, with the time left from the pace of the last minutes."""

import math
import sys
import time
from collections import deque

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm

from neurotarget.runs.tracking.stalls import StallMeter
from neurotarget.tasks.schedule import Progress, training_progress

REFRESH_S, LOGGED_S = 1.0, 60.0  # on a terminal, and in a file
WINDOW_S = 180.0  # covers one or two validations, so that these do not change the time left


class Pace:
    """Estimates the time left from the progress of the last minutes.

    Validation and checkpoints count, as they take time too. A recent pace follows a machine that
    becomes busy or idle; the mean since the start would not.

    Args:
        window_s: seconds of the past that count.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self.window_s = window_s
        self._seen: deque[tuple[float, float]] = deque()  # seconds, share done

    def add(self, share: float, now_s: float) -> None:
        """Record the share of the training that is done, 0 to 1, at a time in seconds."""
        self._seen.append((now_s, share))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= self.window_s:
            self._seen.popleft()

    def left_s(self) -> float | None:
        """Return the seconds until the training is done; None before the pace is known."""
        if len(self._seen) < 2:
            return None
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (1 - last) * (last_s - first_s) / (last - first) if last > first else None


def duration(seconds: float) -> str:
    """Write a duration as rounded text: `40 s`, `9 minutes`, `2 h 10 min`."""
    if seconds < 57.5:
        return f"{max(5 * round(seconds / 5), 5)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} minute{'s' * (minutes > 1)}"
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


class TrainingBar(Callback):
    """Shows the training's progress by steps or by its time budget, whichever ends first.

    Also shown: the time left, losses, the monitored score, and the share of the time that the
    training has waited for patches.

    Args:
        monitor: logged name of the score that is shown.
        stalls: meter of the time spent waiting.
    """

    def __init__(self, monitor: str, stalls: StallMeter) -> None:
        self.monitor, self.stalls, self.bar = monitor, stalls, None
        self.progress: Progress = float
        self.shown_s = 0.0
        self.refresh_s = REFRESH_S if sys.stderr.isatty() else LOGGED_S
        self.pace = Pace()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Open the bar at the run's current progress."""
        self.progress, self.pace = training_progress(trainer), Pace()
        share = self.progress(trainer.global_step)  # on every rank, since it is broadcast
        if trainer.is_global_zero:
            self.pace.add(share, time.monotonic())
            self.bar = tqdm(
                total=100.0,
                desc="train",
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}",
                initial=100 * share,
                mininterval=1.0,
            )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        *_: object,
    ) -> None:
        """Update the bar, at most once in `refresh_s` seconds."""
        share = self.progress(trainer.global_step)
        if self.bar is not None and time.monotonic() - self.shown_s > self.refresh_s:
            self.shown_s = time.monotonic()  # reading the loss makes a GPU wait
            self.pace.add(share, self.shown_s)
            self.bar.n = min(100 * share, 100.0)
            self.bar.set_postfix_str(self._postfix(trainer), refresh=False)
            self.bar.update(0)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Close the bar at the progress that was reached."""
        share = self.progress(trainer.global_step)  # on every rank, since it is broadcast
        if self.bar is not None:
            self.bar.n = min(100 * share, 100.0)
            self.bar.close()

    def on_exception(self, *_: object) -> None:
        """Close the bar at its current progress, so that it does not overwrite the error."""
        if self.bar is not None:
            self.bar.close()

    def _postfix(self, trainer: pl.Trainer) -> str:
        left_s = self.pace.left_s()
        shown = [] if left_s is None else [f"about {duration(left_s)} left"]
        shown.append(f"epoch {trainer.current_epoch}")
        for name, key in (("loss", "train/loss"), ("val", self.monitor)):
            if key in trainer.callback_metrics:
                shown.append(f"{name} {float(trainer.callback_metrics[key]):.3f}")
        if not math.isnan(waiting := self.stalls.whole.waiting):
            shown.append(f"waiting {100 * waiting:.0f} %")
        return ", ".join(shown)
