"""Checks of a mask's shape: number of pieces, contact with the border, swapped sides.

They detect failures that a volume does not show, and most need no reference.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import binary_dilation, label

from neurotarget.shapes import Mask

CORNERS = np.ones((3, 3, 3), dtype=bool)  # connectivity: voxels that share a corner


def pieces(mask: Mask) -> int:
    """Count the connected components of a mask; voxels that share a corner are connected.

    A single voxel counts as a piece; an empty mask has 0.
    """
    return int(label(mask, structure=CORNERS)[1])


def touches_edge(box: Sequence[slice], shape: Sequence[int]) -> bool:
    """Return True if a mask has a voxel on the border of its grid, where it may be cut off.

    `box` is the bounding box of the mask, which is not empty; `shape` are the sides of the grid in
    voxels. A side of one voxel, as in pictures, has no border.
    """
    return any(
        length > 1 and (side.start == 0 or side.stop == length)
        for side, length in zip(box, shape, strict=True)
    )


def borders_on(mask: Mask, other: Mask) -> bool:
    """Return True if a voxel of one mask shares a face with, or is, a voxel of the other."""
    return bool((binary_dilation(mask) & other).any())


def swapped(truth_left: Mask, truth_right: Mask, pred_left: Mask, pred_right: Mask) -> float:
    """Return 1 if left and right of a prediction are swapped against the reference, else 0.

    A side is swapped if it overlaps the other side's reference more than its own. The result is 1
    if this holds for all sides that overlap a reference; NaN if no side does.
    """
    shapes = {mask.shape for mask in (truth_left, truth_right, pred_left, pred_right)}
    if len(shapes) > 1:
        raise ValueError(
            f"swapped: got masks of the shapes {sorted(shapes)}, wanted one grid; resample the "
            "prediction to the grid of its reference"
        )
    sides = ((pred_left, truth_left, truth_right), (pred_right, truth_right, truth_left))
    overlaps = [((pred & own).sum(), (pred & other).sum()) for pred, own, other in sides]
    crossed = [other > own for own, other in overlaps if own or other]
    return float(all(crossed)) if crossed else math.nan


def swapped_in_space(left: Mask, right: Mask, affine: Float[ndarray, "4 4"]) -> float:
    """Return 1 if the centroid of the left mask is to the right of that of the right mask, else 0.

    `affine` maps voxels to world coordinates (RAS+); its translation has no effect. NaN where a
    mask is empty or neither centroid is further right.
    """
    if not (left.any() and right.any()):
        return math.nan
    centres = [np.argwhere(mask).mean(axis=0) for mask in (left, right)]
    across = float(np.asarray(affine, dtype=float)[0, :3] @ (centres[1] - centres[0]))
    return float(across < 0) if abs(across) > 1e-6 else math.nan  # mm; less is rounding error
