"""Volumes in mm³ and how far a predicted one is from its reference."""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.shapes import Mask


def voxel_mm3(affine: Float[ndarray, "4 4"]) -> float:
    """Volume of one voxel in mm³; right for oblique and sheared grids too."""
    return float(abs(np.linalg.det(np.asarray(affine, dtype=float)[:3, :3])))


def volume_mm3(mask: Mask, one_voxel_mm3: float) -> float:
    """Volume of a mask: its voxels × the volume of a voxel, in mm³."""
    return int(np.count_nonzero(mask)) * one_voxel_mm3


def volume_error_mm3(reference_mm3: float, predicted_mm3: float) -> float:
    """Predicted minus reference volume, in mm³; positive where too much was segmented."""
    return predicted_mm3 - reference_mm3


def volume_error_percent(reference_mm3: float, predicted_mm3: float) -> float:
    """Signed volume error in % of the reference; without a reference volume it is NaN."""
    if not reference_mm3:
        return math.nan
    return 100 * (predicted_mm3 - reference_mm3) / reference_mm3


def volume_similarity(reference_mm3: float, predicted_mm3: float) -> float:
    """One minus the difference over the sum of two volumes, in [0, 1]; two empty ones give NaN.

    Source: Taha and Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    total = reference_mm3 + predicted_mm3
    return 1 - abs(predicted_mm3 - reference_mm3) / total if total else math.nan
