"""Where the brain is: from the magnitude when no mask was given, and the box around it.

`brain_mask` is a threshold with morphology, made to be good enough for field and susceptibility
when nothing better is at hand; a mask from a brain extraction tool or drawn by hand is better.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage
from torch import Tensor

from neurotarget.physics.fourier import MaskVolume, Volume
from neurotarget.types import DataError, Triple

COARSE_MM = 2.0  # grid that the search runs on
SHADING_MM = 25.0  # standard deviation of the mean that evens out the coils
TISSUE = 0.5  # share of the local mean above which a voxel is tissue; bone and air lie below
OPENING_MM = 6.0  # radius: meninges, nerves and thin muscle are narrower than twice this
SMALLEST_ML = 1.0


def bounding_box(mask: MaskVolume) -> tuple[slice, slice, slice]:
    """Slices of the smallest box that holds the mask.

    Raises:
        DataError: the mask is empty.
    """
    box = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        used = torch.nonzero(mask.any(dim=others[1]).any(dim=others[0])).flatten()
        if not len(used):
            raise DataError(
                "mask: found no voxel, wanted the brain; give a mask of the scan's own grid, or "
                "check that the magnitude is not empty"
            )
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)


def squared_depth_mm2(mask: MaskVolume, spacing_mm: Triple, reach_mm: float) -> Volume:
    """Squared distance of each voxel to the nearest one outside the mask, in mm², to `reach_mm`².

    Beyond the array is outside. A voxel of the mask holds a sphere of radius r, all voxels whose
    centre is no further than r, where this is more than r².
    """
    far = float(reach_mm) ** 2 * 1.001 + 1e-6
    depth = torch.where(mask, far, 0.0)
    for axis, side_mm in enumerate(spacing_mm):
        side = depth.shape[axis]
        best = depth.clone()
        for step in range(1, min(int(reach_mm / side_mm), side - 1) + 1):
            ahead, behind = (
                depth.narrow(axis, step, side - step),
                depth.narrow(axis, 0, side - step),
            )
            low, high = best.narrow(axis, 0, side - step), best.narrow(axis, step, side - step)
            torch.minimum(low, ahead + (step * side_mm) ** 2, out=low)
            torch.minimum(high, behind + (step * side_mm) ** 2, out=high)
        places = torch.arange(1, side + 1, device=mask.device)
        edge = (torch.minimum(places, places.flip(0)) * side_mm).square()
        shape = [1, 1, 1]
        shape[axis] = side
        depth = torch.minimum(best, edge.reshape(shape).to(best))
    return depth


def brain_mask(magnitude: Volume, spacing_mm: Triple) -> MaskVolume:
    """Brain in a magnitude image of a head, or of a brain that is already cut out.

    On a grid of about 2 mm: what is brighter than half of its surroundings' mean is tissue; what
    an opening of 6 mm leaves hanging together in one piece is the brain, grown back by as much
    within tissue; holes are filled. Bone must be dark and at least one coarse voxel thick. It
    tends to keep some meninges and to lose thin gyri, and where an eye or the neck is joined to
    the brain by more than the opening is wide, that is kept.

    Raises:
        DataError: nothing in the image looks like a brain.
    """
    coarse, factors = _coarse(magnitude.float(), spacing_mm)
    step_mm = tuple(side * factor for side, factor in zip(spacing_mm, factors, strict=True))
    image = coarse.cpu().numpy()
    brain = _brain(image, step_mm)
    if brain.sum() * math.prod(step_mm) < SMALLEST_ML * 1000:
        raise DataError(
            f"brain mask: found {brain.sum() * math.prod(step_mm) / 1000:.1f} ml of tissue, wanted "
            "a brain; give a mask, or check the magnitude image"
        )
    return _fine(torch.from_numpy(brain), magnitude.shape, factors).to(magnitude.device)


def _coarse(magnitude: Volume, spacing_mm: Triple) -> tuple[Volume, tuple[int, ...]]:
    """Means over blocks of about `COARSE_MM`, and the voxels in a block per axis."""
    factors = tuple(max(int(COARSE_MM / side + 0.01), 1) for side in spacing_mm)
    factors = tuple(min(f, side) for f, side in zip(factors, magnitude.shape, strict=True))
    pooled = F.avg_pool3d(magnitude[None], factors, ceil_mode=True, count_include_pad=False)
    return pooled[0], factors


def _fine(brain: Bool[Tensor, "I J K"], shape: Sequence[int], factors: Sequence[int]) -> MaskVolume:
    """The coarse mask on the scan's voxels, its steps smoothed."""
    whole = tuple(side * factor for side, factor in zip(brain.shape, factors, strict=True))
    share = F.interpolate(brain[None, None].float(), size=whole, mode="trilinear")[0, 0]
    return share[tuple(slice(0, side) for side in shape)] > 0.5


def _brain(image: Float[ndarray, "I J K"], step_mm: Triple) -> Bool[ndarray, "I J K"]:
    tissue = _tissue(image, step_mm)
    depth = ndimage.distance_transform_edt(np.pad(tissue, 1), sampling=step_mm)[1:-1, 1:-1, 1:-1]
    reach = OPENING_MM
    core = _largest(depth > reach)
    while not core.any() and reach > min(step_mm):  # a small brain, or a thin slab
        reach /= 2
        core = _largest(depth > reach)
    if not core.any():
        core = _largest(tissue)
    away = ndimage.distance_transform_edt(~core, sampling=step_mm) if core.any() else depth
    brain = _largest(tissue & (away <= reach * 1.2))
    closed = ndimage.binary_closing(np.pad(brain, 3), iterations=2)[3:-3, 3:-3, 3:-3]
    return ndimage.binary_fill_holes(closed | brain)


def _tissue(image: Float[ndarray, "I J K"], step_mm: Triple) -> Bool[ndarray, "I J K"]:
    """Voxels brighter than `TISSUE` of the mean of the bright voxels around them."""
    head = image > _otsu(image[image > 0])
    sigma = [SHADING_MM / step for step in step_mm]
    weight = ndimage.gaussian_filter(head.astype(np.float32), sigma)
    mean = ndimage.gaussian_filter(np.where(head, image, 0), sigma) / np.maximum(weight, 1e-3)
    return (image > TISSUE * mean) & (weight > 0.02)


def _otsu(values: Float[ndarray, " N"]) -> float:
    """Threshold between two classes of grey that are furthest apart; 0 for no values.

    Source: Otsu 1979, doi:10.1109/TSMC.1979.4310076.
    """
    if not values.size:
        return 0.0
    counts, edges = np.histogram(values, 256, (0, float(np.quantile(values, 0.999))))
    centres = (edges[:-1] + edges[1:]) / 2
    low = np.cumsum(counts)
    high = low[-1] - low
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = low * high * (sums / low - (sums[-1] - sums) / high) ** 2
    return float(centres[np.nanargmax(apart[:-1])])


def _largest(mask: Bool[ndarray, "I J K"]) -> Bool[ndarray, "I J K"]:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
