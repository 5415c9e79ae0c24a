"""Plan patch, batch and depth for a data set and a memory budget, as in nnU-Net.

The patch starts as the median scan, with at most 256³ voxels, and shrinks along the axis that is
longest relative to the scan until two patches fit into the memory. The remaining memory is used for
the batch, which has at most a twentieth of all voxels.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z, supplementary note 2.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.models.backbone import Backbone
from neurotarget.types import Triple, TripleVox

FEWEST_VOX = 4  # smallest side of the coarsest grid
MOST_VOXELS = 256**3
LEAST_SIDE_VOX = 16  # smallest side of a patch; a smaller one shows no anatomy
SHARE_OF_ALL = 0.05  # largest share of all voxels in one batch
LEAST_BATCH = 2
MOST_BATCH = 32  # larger batches of small patches only make steps longer
MOST_WIDTH = 320
MOST_LEVELS = 6

Memory = Callable[[TripleVox, int], float]  # MiB of training with this patch and batch


def total_stride(strides: Sequence[TripleVox]) -> TripleVox:
    """Return the product of the steps between levels along each axis.

    Sides of an image must be multiples of it, so that each level halves evenly.
    """
    return tuple(math.prod(axis) for axis in zip(*strides, strict=True))


class Stages(NamedTuple):
    """Strides and kernels of a network's levels, finest first; the first stride is 1×1×1."""

    kernels: tuple[TripleVox, ...]
    strides: tuple[TripleVox, ...]

    @property
    def stride(self) -> TripleVox:
        """Return the product of all strides along each axis."""
        return total_stride(self.strides)


def plan_stages(
    patch_vox: TripleVox, spacing_mm: Triple | None = None, *, max_levels: int | None = None
) -> Stages:
    """Plan levels: halve axes down to four voxels, finer axes first until spacings are similar.

    An axis is halved once its spacing is less than twice the finest; on the levels before that, its
    kernel has side 1. The kernel across the plane of a picture always has side 1. A single
    remaining axis needs 12 voxels to be halved.

    Args:
        patch_vox: sides of the training patch.
        spacing_mm: of the voxels; by default equal along all axes.
        max_levels: no more levels than these.

    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z, supplementary note 2; the rule as
    in nnU-Net 2.8.
    """
    sides, spacing, kernel = list(patch_vox), list(spacing_mm or (1.0,) * 3), [1, 1, 1]
    kernels, strides = [], [(1, 1, 1)]
    while max_levels is None or len(strides) < max_levels:
        axes = _halved(sides, spacing)
        if not axes:
            break
        even = [step < 2 * min(spacing) for step in spacing]
        kernel = [
            3 if near and whole > 1 else side
            for near, side, whole in zip(even, kernel, patch_vox, strict=True)
        ]
        kernels.append(tuple(kernel))
        strides.append(tuple(2 if axis in axes else 1 for axis in range(3)))
        for axis in axes:
            sides[axis], spacing[axis] = -(-sides[axis] // 2), 2 * spacing[axis]
    last = tuple(3 if side > 1 else 1 for side in patch_vox)
    return Stages((*kernels, last), tuple(strides))


def _halved(sides: Sequence[int], spacing: Sequence[float]) -> list[int]:
    axes = [axis for axis, side in enumerate(sides) if side >= 2 * FEWEST_VOX]
    finest = min((spacing[axis] for axis in axes), default=0.0)
    axes = [axis for axis in axes if spacing[axis] < 2 * finest]
    is_short = len(axes) == 1 and sides[axes[0]] < 3 * FEWEST_VOX
    return [] if is_short else axes


@dataclass(frozen=True, slots=True)
class Plan:
    """A proposed patch and batch with their memory."""

    patch_vox: TripleVox
    batch_size: int
    memory_mib: float
    fits: bool  # False if even the smallest patch needs too much memory


def propose(
    median_vox: Sequence[int],
    voxels: int,
    *,
    budget_mib: float,
    sides: Backbone,
    memory: Memory,
    patch_vox: TripleVox | None = None,
    batch_size: int | None = None,
) -> Plan:
    """Propose patch and batch; given ones are kept.

    Args:
        median_vox: sides of the median scan on the working grid.
        voxels: number of voxels in all training scans.
        budget_mib: memory for training, in MiB.
        sides: network, which knows its valid sides.
        memory: function of patch and batch for the memory of training, in MiB.
        patch_vox: given patch.
        batch_size: given batch.
    """
    least = batch_size or LEAST_BATCH
    patch = patch_vox or _largest(median_vox, budget_mib, sides=sides, memory=memory, batch=least)
    one, two = memory(patch, 1), memory(patch, 2)
    each = max(two - one, 1e-3)  # the rest is for weights and their moments
    needed = one + each * (least - 1)
    if batch_size is None:
        room = int((budget_mib - one) // each) + 1
        varied = int(SHARE_OF_ALL * voxels // np.prod(patch))
        least = max(LEAST_BATCH, min(room, varied, MOST_BATCH))
        needed = one + each * (least - 1)
    return Plan(patch, least, needed, needed <= budget_mib)


def widths(first: int, levels: int, *, most: int = MOST_WIDTH) -> tuple[int, ...]:
    """Return the channels of each level, doubled at each up to `most`, finest level first."""
    return tuple(min(first * 2**level, most) for level in range(levels))


def _largest(
    median_vox: Sequence[int], budget_mib: float, *, sides: Backbone, memory: Memory, batch: int
) -> TripleVox:
    median = np.asarray(median_vox, dtype=float)
    shrink = min(1.0, (MOST_VOXELS / median.prod()) ** (1 / 3))
    first = sides.nearest([max(int(side), 1) for side in np.round(median * shrink)])
    if memory(first, batch) <= budget_mib:
        return first
    smaller = _ever_smaller(first, median, sides)
    place = bisect_left(smaller, True, key=lambda patch: memory(patch, batch) <= budget_mib)
    return (first, *smaller)[min(place + 1, len(smaller))]


def _ever_smaller(
    patch: TripleVox, median: Float[ndarray, "3"], sides: Backbone
) -> list[TripleVox]:
    """Return patches, each one step smaller along the axis with the largest share of the scan."""
    found = []
    while True:
        order = np.argsort([-side / whole for side, whole in zip(patch, median, strict=True)])
        shorter = (_less(patch, axis, sides) for axis in order if patch[axis] > LEAST_SIDE_VOX)
        smaller = next((one for one in shorter if one != patch), None)
        if smaller is None:
            return found
        found.append(smaller)
        patch = smaller


def _less(patch: TripleVox, axis: int, sides: Backbone) -> TripleVox:
    """The next smaller valid patch along one axis; unchanged if there is none."""
    shorter = list(patch)
    shorter[axis] -= 1
    smaller = sides.below([max(side, 1) for side in shorter])
    return smaller if np.prod(smaller) < np.prod(patch) else patch
