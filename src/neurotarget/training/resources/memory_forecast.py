"""Forecast the memory of a training before data are read, and compare it with free memory.

The peak of six trainings on a CPU (three networks, patches of 16³ to 64³ voxels, none or two
workers) was 0.90 to 1.04 times the forecast: resident memory of the training process, and memory of
its workers with their part of shared pages, validation included. The memory of a GPU has not been
measured.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.direct_loader import AHEAD
from neurotarget.data.batches.draws import region_of
from neurotarget.losses import DeepSupervision
from neurotarget.models.profile import profile
from neurotarget.problems import DataError
from neurotarget.process.free_memory import MIB, free_memory_mib, own_memory_mib
from neurotarget.runs.network.fitting import optimizer_states
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.precision import precision_for
from neurotarget.training.resources.devices import devices_per_node
from neurotarget.types import Target

Config = Mapping[str, Any]

WORKER_MIB = 200.0  # of a worker process, with what it imports
SERVER_MIB = 140.0  # of the process from which workers are started
LATER_MIB = 70.0  # what a training process takes after its start: loggers, buffers of libraries
ON_PROCESSOR = 1.7  # a step on a CPU over `profile`: copies in other layouts, and freed blocks
PREFETCHED = 2  # batches, or patches of the queue, that PyTorch keeps for each worker
MAKING = 4  # regions in memory at a time for each patch that is augmented
IMAGE_BYTES, LABEL_BYTES, QUEUED_LABEL_BYTES = 4, 8, 1  # of a voxel
HALF = 0.5  # of the memory of results, in mixed precision
MIB_PER_GB = 1e9 / MIB

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecast:
    """Memory of a training on one machine, MiB; `network` is on the GPU if there is a GPU."""

    program: float
    workers: float
    patches: float
    network: float
    processes: int = 1  # that train together on this machine
    is_on_gpu: bool = False

    @property
    def host(self) -> float:
        """Memory of the machine without its GPU, MiB."""
        network = 0.0 if self.is_on_gpu else self.network
        return self.processes * (self.program + self.workers + self.patches + network)

    @property
    def text(self) -> str:
        """Amounts of all parts as text, GB."""
        parts = {"program": self.program, "workers": self.workers, "patches": self.patches}
        parts |= {} if self.is_on_gpu else {"network": self.network}
        shown = [f"{name} {_gb(self.processes * mib)}" for name, mib in parts.items() if mib >= 1]
        return f"about {_gb(self.host)} GB ({', '.join(shown)})"


def fit_memory(config: Config, data: TargetData, target: Target, net: nn.Module) -> str:
    """Forecast the memory of a training, and use fewer workers or a shorter queue if needed.

    Returns a line for the first messages. Fewer workers make the same batches, and so does a
    shorter queue of patches that are not shuffled.

    Args:
        config: configuration of the run; with `check_memory=false` nothing is changed or refused.
        data: data module, whose workers and queue may be changed.
        target: target with the patch of the network.
        net: the network.

    Raises:
        DataError: even without workers the training needs more memory than is free.
    """
    free = free_memory_mib() + own_memory_mib()
    wanted = (data.workers, data.queue_length)
    network, unknown = 0.0, ""
    try:
        network = network_mib(config, target, net, data.batch_size)
    except Exception as error:  # a network or loss of the user's own may need real tensors
        log.info("the memory of a step is unknown: %s: %s", type(error).__name__, error)
        unknown = "; that of the network is unknown"
    made = forecast(config, data, target, network)
    gpu = _gpu_text(made, config)
    if config["check_memory"]:
        while made.host > free and _shrink(data):
            made = forecast(config, data, target, network)
        if made.host > free:
            raise DataError(_refusal(made.text, f"{_gb(free)} GB are free"))
    notes = f"{unknown}{gpu}{_changes(data, wanted, free)}"
    return f"{made.text} of {_gb(free)} GB that are free{notes}"


def forecast(config: Config, data: TargetData, target: Target, network: float) -> Forecast:
    """Forecast the memory of a training with its workers and queue; `network` is `network_mib`.

    Nothing is allocated: the parts follow from the sizes of patches and the numbers of contrasts,
    workers and queued regions. All are in MiB.
    """
    contrasts, batch, workers = len(target.channels), data.batch_size, data.workers
    patch = math.prod(target.patch_vox)
    region = math.prod(region_of(target.patch_vox, data.margin_share if data.augmentation else 0.0))
    whole = batch * patch * (IMAGE_BYTES * contrasts + LABEL_BYTES) / MIB
    made = region * (IMAGE_BYTES * contrasts + QUEUED_LABEL_BYTES) / MIB
    if data.patches == "direct":
        held = (1 + PREFETCHED * workers if workers else 1 + AHEAD) * whole
        making = MAKING * batch * made
    else:
        queued = patch * (IMAGE_BYTES * contrasts + QUEUED_LABEL_BYTES) / MIB
        held = (data.queue_length + PREFETCHED * workers) * queued + whole
        making = MAKING * made
    processes = WORKER_MIB * workers + (SERVER_MIB if workers else 0.0)
    return Forecast(
        own_memory_mib() + LATER_MIB,
        processes,
        held + max(workers, 1) * making,
        network,
        devices_per_node(config["trainer"]),
        _is_on_gpu(config),
    )


def network_mib(config: Config, target: Target, net: nn.Module, batch: int) -> float:
    """Compute the memory of a training step in the precision of the run, MiB; see `profile`.

    Half precision halves results, but not weights, gradients and optimizer state. On a CPU the
    peak of `profile` is multiplied by `ON_PROCESSOR`.
    """
    states = optimizer_states(config["optimizer"]) + (config["task"].get("ema_decay") is not None)
    loss = None if "loss" not in config["task"] else DeepSupervision(build(config["loss"]))
    shape = (batch, len(target.channels), *target.patch_vox)
    whole = profile(net, shape, training=True, optimizer_states=states, loss=loss).peak_memory_mib
    if not _is_on_gpu(config):
        return ON_PROCESSOR * whole
    accelerator = config["trainer"]["accelerator"]
    if "mixed" not in str(precision_for(config["trainer"]["precision"], accelerator)):
        return whole
    weights = sum(weight.nbytes for weight in net.parameters()) / MIB
    kept = min((2 + states) * weights, whole)  # weights, gradients and the optimizer's state
    return kept + HALF * (whole - kept)


def _shrink(data: TargetData) -> bool:
    """Use one worker less, or else half of the queue; False if nothing can be saved."""
    is_fixed = data.patches != "queue" or data.patches_per_region > 1  # several are shuffled
    if data.workers:
        data.change(workers=data.workers - 1)
    elif is_fixed or data.queue_length <= data.batch_size:
        return False
    else:
        data.change(queue_length=max(data.queue_length // 2, data.batch_size))
    return True


def _changes(data: TargetData, wanted: tuple[int, int], free: float) -> str:
    """Return a clause on the settings that were reduced; "" if none was."""
    pairs = zip(
        ("data.workers", "data.queue_length"),
        wanted,
        (data.workers, data.queue_length),
        strict=True,
    )
    changed = [f"{name}={now} instead of {before}" for name, before, now in pairs if now < before]
    if not changed:
        return ""
    return f"; {' and '.join(changed)}, since {_gb(free)} GB are too few for that"


def _gpu_text(made: Forecast, config: Config) -> str:
    """Return a clause on the memory of the GPU; "" without a GPU.

    Raises:
        DataError: the network needs more memory than is free on the GPU.
    """
    if not made.is_on_gpu:
        return ""
    free = torch.cuda.mem_get_info()[0] / MIB
    text = f"network about {_gb(made.network)} GB"
    if config["check_memory"] and made.network > free:
        raise DataError(_refusal(text, f"{_gb(free)} GB of the GPU are free"))
    return f"; {text} of {_gb(free)} GB of the GPU"


def _refusal(needs: str, found: str) -> str:
    return (
        f"memory: the training needs {needs}, and {found}; set a smaller data.batch_size, a "
        "smaller patch_vox or a smaller model, close other programs, or set check_memory=false to "
        "start nevertheless"
    )


def _is_on_gpu(config: Config) -> bool:
    return config["trainer"]["accelerator"] != "cpu" and torch.cuda.is_available()


def _gb(mib: float) -> str:
    return f"{mib / MIB_PER_GB:.2g}"
