"""What a mask looks like by itself: its pieces, whether it is cut off, whether sides are mixed up.

These find failures that a volume hides, and most of them need no reference.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import binary_dilation, label

from neurotarget.shapes import Mask

CORNERS = np.ones((3, 3, 3), dtype=bool)  # voxels that share a corner belong together


def pieces(mask: Mask) -> int:
    """Connected components of a mask, voxels that share a face, an edge or a corner as one.

    Every component counts, a single voxel too; an empty mask has none.
    """
    return int(label(mask, structure=CORNERS)[1])


def touches_edge(box: Sequence[slice], shape: Sequence[int]) -> bool:
    """Whether a mask has a voxel on the border of its grid: it may have been cut off there.

    `box` is the bounding box of the mask and `shape` the sides of the grid, in voxels; a mask
    lies on the border if its box does. An empty mask has no box and should not be asked for.
    """
    return any(
        side.start == 0 or side.stop == length for side, length in zip(box, shape, strict=True)
    )


def borders_on(mask: Mask, other: Mask) -> bool:
    """Whether a mask has a voxel that shares a face with a voxel of another."""
    return bool((binary_dilation(mask) & other).any())


def swapped(truth_left: Mask, truth_right: Mask, pred_left: Mask, pred_right: Mask) -> float:
    """1 where left and right of a prediction lie on each other's reference, else 0.

    A side is crossed where it overlaps the other side's reference more than its own. Both must
    be crossed, or the one that overlaps anything; where none does it is NaN.
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
    """1 where the centre of the left mask lies to the right of the right one's, else 0.

    `affine` leads from voxels to the world, whose first axis points to the right of the body
    (RAS+); a shift of it changes nothing. NaN where a mask is empty or the centres are level.
    """
    if not (left.any() and right.any()):
        return math.nan
    centres = [np.argwhere(mask).mean(axis=0) for mask in (left, right)]
    across = float(np.asarray(affine, dtype=float)[0, :3] @ (centres[1] - centres[0]))
    return float(across < 0) if abs(across) > 1e-6 else math.nan  # mm; less is rounding
