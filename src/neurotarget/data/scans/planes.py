"""The plane of a series of slices, and an affine in which the slice axis comes last."""

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from jaxtyping import Float
from numpy import ndarray

PLANES = ("sagittal", "coronal", "axial")  # by the canonical axis across the slices
LEAST_RATIO = 1.5  # of slice distance to pixel side; below it the plane is undefined
TO_LAST = ((1, 2, 0), (0, 2, 1), (0, 1, 2))  # canonical axes in plane, and across it


def across(shape: Sequence[int], affine: Float[ndarray, "4 4"]) -> int:
    """Find the stored axis across the slices: the largest spacing, else the fewest voxels.

    Spacings that differ by less than 0.001 mm count as equal; of axes with equally many voxels the
    last axis is used.
    """
    sides = np.linalg.norm(affine[:3, :3], axis=0).round(3)
    keys = [(sides[axis], -shape[axis], axis) for axis in range(3)]
    return max(keys)[2]


def plane_of(shape: Sequence[int], affine: Float[ndarray, "4 4"]) -> str | None:
    """Find the plane of a series from its orientation; None if its voxels are nearly cubes.

    Args:
        shape: sides as stored.
        affine: to RAS+ mm; an oblique series has the plane of its nearest axis.

    Returns:
        sagittal, coronal or axial; None if slices are less than `LEAST_RATIO` sides of a pixel
        apart.
    """
    sides, axis = np.linalg.norm(affine[:3, :3], axis=0), across(shape, affine)
    if sides[axis] < LEAST_RATIO * np.delete(sides, axis).max():
        return None
    return PLANES[_canonical(affine, axis)]


def slices_last(shape: Sequence[int], affine: Float[ndarray, "4 4"]) -> Float[ndarray, "4 4"]:
    """Rename the world axes of an affine, so that slices come last in canonical order.

    Sagittal slices become (anterior, superior, right), coronal ones (right, superior, anterior),
    and axial ones stay. An array without orientation, as in MRNet, has its slices last already. The
    result no longer describes a position in the body; it is only used to prepare the series.
    """
    order = TO_LAST[_canonical(affine, across(shape, affine))]
    turned = affine.copy()
    turned[:3] = affine[list(order)]
    return turned


def _canonical(affine: Float[ndarray, "4 4"], axis: int) -> int:
    return int(nib.orientations.io_orientation(affine)[axis, 0])
