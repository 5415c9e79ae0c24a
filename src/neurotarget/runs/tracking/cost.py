"""Cost of a run: seconds per step, memory, energy, seconds per predicted case."""

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
from neurotarget.process.allocator import return_freed_memory
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.tracking.energy import EnergyMeter
from neurotarget.types import TripleVox

try:
    import resource
except ImportError:  # Windows
    resource = None

FILE = "cost.json"
MIB = 2**20
ENERGY_EVERY_S = 10.0  # between two readings of the GPUs' power


class CostMeter(Callback):
    """Measures training over all parts of a resumed run; validation is not counted.

    Seconds per step are the training time over its steps, including waiting for patches and writing
    checkpoints: if the training process makes the patches, a whole queue is filled at once, so
    single steps are not representative. Peak memory is what torch allocated on a GPU, else that of
    the whole process (with program and data, without workers), from start to end of the training,
    including validation. Energy is that of the GPUs in use, including other programs.
    """

    def __init__(self) -> None:
        self.steps, self.expected_steps = 0, math.nan
        self.peak_memory_mib, self.peak_memory_of = 0.0, ""
        self.energy = EnergyMeter()
        self._is_training = self._is_resumed = False
        self._device = torch.device("cpu")
        self._before_s, self._since = 0.0, None  # seconds; start on the monotonic clock
        self._read_at = 0.0

    @property
    def train_s(self) -> float:
        """Seconds in training steps so far."""
        return self._before_s + (0.0 if self._since is None else time.monotonic() - self._since)

    @property
    def step_s(self) -> float:
        """Mean seconds per step; NaN before the first."""
        return self.train_s / self.steps if self.steps else math.nan

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Start measuring on the trainer's device.

        A resumed run adds to the numbers of its checkpoint.
        """
        self._device = trainer.strategy.root_device
        energy = EnergyMeter(trainer.device_ids if self._device.type == "cuda" else ())
        if self._is_resumed:
            energy.resume(self.energy.joules)
        self.energy = energy
        _forget_peak(self._device)
        self._is_training = True
        self.expected_steps = float(trainer.estimated_stepping_batches)  # inf without an end
        self._start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Count the step, and read the power of the GPUs now and then."""
        now, self.steps = time.monotonic(), trainer.global_step
        if now - self._read_at > ENERGY_EVERY_S:
            self._read_at = now
            self.energy.read()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Pause, as validation is not counted."""
        self._stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Resume after validation."""
        if self._is_training:  # not after the sanity check before training
            self._start()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop measuring; later memory use is not the training's."""
        self._stop()
        self._read_peak()
        self._is_training = False

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint, from which a resumed run continues."""
        if self._is_training:
            self._read_peak()
        return {
            "steps": self.steps,
            "expected_steps": self.expected_steps,
            "train_s": self.train_s,
            "peak_memory_mib": self.peak_memory_mib,
            "peak_memory_of": self.peak_memory_of,
            "joules": {} if self.energy.joules is None else {"gpu": self.energy.joules},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the numbers in a checkpoint."""
        self.steps, self._before_s = int(state_dict["steps"]), float(state_dict["train_s"])
        # a training that had ended before the run was stopped does not start again
        self.expected_steps = float(state_dict.get("expected_steps", math.nan))
        self.peak_memory_mib = float(state_dict["peak_memory_mib"])
        self.peak_memory_of = str(state_dict["peak_memory_of"])
        self.energy = EnergyMeter((), joules=state_dict["joules"].get("gpu"))
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
    """Write the cost of a training to cost.json in its run folder, and return it.

    `flops_per_step` is that of forward and backward of one batch (see `profile`), or null for a net
    that cannot be profiled, or whose steps use kept features; seconds of prediction are null until
    `prediction_cost` adds them.

    Args:
        folder: of the run.
        meter: of its training.
        net: the trained network.
        in_channels: contrasts that it sees.
        batch_size: patches per step.
        patch_vox: sides of a patch.
    """
    flops = None
    if not getattr(net, "frozen", False):
        shape = (batch_size, in_channels, *patch_vox)
        with suppress(DataError):
            flops = float(profile(net, shape, training=True).flops)
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
        "energy_of": "" if meter.energy.joules is None else "gpu",
    }
    kept = read_plain(folder / FILE)  # of a resumed run, whose predictions may be kept
    cost |= {name: kept[name] for name in ("predict_s_per_case", "predict_cases") if name in kept}
    write_json(folder / FILE, cost)
    return cost


def add_prediction_cost(folder: Path, seconds_per_case: float, cases: int) -> None:
    """Add the cost of prediction, in seconds per case, to cost.json of a run, if it has one."""
    if cost := read_plain(folder / FILE):
        cost |= {"predict_s_per_case": seconds_per_case, "predict_cases": cases}
        write_json(folder / FILE, cost)


@contextmanager
def prediction_cost(folder: Path, predictions: Path) -> Iterator[None]:
    """Time the prediction of cases into `predictions`, and add it to cost.json of the run.

    A case's seconds are from its scan on disk to its label map on disk. Only cases predicted in the
    block are counted; if all were kept, the known cost stays.
    """
    before, started = _stamps(predictions), time.monotonic()
    yield
    seconds = time.monotonic() - started
    made = sum(before.get(name) != stamp for name, stamp in _stamps(predictions).items())
    if made:
        add_prediction_cost(folder, seconds / made, made)


def process_peak_mib() -> float:
    """Peak memory of this process in MiB, since `_forget_peak` or its start.

    Linux reports it for the program alone; `getrusage`, the fallback, includes the peak of the
    parent process. NaN if neither exists.
    """
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        if match := re.search(r"VmHWM:\s+(\d+) kB", status):
            return int(match[1]) / 1024
    if resource is None:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024


def _forget_peak(device: torch.device) -> None:
    """Reset peaks, since an earlier job may have run in this process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return_freed_memory()
    with suppress(OSError):  # for Linux 5 means the peak of resident memory
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _stamps(predictions: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in predictions.glob("*.nii.gz")}
