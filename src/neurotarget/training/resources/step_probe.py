"""Time a training step on this machine, before any data are read."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.direct_loader import direct_seconds
from neurotarget.data.batches.patches import queue_seconds
from neurotarget.data.sides.pairs import as_trained
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.precision import precision_for
from neurotarget.runs.network.task_class import task_class
from neurotarget.runs.network.windows import build_windows
from neurotarget.types import Target

LEAST_S, MOST_S = 0.2, 5.0  # timing after a warm-up, unless one step takes longer


log = logging.getLogger(__name__)


def probed_seconds(
    config: Mapping[str, Any], target: Target, data: TargetData, net: nn.Module
) -> float | None:
    """Return `step_seconds`, or None if timing fails; a failure never stops a training.

    Timing fails if the user's own task or network needs other batches, or if a GPU is full.
    """
    try:
        return step_seconds(config, target, data, net)
    except Exception as error:
        log.info("a training step could not be timed: %s: %s", type(error).__name__, error)
        return None


def step_seconds(
    config: Mapping[str, Any], target: Target, data: TargetData, net: nn.Module
) -> float:
    """Return the seconds of one training step with the target's patch: patches, then network.

    Noise replaces the scans, so that no file is read. Workers, or the thread of the direct
    loader on another core, make patches while the network computes. The network's weights get
    gradients but do not change.

    Args:
        config: resolved configuration of plain values.
        target: target with the patch of the network.
        data: data module with loader, augmentation and batch size.
        net: the network.
    """
    settings = data.augmentation, as_trained(target)
    how = {"margin_share": data.margin_share, "seed": data.seed}
    is_direct = data.patches == "direct"
    if is_direct:
        patches_s = data.batch_size * direct_seconds(*settings, batch_size=data.batch_size, **how)
    else:
        patches_s = data.batch_size * queue_seconds(*settings, **how)
    network_s = _network_s(config, target, net, data.batch_size)
    if data.workers:
        return max(network_s, patches_s / data.workers)
    if is_direct:  # the cores share the work of both
        return max(network_s + patches_s / torch.get_num_threads(), patches_s)
    return network_s + patches_s


def _network_s(config: Mapping[str, Any], target: Target, net: nn.Module, batch: int) -> float:
    """Time one forward and backward pass, s, in the run's precision and memory layout."""
    accelerator = config["trainer"]["accelerator"]
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    device = _gpu(config["trainer"]["devices"]) if on_gpu else torch.device("cpu")
    precision = str(precision_for(config["trainer"]["precision"], accelerator))
    low = torch.bfloat16 if "bf16" in precision else torch.float16
    kind, margin_vox = task_class(config), getattr(net, "margin_vox", 0)
    windows = build_windows(config, target, margin_vox=margin_vox, task=kind)
    task = build(config["task"], target=as_trained(target), net=net, inferer=windows)
    task = task.to(device).train()
    example = task.transfer_batch_to_device(task.example(batch), device, 0)

    def step() -> None:
        """Run one forward and backward pass, and wait until the device has finished."""
        with torch.autocast(device.type, low, enabled="16" in precision):
            value = task.batch_loss(example)
        value.backward()
        value.item()  # waits for the GPU

    return mean_seconds(step)


def _gpu(devices: object) -> torch.device:
    """Return the first GPU in the trainer's settings."""
    listed = isinstance(devices, Sequence) and not isinstance(devices, str) and len(devices) > 0
    return torch.device("cuda", int(devices[0]) if listed else 0)


def mean_seconds(
    step: Callable[[], object], *, least_s: float = LEAST_S, most_s: float = MOST_S
) -> float:
    """Return the mean seconds of a call, after one warm-up call; a slow call is timed once.

    Args:
        step: the call; on a GPU it must wait until the work is done.
        least_s: calls are timed until their sum reaches this value.
        most_s: if the first call takes longer, its own time is returned.
    """
    first_s = _seconds(step)
    if first_s > most_s:
        return first_s
    times: list[float] = []
    while not times or sum(times) < least_s:
        times.append(_seconds(step))
    return math.fsum(times) / len(times)


def _seconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started
