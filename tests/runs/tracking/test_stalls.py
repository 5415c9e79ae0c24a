import math
import time
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.profilers import SimpleProfiler
from torch.utils.data import DataLoader, Dataset

from neurotarget.runs.tracking import stalls
from neurotarget.runs.tracking.stalls import GpuWait, StallMeter, Tally, stall_note
from neurotarget.shapes import Batch
from oracles.short_trainer import trainer_of

MADE_S, STEP_S, VALIDATION_S = 0.03, 0.01, 0.5
BATCHES, SIZE = 8, 3


class Slow(Dataset):
    """Batches that take a while to make."""

    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        time.sleep(MADE_S)
        return Batch(torch.ones(SIZE, 1, 1, 1, 1), None, ["a"] * SIZE)


class Task(pl.LightningModule):
    """Its steps and validations take as long as the test sets."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def training_step(self, batch, _):
        time.sleep(STEP_S)
        return self.line(batch.image.flatten()[:, None]).square().mean()

    def validation_step(self, *_):
        time.sleep(VALIDATION_S)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder, *, epochs=1, **settings):
    meter = StallMeter()
    trainer, how = trainer_of(folder, meter, epochs=epochs, **settings)
    loaders = DataLoader(Slow(), batch_size=None), DataLoader(torch.ones(1, 1))
    trainer.fit(Task(), *loaders, **how)
    return meter, trainer


def test_waiting_is_the_time_in_the_loader_without_validation(tmp_path):
    meter, trainer = fit(tmp_path)
    whole = meter.whole
    assert whole.patches == BATCHES * SIZE
    assert BATCHES * MADE_S <= whole.waiting_s <= whole.train_s - BATCHES * STEP_S
    assert whole.train_s - whole.waiting_s < BATCHES * STEP_S + VALIDATION_S
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged["train/waiting"] == pytest.approx(whole.waiting_s / whole.train_s, rel=1e-5)
    assert logged["train/patches_per_s"] == pytest.approx(24 / whole.train_s, rel=1e-5)


def test_a_resumed_run_goes_on_counting(tmp_path):
    first, _ = fit(tmp_path)
    second, _ = fit(tmp_path, epochs=2, resumed=True)
    assert second.whole.patches == 2 * BATCHES * SIZE
    assert second.whole.train_s >= first.whole.train_s + BATCHES * (MADE_S + STEP_S)
    assert second.whole.waiting_s >= first.whole.waiting_s + BATCHES * MADE_S


class Saved(Callback):
    """What is logged when a checkpoint is saved at the end of a validation."""

    def __init__(self):
        self.logged, self.tallies = [], []

    def on_validation_end(self, trainer, _):
        meter = next(one for one in trainer.callbacks if isinstance(one, StallMeter))
        self.logged.append([*trainer.logged_metrics])
        self.tallies.append(meter.before.patches)


def test_an_epoch_is_logged_before_the_checkpoint_of_its_validation(tmp_path):
    """A run that is killed after the checkpoint does not train the epoch again."""
    saved, meter = Saved(), StallMeter()
    trainer, how = trainer_of(tmp_path, meter, epochs=2, check_val_every_n_epoch=2)
    trainer.callbacks.append(saved)
    loaders = DataLoader(Slow(), batch_size=None), DataLoader(torch.ones(1, 1))
    trainer.fit(Task(), *loaders, **how)
    assert saved.tallies == [0, 2 * BATCHES * SIZE]  # of the sanity check, and of two epochs
    assert not saved.logged[0]
    assert {"train/waiting", "train/patches_per_s"} <= {*saved.logged[1]}
    assert meter.epoch == Tally()


def test_the_users_own_profiler_works_as_before(tmp_path):
    own = SimpleProfiler()
    _, trainer = fit(tmp_path, profiler=own)
    assert trainer.profiler is own
    name = "[_TrainingEpochLoop].train_dataloader_next"
    assert len(own.recorded_durations[name]) == BATCHES
    assert not own.current_actions


def test_nothing_is_said_before_any_time():
    meter = StallMeter()
    assert math.isnan(meter.whole.waiting)
    assert meter.facts(SimpleNamespace(patches="queue", workers=0)) == {}


@pytest.mark.parametrize(
    ("patches", "workers", "advice"),
    [
        ("queue", 6, "set data.patches=direct, or make slow transforms rarer"),
        ("queue", 0, "set data.patches=direct or data.workers=6 (it was 0), or make slow"),
        ("direct", 2, "set data.workers=6 (it was 2), or make slow transforms rarer"),
        ("direct", 6, "for patches: make slow transforms rarer, such as augment.motion.p"),
    ],
)
def test_a_stalled_training_says_what_to_set(patches, workers, advice, monkeypatch):
    monkeypatch.setattr(stalls, "available_cores", lambda: 8)
    data = SimpleNamespace(patches=patches, workers=workers)
    note = stall_note(0.345, data)
    assert note.startswith("training waited 34 % of its time for patches: ")
    assert advice in note
    assert stall_note(0.2, data) == stall_note(math.nan, data) == ""


def test_facts_hold_the_share_and_the_speed(monkeypatch):
    meter, data = StallMeter(), SimpleNamespace(patches="direct", workers=0)
    monkeypatch.setattr(stalls, "available_cores", lambda: 2)
    meter.before = Tally(train_s=20.0, waiting_s=1.0, patches=90)
    assert meter.facts(data) == {"waiting": 0.05, "patches_per_s": 4.5}
    meter.before = Tally(train_s=20.0, waiting_s=9.0, patches=90)
    assert meter.facts(data)["waiting_note"] == stall_note(0.45, data)


class Event:
    """An event of a GPU that passes it at a given time, ms."""

    clock: list[float]

    def __init__(self, *, enable_timing):
        assert enable_timing

    def record(self, _):
        self.at_ms = self.clock.pop(0)

    def query(self):
        return self.at_ms < 1000

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return other.at_ms - self.at_ms


def test_of_a_gpu_only_idle_seconds_count(monkeypatch):
    """The GPU's own clock: it passes the first event when its work is done, the second later."""
    Event.clock = [10.0, 30.0, 80.0, 80.0, 900.0, 1400.0]
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: None)
    wait = GpuWait(torch.device("cuda"))
    for _ in range(3):
        wait.begin()
        wait.begin()
        wait.end()
    assert wait.seconds == pytest.approx(0.02)  # the last event is not passed yet
    assert wait.total() == pytest.approx(0.52)
    assert wait.total() == 0.0
