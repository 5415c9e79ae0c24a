"""Structures on the wrong side of the head: left ones on the right, or right ones on the left."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

FEWEST_PAIRS = 3  # fewest pairs that give the middle of the head for a structure without partner
CLEARLY_MM = 2.0  # least distance beyond the middle; a structure nearer to it has no side


def centres_right_mm(
    classes: Integer[ndarray, "I J K"], affine: Float[ndarray, "4 4"], count: int
) -> Float[ndarray, " N"]:
    """Compute each class's centre in mm to the right, for 0 to `count` - 1; NaN if absent or 0.

    Classes from `count` on, such as ignored voxels, are not measured. `affine` maps voxels to
    scanner coordinates (RAS+, mm).
    """
    indices = np.nonzero((classes > 0) & (classes < count))
    labels = classes[indices]
    sizes = np.bincount(labels, minlength=count)
    sums = [np.bincount(labels, weights=index, minlength=count) for index in indices]
    centres = np.array(sums) / np.where(sizes > 0, sizes, np.nan)
    return affine[0, :3] @ centres + affine[0, 3]


def on_wrong_side(right_mm: Mapping[str, float], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Find labels on the wrong side, from the centres of labels that have voxels.

    The left label of a pair must be left of the right label; a label without partner must not lie
    more than `CLEARLY_MM` beyond the middle of the other pairs, if there are `FEWEST_PAIRS`.

    Args:
        right_mm: position of each label along left–right, larger to the right.
        pairs: (left, right) names.

    Returns:
        Descriptions such as `left hippocampus to the right of right hippocampus`; an empty
        list without a finding.
    """
    both = [pair for pair in pairs if {*pair} <= {*right_mm}]
    found = [
        f"{left} to the right of {right}"
        for left, right in both
        if right_mm[left] > right_mm[right]
    ]
    if len(both) < FEWEST_PAIRS:
        return found
    middle_mm = float(np.median([(right_mm[left] + right_mm[right]) / 2 for left, right in both]))
    for pair in pairs:
        alone = [name for name in pair if name in right_mm]
        if len(alone) == 1:
            sign = 1 if alone[0] == pair[0] else -1
            if sign * (right_mm[alone[0]] - middle_mm) > CLEARLY_MM:
                found.append(f"{alone[0]} on the {'right' if sign > 0 else 'left'}")
    return found
