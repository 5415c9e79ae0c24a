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

    Single voxels count; an empty mask has 0.
    """
    return int(label(mask, structure=CORNERS)[1])


def touches_edge(box: Sequence[slice], shape: Sequence[int]) -> bool:
    """Return whether a mask has a voxel on the border of its grid, where it may be cut off.

    `box` is the bounding box of the mask and `shape` the sides of the grid, in voxels. An empty
    mask has no box. A side of one voxel, as of pictures, has no border.
    """
    return any(
        length > 1 and (side.start == 0 or side.stop == length)
        for side, length in zip(box, shape, strict=True)
    )


def borders_on(mask: Mask, other: Mask) -> bool:
    """Return whether a voxel of a mask shares a face with a voxel of the other.

    Also true where they overlap.
    """
    return bool((binary_dilation(mask) & other).any())


def swapped(truth_left: Mask, truth_right: Mask, pred_left: Mask, pred_right: Mask) -> float:
    """Return 1 where left and right of a prediction overlap the other side's reference, else 0.

    A side is swapped if it overlaps the other side's reference more than its own. Both sides must
    be swapped, or the only one that overlaps a reference; NaN without any overlap.
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
    """Return 1 where the centre of the left mask is to the right of the right one's, else 0.

    `affine` maps voxels to world coordinates (RAS+), independent of its translation. NaN where a
    mask is empty or the centres are level.
    """
    if not (left.any() and right.any()):
        return math.nan
    centres = [np.argwhere(mask).mean(axis=0) for mask in (left, right)]
    across = float(np.asarray(affine, dtype=float)[0, :3] @ (centres[1] - centres[0]))
    return float(across < 0) if abs(across) > 1e-6 else math.nan  # mm; less is rounding error
