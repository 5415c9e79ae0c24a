"""How long a training step takes on this machine now, timed before any data are read."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from neurotarget.cli.build import build
from neurotarget.cli.precision import precision_for
from neurotarget.data.module import TargetData
from neurotarget.data.patches import patch_seconds
from neurotarget.data.sides import as_trained
from neurotarget.losses import DeepSupervision, crop
from neurotarget.types import Target

LEAST_S, MOST_S = 0.5, 5.0  # of timing after a warm-up, unless one step takes longer


def step_seconds(
    config: Mapping[str, Any], target: Target, data: TargetData, net: nn.Module
) -> float:
    """Seconds of one training step of a network with the target's patch: patches, then network.

    Noise stands for the scans, so that nothing has to be read. Workers make patches while the
    network computes. The network's weights get gradients but stay as they are.
    """
    patches_s = patch_seconds(
        data.augmentation, as_trained(target), margin_share=data.margin_share, seed=data.seed
    )
    patches_s *= data.batch_size
    network_s = _network_s(config, target, net, data.batch_size)
    if data.workers:
        return max(network_s, patches_s / data.workers)
    return network_s + patches_s


def _network_s(config: Mapping[str, Any], target: Target, net: nn.Module, batch: int) -> float:
    """Seconds of one forward and backward pass, in the run's precision and layout."""
    accelerator = config["trainer"]["accelerator"]
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    low = "bf16" in precision_for(config["trainer"]["precision"], accelerator)
    fast = config["task"].get("channels_last", True)
    layout = torch.channels_last_3d if fast else torch.contiguous_format
    trained = as_trained(target)
    net = net.to(device, memory_format=layout).train()
    shape = (batch, len(target.contrasts), *target.patch_vox)
    image = torch.randn(shape, device=device).contiguous(memory_format=layout)
    label = torch.randint(trained.num_labels, (batch, *target.patch_vox), device=device)
    loss = DeepSupervision(build(config["task"]["loss"]))

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            value = loss(net(image), crop(label, getattr(net, "margin_vox", 0)))
        value.backward()
        value.item()  # waits for a GPU

    return mean_seconds(step)


def mean_seconds(
    step: Callable[[], object], *, least_s: float = LEAST_S, most_s: float = MOST_S
) -> float:
    """Mean seconds of a call, after one that warms up; a slow one is timed once."""
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
