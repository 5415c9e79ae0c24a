"""Memory of a prediction on a CPU, estimated before the network runs, against what is free.

The peak of four predictions (1 to 103 labels, one or several windows together) was 0.83 to 1.0
times the estimate; `benchmarks/many_labels.py` prints both.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from torch import nn

from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.models.profile import profile
from neurotarget.models.threads import number_of_parts
from neurotarget.problems import DataError
from neurotarget.process.free_memory import MIB, free_memory_mib
from neurotarget.shapes import Image, times

BYTES = 4  # of a value
MOST_LIVE = 512  # values that a network keeps for each voxel of a window; few need as many
ON_PROCESSOR = 1.2  # a network on a CPU over `profile`: copies in other layouts, and freed blocks
GRIDDING_MIB, GRIDDING_LABEL_MIB = 120.0, 3.0  # interpolation to the grid of the scan
MIB_PER_GB = 1e9 / MIB


def windows_that_fit(inferer: SlidingWindow, image: Image, net: nn.Module, num_labels: int) -> int:
    """Number of windows that are scored together, fewer than usual if memory is short.

    Scores are the same. Nothing is estimated where even a large network would fit, and of networks
    that cannot run on tensors without content.

    Args:
        inferer: the sliding window.
        image: a batch with the working box.
        net: on the device of the image; only on a CPU is memory estimated.
        num_labels: classes including background.

    Raises:
        DataError: one window alone needs more memory than is free.
    """
    count = usual = inferer.windows_together(image)
    free = free_memory_mib()
    if image.device.type != "cpu" or free > _most_mib(inferer, image, num_labels):
        return count
    try:
        while (need := need_mib(inferer, image, net, num_labels, count)) > free and count > 1:
            count //= 2
    except DataError:  # it cannot be profiled
        return usual
    if need > free:
        raise DataError(
            f"memory: the prediction of {times(image.shape[2:])} voxels with {num_labels - 1} "
            f"labels needs about {_gb(need)} GB, and {_gb(free)} GB are free; close other "
            "programs, or use a machine with more memory"
        )
    return count


def need_mib(
    inferer: SlidingWindow, image: Image, net: nn.Module, num_labels: int, count: int
) -> float:
    """MiB that a prediction adds to the program and the image, with `count` windows together.

    The arguments are those of `windows_that_fit`; a mirror image counts as a window of its own.

    Raises:
        DataError: the network cannot run on tensors without content.
    """
    windows = count * (1 if inferer.swap is None else 2)
    parts = number_of_parts(windows)
    shape = (math.ceil(windows / parts), image.shape[1], *inferer.window_vox)
    network = parts * ON_PROCESSOR * _network_mib(net, shape)
    return _other_mib(inferer, image.shape[2:], num_labels) + network


def _most_mib(inferer: SlidingWindow, image: Image, num_labels: int) -> float:
    """More MiB than nearly all networks need."""
    windows = inferer.windows_together(image) * (1 if inferer.swap is None else 2)
    live = windows * math.prod(inferer.window_vox) * max(MOST_LIVE, 4 * num_labels)
    return _other_mib(inferer, image.shape[2:], num_labels) + live * BYTES / MIB


def _other_mib(inferer: SlidingWindow, sides: Sequence[int], num_labels: int) -> float:
    """Sums of scores in the planes that a window spans, and interpolation."""
    _, *across = [max(pair) for pair in zip(sides, inferer.scored_vox, strict=True)]
    sums = num_labels * inferer.scored_vox[0] * math.prod(across) * BYTES / MIB
    return sums + GRIDDING_MIB + num_labels * GRIDDING_LABEL_MIB


@lru_cache(maxsize=8)
def _network_mib(net: nn.Module, shape: tuple[int, int, int, int, int]) -> float:
    """Results of a network that are alive together; its weights are in memory already."""
    weights = sum(weight.nbytes for weight in net.parameters()) / MIB
    return max(profile(net, shape, training=False).peak_memory_mib - weights, 0.0)


def _gb(mib: float) -> str:
    return f"{mib / MIB_PER_GB:.2g}"
