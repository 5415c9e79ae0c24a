"""Brain mask from the magnitude, and the part of the mask with reliable phase.

`brain_mask` applies a threshold and morphology, which is good enough for field and susceptibility.
A mask from a brain extraction tool or a manual mask is better.
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
from neurotarget.pieces import largest_piece
from neurotarget.problems import DataError
from neurotarget.types import Triple

COARSE_MM = 2.0  # grid of the search
SHADING_MM = 25.0  # standard deviation of the mean that corrects coil shading
TISSUE = 0.5  # share of the local mean above which a voxel is tissue; bone and air lie below
CORE = 0.4  # share of the depth of the deepest point; a neck is less deep
REACH = 1.25  # distance of the brain from the core, in depths of the core; scalp is further away
OPENING_MM = 4.0  # radius: nerves, vessels and thin muscle are narrower than twice this
RIM_MM = 2.0  # voxels at the border are partly bone or air, where field maps fail
SMALLEST_ML = 1.0
UNRELIABLE_RAD = 1.5  # about four SDs of the phase at a signal of three times the noise


def brain_mask(magnitude: Volume, spacing_mm: Triple) -> MaskVolume:
    """Brain in a magnitude image of a head, or of a brain that is already extracted.

    On a grid of about 2 mm, voxels brighter than half the mean of their surroundings are tissue.
    The core is the largest piece of tissue deeper than 0.4 of the deepest point, about 2 cm in an
    adult; only the brain is that deep. The brain is the tissue that is thicker than 8 mm and no
    further from the core than 1.25 times that depth; holes are filled. Scalp and neck are further
    away, unless bone is bright and thinner than a quarter of the depth of the core. The outer 2 mm
    of the fluid around the brain are removed, as voxels there are partly bone.

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
    """The mask without outer parts where phase is noise or too steep to unwrap.

    Wrapped second differences of phase are small if there is signal and the field is smooth; those
    of noise have a median of 2.8 rad. Inner parts (veins, bleeding) are kept, as holes harm the
    field more than unreliable phase. A mask that would lose more than half of its voxels is
    returned unchanged, since phase is then unreliable everywhere.

    Source: the measure is from Abdul-Rahman et al. 2007, doi:10.1364/AO.46.006623.
    """
    square = torch.zeros_like(phase)
    for axis, side in enumerate(phase.shape):
        if side > 2:
            bend = wrap(wrap(phase.diff(dim=axis)).diff(dim=axis))
            square.narrow(axis, 1, side - 2).add_(bend.square())
    kept = largest_piece((mask & (square < UNRELIABLE_RAD**2)).cpu().numpy())
    if kept.sum() < 0.5 * int(mask.sum()):
        return mask
    return torch.from_numpy(ndimage.binary_fill_holes(kept)).to(mask.device) & mask


def _coarse(
    magnitude: Volume, spacing_mm: Triple
) -> tuple[Float[Tensor, "i j k"], tuple[int, ...]]:
    """Means over blocks of about `COARSE_MM`, and the number of voxels of a block per axis."""
    factors = tuple(max(int(COARSE_MM / side + 0.01), 1) for side in spacing_mm)
    factors = tuple(min(f, side) for f, side in zip(factors, magnitude.shape, strict=True))
    pooled = F.avg_pool3d(magnitude[None], factors, ceil_mode=True, count_include_pad=False)
    return pooled[0], factors


def _fine(brain: Bool[Tensor, "i j k"], shape: Sequence[int], factors: Sequence[int]) -> MaskVolume:
    """The coarse mask on the scan's voxels, with smoothed steps."""
    whole = tuple(side * factor for side, factor in zip(brain.shape, factors, strict=True))
    share = F.interpolate(brain[None, None].float(), size=whole, mode="trilinear")[0, 0]
    return share[tuple(slice(0, side) for side in shape)] > 0.5


def _brain(image: Float[ndarray, "I J K"], step_mm: Triple) -> Bool[ndarray, "I J K"]:
    """Brain on the coarse grid; the faces of the array do not count as edges of tissue."""
    tissue = ndimage.binary_fill_holes(_tissue(image, step_mm))
    if tissue.all() or not tissue.any():
        return tissue
    depth = ndimage.distance_transform_edt(tissue, sampling=step_mm)
    deep = CORE * float(depth.max())
    core = largest_piece(depth > deep)
    away = ndimage.distance_transform_edt(~core, sampling=step_mm)
    brain = largest_piece(_opened(tissue & (away <= REACH * deep), step_mm))
    return ndimage.binary_fill_holes(brain)


def _opened(mask: Bool[ndarray, "I J K"], step_mm: Triple) -> Bool[ndarray, "I J K"]:
    """Remove parts too thin for a sphere of `OPENING_MM`; unchanged if it fits nowhere."""
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
    """Threshold that separates two classes of grey values best; 0 if there are no values.

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
        between = low * high * (sums / low - (sums[-1] - sums) / high) ** 2
    return float(centres[np.argmax(np.nan_to_num(between[:-1], nan=-1.0))])
