"""What a run costs beside its Dice: seconds a step, memory, energy, seconds a predicted case."""

import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from neurotarget.files.reading import read_plain
from neurotarget.models.profile import profile
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.tracking.energy import EnergyMeter, Gpus, Processor, Source
from neurotarget.types import TripleVox

try:
    import resource
except ImportError:  # Windows
    resource = None

FILE = "cost.json"
MIB = 2**20
ENERGY_EVERY_S = 10.0  # counters of a processor wrap around in minutes at the soonest


class CostMeter(Callback):
    """Measures training over all sittings of a run; validation is not counted.

    Seconds of a step are those of training over its steps, waiting for patches and writing
    checkpoints included: where training makes patches itself, a queue of them is filled at once,
    and single steps say little. Peak memory
    is what torch held on a GPU at one time, else what the whole process held (the program and the
    data too, but no workers), from the start of training to its end, validation included. Energy
    is that of the machine's processors and of the GPUs in use, whoever else works there.
    """

    def __init__(self) -> None:
        self.steps, self.expected_steps = 0, math.nan
        self.peak_memory_mib, self.peak_memory_of = 0.0, ""
        self.energy = EnergyMeter({})
        self._is_training = self._is_resumed = False
        self._device = torch.device("cpu")
        self._before_s, self._since = 0.0, None  # seconds; a moment of the monotonic clock
        self._read_at = 0.0

    @property
    def train_s(self) -> float:
        """Seconds in training steps so far."""
        return self._before_s + (0.0 if self._since is None else time.monotonic() - self._since)

    @property
    def step_s(self) -> float:
        """Mean seconds of a step; NaN before the first."""
        return self.train_s / self.steps if self.steps else math.nan

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begin a sitting."""
        self._device = trainer.strategy.root_device
        energy = EnergyMeter(_sources(self._device, trainer))
        if self._is_resumed:
            energy.go_on(self.energy.joules)
        self.energy = energy
        _forget_peak(self._device)
        self._is_training = True
        self.expected_steps = float(trainer.estimated_stepping_batches)  # inf without an end
        self._start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Count, and read counters before they wrap around."""
        now, self.steps = time.monotonic(), trainer.global_step
        if now - self._read_at > ENERGY_EVERY_S:
            self._read_at = now
            self.energy.read()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop counting."""
        self._stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Go on counting."""
        if self._is_training:  # and not in a look at the data before
            self._start()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """End a sitting; what is held from now on is not the training's."""
        self._stop()
        self._read_peak()
        self._is_training = False

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint."""
        if self._is_training:
            self._read_peak()
        return {
            "steps": self.steps,
            "expected_steps": self.expected_steps,
            "train_s": self.train_s,
            "peak_memory_mib": self.peak_memory_mib,
            "peak_memory_of": self.peak_memory_of,
            "joules": dict(self.energy.joules),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.steps, self._before_s = int(state_dict["steps"]), float(state_dict["train_s"])
        # training does not start again where it was over before the run was stopped
        self.expected_steps = float(state_dict.get("expected_steps", math.nan))
        self.peak_memory_mib = float(state_dict["peak_memory_mib"])
        self.peak_memory_of = str(state_dict["peak_memory_of"])
        self.energy.joules = dict(state_dict["joules"])
        self._is_resumed = True

    def _start(self) -> None:
        self._since = self._read_at = time.monotonic()
        self.energy.start()

    def _stop(self) -> None:
        if self._since is not None:
            self._before_s, self._since = self.train_s, None
            self.energy.read()

    def _read_peak(self) -> None:
        is_gpu = self._device.type == "cuda"
        whose = "gpu" if is_gpu else "process"
        mib = torch.cuda.max_memory_allocated(self._device) / MIB if is_gpu else process_peak_mib()
        before = self.peak_memory_mib if whose == self.peak_memory_of else 0.0
        self.peak_memory_mib, self.peak_memory_of = max(mib, before), whose


def write_cost(
    folder: Path,
    meter: CostMeter,
    net: nn.Module,
    *,
    in_channels: int,
    batch_size: int,
    patch_vox: TripleVox,
) -> dict[str, Any]:
    """Write the cost of a training as cost.json of its run folder, and return it.

    `flops_per_step` is that of forward and backward of one batch (see `profile`), or null for a net
    that cannot be profiled; seconds of prediction are null until `prediction_cost` adds them.
    """
    flops = None
    with suppress(DataError):
        flops = float(profile(net, (batch_size, in_channels, *patch_vox), training=True).flops)
    cost = {
        "parameters": sum(weight.numel() for weight in net.parameters()),
        "flops_per_step": flops,
        "steps": meter.steps,
        "step_s": _known(meter.step_s),
        "train_s": meter.train_s,
        "peak_memory_mib": _known(meter.peak_memory_mib),
        "peak_memory_of": meter.peak_memory_of,
        "batch_size": batch_size,
        "patch_vox": list(patch_vox),
        "predict_s_per_case": None,
        "predict_cases": 0,
        "energy_wh": meter.energy.watt_hours,
        "energy_of": meter.energy.whose,
    }
    kept = read_plain(folder / FILE)  # of a run that goes on, whose predictions may stay
    cost |= {name: kept[name] for name in ("predict_s_per_case", "predict_cases") if name in kept}
    write_json(folder / FILE, cost)
    return cost


def add_prediction_cost(folder: Path, seconds_per_case: float, cases: int) -> None:
    """Complete cost.json of a run; nothing to complete where it was trained without one."""
    if cost := read_plain(folder / FILE):
        cost |= {"predict_s_per_case": seconds_per_case, "predict_cases": cases}
        write_json(folder / FILE, cost)


@contextmanager
def prediction_cost(folder: Path, predictions: Path) -> Iterator[None]:
    """Time what predicts cases into `predictions`, and complete cost.json of the run.

    A case's seconds are those from its scan on disk to its label map on disk. Only cases that are
    made within are counted; where all were kept, what is known already stays.
    """
    before, started = _stamps(predictions), time.monotonic()
    yield
    seconds = time.monotonic() - started
    made = sum(before.get(name) != stamp for name, stamp in _stamps(predictions).items())
    if made:
        add_prediction_cost(folder, seconds / made, made)


def process_peak_mib() -> float:
    """Most memory that this process has held in MiB, since `_forget_peak` or its start.

    Linux says it of the program alone; `getrusage`, which serves elsewhere, hands on the peak of
    the process that started this one. NaN where neither is there.
    """
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            return int(found[1]) / 1024
    if resource is None:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024


def _forget_peak(device: torch.device) -> None:
    """Let peaks begin anew, since an earlier job may have run in this process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):  # Linux takes 5 for the peak of resident memory
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _sources(device: torch.device, trainer: pl.Trainer) -> dict[str, Source]:
    found: dict[str, Source] = {"cpu": Processor()}
    if device.type == "cuda":
        found["gpu"] = Gpus(trainer.device_ids)
    return found


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _stamps(predictions: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in predictions.glob("*.nii.gz")}
