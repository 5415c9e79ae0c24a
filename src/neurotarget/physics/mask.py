"""Where the brain is, from the magnitude, and where its phase can be relied on.

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

from neurotarget.physics.extent import squared_depth_mm2
from neurotarget.physics.fourier import MaskVolume, Volume
from neurotarget.physics.phase import wrap
from neurotarget.problems import DataError
from neurotarget.types import Triple

COARSE_MM = 2.0  # grid that the search runs on
SHADING_MM = 25.0  # standard deviation of the mean that evens out the coils
TISSUE = 0.5  # share of the local mean above which a voxel is tissue; bone and air lie below
CORE = 0.4  # share of the deepest point's depth; a neck and what hangs on it are less deep
REACH = 1.25  # how far from the core the brain reaches, in depths of the core; scalp is further
OPENING_MM = 4.0  # radius: nerves, vessels and thin muscle are narrower than twice this
RIM_MM = 2.0  # voxels at the border are partly bone or air, which no field map survives
SMALLEST_ML = 1.0
UNRELIABLE_RAD = 1.5  # about four standard deviations of phase at a signal of three times the noise


def brain_mask(magnitude: Volume, spacing_mm: Triple) -> MaskVolume:
    """Brain in a magnitude image of a head, or of a brain that is already cut out.

    On a grid of about 2 mm: what is brighter than half of its surroundings' mean is tissue. The
    core is the largest piece deeper in tissue than 0.4 of the deepest point, about 2 cm in an
    adult, which only the brain is. What lies within 1.25 times that depth of the core and is
    thicker than 8 mm is the brain; holes are filled. Scalp and neck lie further away, unless bone
    is thinner than a quarter of the core's depth and bright. Of the fluid about the brain the
    outer 2 mm are taken off, as voxels there are partly bone.

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
    fine = _fine(torch.from_numpy(brain), magnitude.shape, factors).to(magnitude.device)
    return squared_depth_mm2(fine, spacing_mm, RIM_MM, faces=False) > RIM_MM**2


def reliable(phase: Volume, mask: MaskVolume) -> MaskVolume:
    """The mask without what hangs on its outside where phase is noise or too steep to follow.

    Second differences of phase, wrapped, are small where there is signal and the field is smooth;
    those of noise are 2.8 rad in the median. What lies inside (veins, bleeding) is kept, as holes
    do more harm to the field than they save. A mask that would lose more than half is returned
    as it is: then phase is unreliable everywhere.

    Source: of the measure, Abdul-Rahman et al. 2007, doi:10.1364/AO.46.006623.
    """
    square = torch.zeros_like(phase)
    for axis, side in enumerate(phase.shape):
        if side > 2:
            bend = wrap(wrap(phase.diff(dim=axis)).diff(dim=axis))
            square.narrow(axis, 1, side - 2).add_(bend.square())
    kept = _largest((mask & (square < UNRELIABLE_RAD**2)).cpu().numpy())
    if kept.sum() < 0.5 * int(mask.sum()):
        return mask
    return torch.from_numpy(ndimage.binary_fill_holes(kept)).to(mask.device) & mask


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
    """Brain on the coarse grid; the faces of the array are no edge of tissue."""
    tissue = ndimage.binary_fill_holes(_tissue(image, step_mm))
    if tissue.all() or not tissue.any():
        return tissue
    depth = ndimage.distance_transform_edt(tissue, sampling=step_mm)
    deep = CORE * float(depth.max())
    core = _largest(depth > deep)
    away = ndimage.distance_transform_edt(~core, sampling=step_mm)
    brain = _largest(_opened(tissue & (away <= REACH * deep), step_mm))
    return ndimage.binary_fill_holes(brain)


def _opened(mask: Bool[ndarray, "I J K"], step_mm: Triple) -> Bool[ndarray, "I J K"]:
    """Without what a sphere of `OPENING_MM` does not fit in; the mask where it fits nowhere."""
    if mask.all():
        return mask
    inside = ndimage.distance_transform_edt(mask, sampling=step_mm) > OPENING_MM
    if not inside.any():
        return mask
    return mask & (ndimage.distance_transform_edt(~inside, sampling=step_mm) <= OPENING_MM)


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
    return float(centres[np.argmax(np.nan_to_num(apart[:-1], nan=-1.0))])


def _largest(mask: Bool[ndarray, "I J K"]) -> Bool[ndarray, "I J K"]:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
