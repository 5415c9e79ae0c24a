"""Errors of susceptibility maps against a true map, and contrast of veins in images.

Maps are in ppm. Their zero is arbitrary, so the means over the mask are subtracted first.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage

from neurotarget.shapes import Mask
from neurotarget.types import Triple

Map = Float[ndarray, "I J K"]


def nrmse_percent(chi_ppm: Map, truth_ppm: Map, mask: Mask) -> float:
    """Return the root mean square error in % of the truth's SD; a map of zeros has 100.

    NaN where the mask is empty or the truth constant.
    Source: Langkammer et al. 2018, doi:10.1002/mrm.26830.
    """
    estimated, true = _centred(chi_ppm, truth_ppm, mask)
    size = float((true**2).sum())
    return 100 * math.sqrt(float(((estimated - true) ** 2).sum()) / size) if size else math.nan


def correlation(chi_ppm: Map, truth_ppm: Map, mask: Mask) -> float:
    """Return Pearson's r over the voxels of the mask; NaN where a map is constant.

    A wrong scale of the map does not change it; see `slope`.

    Raises:
        ValueError: the grids differ.
    """
    estimated, true = _centred(chi_ppm, truth_ppm, mask)
    size = math.sqrt(float((estimated**2).sum()) * float((true**2).sum()))
    return float((estimated * true).sum()) / size if size else math.nan


def slope(chi_ppm: Map, truth_ppm: Map, mask: Mask) -> float:
    """Return the least-squares slope of the map on the truth; below 1 the contrast is too low.

    NaN where the mask is empty or the truth constant.

    Raises:
        ValueError: the grids differ.
    """
    estimated, true = _centred(chi_ppm, truth_ppm, mask)
    size = float((true**2).sum())
    return float((estimated * true).sum()) / size if size else math.nan


def mean_above_brain_ppm(chi_ppm: Map, inside: Mask, mask: Mask) -> float:
    """Return the mean of a structure minus the mean of the brain mask, in ppm, or NaN.

    Voxels of the structure outside the mask, as after background removal, are left out.
    """
    both = inside & mask
    return float(chi_ppm[both].mean() - chi_ppm[mask].mean()) if both.any() else math.nan


def surroundings(inside: Mask, mask: Mask, spacing_mm: Triple, ring_mm: Sequence[float]) -> Mask:
    """Return the voxels of the mask whose distance to a structure is within `ring_mm`, in mm.

    The lower distance leaves out partial volume at the border of the structure. Empty without a
    structure.
    """
    if not inside.any():
        return np.zeros_like(mask)
    away = ndimage.distance_transform_edt(~inside, sampling=spacing_mm)
    return mask & (away >= ring_mm[0]) & (away <= ring_mm[1])


def contrast_to_noise(image: Map, inside: Mask, around: Mask) -> float:
    """Return the mean of the surroundings minus that of a structure, in SDs of the surroundings.

    Negative where the structure is brighter. NaN where either is empty or the surroundings are
    constant.
    """
    if not (inside.any() and around.any()):
        return math.nan
    spread = float(image[around].std())
    return float(image[around].mean() - image[inside].mean()) / spread if spread else math.nan


def contrast_percent(image: Map, inside: Mask, around: Mask) -> float:
    """Return the mean of the surroundings minus that of a structure, in % of the surroundings.

    Negative where the structure is brighter. NaN where either is empty or the surroundings have
    the mean 0.
    """
    if not (inside.any() and around.any()):
        return math.nan
    level = float(image[around].mean())
    return 100 * (1 - float(image[inside].mean()) / level) if level else math.nan


def _centred(
    chi_ppm: Map, truth_ppm: Map, mask: Bool[ndarray, "I J K"]
) -> tuple[Float[ndarray, " N"], Float[ndarray, " N"]]:
    """Both maps' values in the mask minus their means."""
    if not (chi_ppm.shape == truth_ppm.shape == mask.shape):
        raise ValueError(
            f"susceptibility: map {chi_ppm.shape}, truth {truth_ppm.shape}, mask {mask.shape}; "
            "bring them onto one grid"
        )
    if not mask.any():
        return np.zeros(0), np.zeros(0)
    estimated, true = (one[mask].astype(np.float64) for one in (chi_ppm, truth_ppm))
    return estimated - estimated.mean(), true - true.mean()
