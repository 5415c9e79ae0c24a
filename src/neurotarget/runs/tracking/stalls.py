"""Stalls of a training: the share of its time that it waits for batches, and patches per second."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.profilers import Profiler

from neurotarget.data.batches.datamodule import TargetData, available_cores
from neurotarget.shapes import Batch

FETCH = "train_dataloader_next"  # end of Lightning's name for taking a batch from the loader
EPOCH_KEY = "train/waiting"  # logged once, at the end of every epoch
MUCH = 0.2  # share of waiting above which the settings should be changed


@dataclass(frozen=True)
class Tally:
    """Seconds of a training without validation, those of them spent waiting, and its patches."""

    train_s: float = 0.0
    waiting_s: float = 0.0
    patches: int = 0

    @property
    def waiting(self) -> float:
        """Share of the time that was spent waiting for batches, 0 to 1; NaN before any time."""
        return min(self.waiting_s / self.train_s, 1.0) if self.train_s else math.nan

    @property
    def patches_per_s(self) -> float:
        """Patches per second of training; NaN before any time."""
        return self.patches / self.train_s if self.train_s else math.nan

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.train_s + other.train_s,
            self.waiting_s + other.waiting_s,
            self.patches + other.patches,
        )


class StallMeter(Callback):
    """Measures per epoch, and over all parts of a resumed run, how long training waits for batches.

    A wait is the time in the loader from a step's end to the arrival of the next batch; the first
    wait of an epoch begins with the epoch, so that starting workers count. Of a GPU only the
    seconds count in which it had nothing to compute. Validation is left out. Each epoch logs
    `train/waiting`, the mean over ranks, and `train/patches_per_s`, their sum.
    """

    def __init__(self) -> None:
        self.before, self.epoch = Tally(), Tally()  # earlier epochs, and the current one
        self._since: float | None = None  # of the training's time, on the clock below
        self._wait: Wait = ProcessorWait()

    @property
    def whole(self) -> Tally:
        """The run so far, earlier epochs and earlier parts of a resumed run included."""
        running_s = 0.0 if self._since is None else time.perf_counter() - self._since
        return self.before + self.epoch + Tally(running_s)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Watch when Lightning takes a batch, by its profiler."""
        device = trainer.strategy.root_device
        self._wait = GpuWait(device) if device.type == "cuda" else ProcessorWait()
        trainer.profiler = Watched(trainer.profiler, self._wait.begin, self._wait.end)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Start the epoch's clock and its first wait."""
        self._since = time.perf_counter()
        self._wait.begin()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: object,  # noqa: ARG002
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Count the patches, and take over the seconds waited so far in the epoch."""
        self.epoch = replace(
            self.epoch,
            patches=self.epoch.patches + len(batch.image),
            waiting_s=self._wait.seconds,
        )

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop the clock, as validation is not counted."""
        self._stop()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log an epoch that has ended with the scores of its validation.

        A checkpoint follows, and a run that is killed after it would not log the epoch again.
        """
        if trainer.is_last_batch and not trainer.sanity_checking:
            self._log(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Start the clock again, but not after the sanity check before training."""
        if not trainer.sanity_checking:
            self._since = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Log an epoch that has no validation at its end."""
        if self.epoch.patches:
            self._log(pl_module)
        self._since = None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Give Lightning its own profiler back."""
        if isinstance(trainer.profiler, Watched):
            trainer.profiler = trainer.profiler.inner

    def facts(self, data: TargetData) -> dict[str, Any]:
        """Return `waiting`, `patches_per_s` and, for long waits, `waiting_note`, for summary.json.

        Empty if nothing was trained; `data` has the settings that the note refers to.
        """
        whole = self.whole
        if not whole.train_s:
            return {}
        note = stall_note(whole.waiting, data)
        return {
            "waiting": round(whole.waiting, 4),
            "patches_per_s": round(whole.patches_per_s, 3),
            **({"waiting_note": note} if note else {}),
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint."""
        whole = self.whole
        return {name: getattr(whole, name) for name in ("train_s", "waiting_s", "patches")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the numbers in a checkpoint."""
        self.before, self.epoch = Tally(**state_dict), Tally()

    def _log(self, pl_module: pl.LightningModule) -> None:
        self._stop()
        self.epoch = replace(self.epoch, waiting_s=self._wait.total())
        each = {"on_step": False, "on_epoch": True, "sync_dist": True}
        pl_module.log(EPOCH_KEY, self.epoch.waiting, **each)
        pl_module.log("train/patches_per_s", self.epoch.patches_per_s, **each, reduce_fx="sum")
        self.before, self.epoch = self.before + self.epoch, Tally()

    def _stop(self) -> None:
        if self._since is not None:
            self.epoch += Tally(time.perf_counter() - self._since)
            self._since = None


class ProcessorWait:
    """Seconds between `begin` and `end`; a second `begin` changes nothing."""

    def __init__(self) -> None:
        self.seconds, self._since = 0.0, None

    def begin(self) -> None:
        """Start counting: training asks for a batch."""
        if self._since is None:
            self._since = time.perf_counter()

    def end(self) -> None:
        """Stop counting: the batch is there."""
        self.seconds += time.perf_counter() - self._since
        self._since = None

    def total(self) -> float:
        """Seconds since the last call."""
        seconds, self.seconds, self._since = self.seconds, 0.0, None
        return seconds


class GpuWait:
    """As `ProcessorWait`, but only the seconds in which the GPU has finished all its work.

    Events in the GPU's own queue take the times, and are read when it has passed them, so that the
    GPU never waits to be measured.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds, self._device = 0.0, device
        self._first: torch.cuda.Event | None = None
        self._pairs: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()

    def begin(self) -> None:
        """Mark the GPU's queue: training asks for a batch."""
        if self._first is None:
            self._first = self._marked()

    def end(self) -> None:
        """Mark the queue again: the batch is there. Pairs that the GPU has passed are read."""
        self._pairs.append((self._first, self._marked()))
        self._first = None
        while self._pairs and self._pairs[0][1].query():
            self._read()

    def total(self) -> float:
        """Seconds since the last call; waits until the GPU has passed the events."""
        while self._pairs:
            self._pairs[0][1].synchronize()
            self._read()
        seconds, self.seconds, self._first = self.seconds, 0.0, None
        return seconds

    def _read(self) -> None:
        first, last = self._pairs.popleft()
        self.seconds += first.elapsed_time(last) / 1000

    def _marked(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event


Wait = ProcessorWait | GpuWait


class Watched(Profiler):
    """Lightning's profiler, which also reports when training asks for a batch and gets it.

    Lightning calls its profiler around each of its actions, also where nothing is profiled.

    Args:
        inner: profiler of the user's settings, which is called as before.
        asked: called when training asks for a batch.
        arrived: called when the batch is there.
    """

    def __init__(
        self, inner: Profiler, asked: Callable[[], None], arrived: Callable[[], None]
    ) -> None:
        super().__init__(inner.dirpath, inner.filename)
        self.inner, self._asked, self._arrived = inner, asked, arrived

    def start(self, action_name: str) -> None:
        """Start an action of Lightning's; taking a batch of the training is reported."""
        self.inner.start(action_name)
        if action_name.endswith(FETCH):
            self._asked()

    def stop(self, action_name: str) -> None:
        """Stop an action of Lightning's; that a batch of the training has arrived is reported."""
        if action_name.endswith(FETCH):
            self._arrived()
        self.inner.stop(action_name)

    def setup(self, *args: object, **kwargs: object) -> None:
        """Prepare the inner profiler."""
        self.inner.setup(*args, **kwargs)

    def teardown(self, stage: str | None) -> None:
        """Close the inner profiler."""
        self.inner.teardown(stage)

    def describe(self) -> None:
        """Report of the inner profiler."""
        self.inner.describe()

    def summary(self) -> str:
        """Text of the inner profiler."""
        return self.inner.summary()


def stall_note(waiting: float, data: TargetData) -> str:
    """Sentence on what to set where a training waited for much of its time; else "".

    Args:
        waiting: share of the time, 0 to 1; NaN gives "".
        data: its loader and workers, which the advice depends on.
    """
    if not waiting > MUCH:
        return ""
    todo, spare = [], available_cores() - 2
    if data.patches == "queue":
        todo.append("data.patches=direct")
    if spare > max(data.workers, 1):
        todo.append(f"data.workers={spare} (it was {data.workers})")
    rarer = "make slow transforms rarer, such as augment.motion.p or augment.elastic.p"
    advice = f"set {' or '.join(todo)}, or {rarer}" if todo else rarer
    return f"training waited {100 * waiting:.0f} % of its time for patches: {advice}"
