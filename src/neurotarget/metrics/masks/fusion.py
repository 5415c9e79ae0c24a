"""Fusion of several masks of one scan, and detection of failed masks without a reference.

Masks are boolean arrays of one grid. `majority` counts votes. `simple` weights votes by agreement
with the fused mask and drops the worst masks. `staple` estimates the accuracy of each mask.
"""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool
from numpy import ndarray
from scipy.ndimage import find_objects

from neurotarget.metrics.masks.overlap import dice

Masks = Mapping[str, Bool[ndarray, "I J K"]]

LARGEST_SHARE = 0.5  # largest share of a scan that the mask of a lesion or structure may fill
FAR_DICE = 0.5  # a mask has failed if its median Dice with the other masks is lower
FEWEST = 3  # masks needed to find one that is unlike the others
SIMPLE_ALPHA, SIMPLE_ROUNDS = 2.0, 10


class Failed(NamedTuple):
    """A mask that is left out of a fusion, and the reason."""

    name: str
    reason: str


def agreement(masks: Masks) -> dict[tuple[str, str], float]:
    """Dice of each pair of masks, by the pair's names; NaN where both are empty.

    Pairs come in the order of `masks`.

    Raises:
        ValueError: masks differ in shape or are not boolean.
    """
    return {
        (first, second): dice(masks[first], masks[second])
        for first, second in combinations(masks, 2)
    }


def failed_masks(masks: Masks) -> list[Failed]:
    """Return masks that must be wrong: all or no voxels, too large, or unlike all others.

    A mask is too large if it fills more than `LARGEST_SHARE` of the scan. An empty mask has failed
    if another mask is not empty. If three masks or more remain, a mask is unlike the others if its
    median Dice with them is below `FAR_DICE`.
    """
    failed = []
    for name, mask in masks.items():
        share = float(mask.mean())
        if share == 1.0:
            failed.append(Failed(name, "all voxels are marked"))
        elif share > LARGEST_SHARE:
            failed.append(Failed(name, f"{100 * share:.0f} % of the scan is marked"))
        elif share == 0.0 and any(other.any() for other in masks.values()):
            failed.append(Failed(name, "no voxel is marked"))
    left = {name: mask for name, mask in masks.items() if name not in {one.name for one in failed}}
    if len(left) < FEWEST:
        return failed
    scores = agreement(left)
    for name in left:
        own = [value for pair, value in scores.items() if name in pair and not math.isnan(value)]
        if own and np.median(own) < FAR_DICE:
            text = f"median Dice {np.median(own):.2f} with the other masks"
            failed.append(Failed(name, text))
    return failed


def majority(masks: Masks) -> Bool[ndarray, "I J K"]:
    """Voxels that more than half of the masks mark; exactly half is not enough."""
    return 2 * sum(mask.astype(np.int16) for mask in masks.values()) > len(masks)


def simple(masks: Masks) -> Bool[ndarray, "I J K"]:
    """Majority weighted by each mask's Dice with the fused mask, without the worst masks.

    Each round drops masks whose Dice lies more than `SIMPLE_ALPHA` SD below the mean. Rounds end
    when no mask is dropped and the fused mask does not change. A tie is not marked.

    Source: Langerak et al. 2010, doi:10.1109/TMI.2010.2057442.
    """
    kept, fused = dict(masks), majority(masks)
    for _ in range(SIMPLE_ROUNDS):
        scores = {name: np.nan_to_num(dice(fused, mask)) for name, mask in kept.items()}
        values = np.array([*scores.values()])
        least = values.mean() - SIMPLE_ALPHA * values.std() - 1e-9
        kept = {name: mask for name, mask in kept.items() if scores[name] >= least}
        votes = sum(scores[name] * mask.astype(np.float64) for name, mask in kept.items())
        again = votes > sum(scores[name] for name in kept) / 2
        if (again == fused).all() and len(kept) == len(scores):
            break
        fused = again
    return fused


def staple(masks: Masks) -> Bool[ndarray, "I J K"]:
    """Voxels of probability above 0.5 by STAPLE, which estimates each mask's accuracy.

    Sensitivities and specificities are estimated in the box of all masks, two voxels wider at each
    side, since distant background would make every mask specific. Source: Warfield et al. 2004,
    doi:10.1109/TMI.2004.828354.
    """
    first = next(iter(masks.values()))
    result = np.zeros(first.shape, dtype=bool)
    marked = np.logical_or.reduce([*masks.values()])
    if not marked.any():
        return result
    found = find_objects(marked.astype(np.uint8))[0]
    box = tuple(slice(max(one.start - 2, 0), one.stop + 2) for one in found)
    images = [sitk.GetImageFromArray(mask[box].astype(np.uint8)) for mask in masks.values()]
    result[box] = sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0)) > 0.5
    return result


FUSIONS = {"majority": majority, "simple": simple, "staple": staple}
