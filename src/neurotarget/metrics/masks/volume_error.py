"""Volumes in mm³, and errors of predicted volumes."""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.shapes import Mask


def voxel_mm3(affine: Float[ndarray, "4 4"]) -> float:
    """Return the volume of one voxel in mm³, also for oblique and sheared grids."""
    return float(abs(np.linalg.det(np.asarray(affine, dtype=float)[:3, :3])))


def volume_mm3(mask: Mask, one_voxel_mm3: float) -> float:
    """Return the volume of a mask in mm³: its voxels times `one_voxel_mm3`, by `voxel_mm3`."""
    return int(np.count_nonzero(mask)) * one_voxel_mm3


def volume_error_mm3(reference_mm3: float, predicted_mm3: float) -> float:
    """Return predicted minus reference volume, in mm³; NaN if either is NaN."""
    return predicted_mm3 - reference_mm3


def volume_error_percent(reference_mm3: float, predicted_mm3: float) -> float:
    """Return the signed volume error in % of the reference; NaN for a reference of 0."""
    if not reference_mm3:
        return math.nan
    return 100 * (predicted_mm3 - reference_mm3) / reference_mm3


def volume_similarity(reference_mm3: float, predicted_mm3: float) -> float:
    """Return 1 − |difference| / sum of two volumes, in [0, 1]; NaN if both are 0.

    Source: Taha and Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    total = reference_mm3 + predicted_mm3
    return 1 - abs(predicted_mm3 - reference_mm3) / total if total else math.nan
