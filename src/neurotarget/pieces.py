"""Connected pieces of masks."""

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy import ndimage

CORNERS = np.ones((3, 3, 3), dtype=bool)  # structure in which voxels that share a corner connect
SPECK = 0.01  # share of a mask; smaller pieces hardly change its volume and are ignored


def unusual_pieces(found: int, expected: int | None) -> str:
    """Describe an unusual number of pieces; "" for a usual number or an empty mask.

    `expected` is None where any number is usual.
    """
    if expected is None or found in (0, expected):
        return ""
    pieces = "1 piece" if found == 1 else f"{found} pieces"
    return pieces if expected == 1 else f"{pieces}, normally {expected}"


def large_pieces(mask: Bool[ndarray, "I J K"]) -> int:
    """Count the pieces of a mask that have at least `SPECK` of its voxels.

    Voxels that share a corner are one piece. A single piece counts whatever its size; an empty mask
    has 0.
    """
    pieces, count = ndimage.label(mask, CORNERS)
    if count < 2:
        return count
    sizes = np.bincount(pieces.ravel())[1:]
    return int((sizes >= SPECK * sizes.sum()).sum())


def largest_piece(mask: Bool[ndarray, "I J K"]) -> Bool[ndarray, "I J K"]:
    """Return the largest piece of a mask, connected by faces; of equal pieces the first.

    A mask of one piece and an empty mask are returned unchanged.
    """
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces == sizes.argmax()
