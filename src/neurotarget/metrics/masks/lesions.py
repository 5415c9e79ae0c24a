"""Scores of each lesion of a mask, as in BraTS since 2023, and BraTS's rule for empty masks.

Reference pieces that connect when dilated by `REACH_MM` are one lesion. A lesion is compared with
all predicted pieces that touch the dilated lesion. A lesion without a predicted piece has Dice 0
and a distance of `LOST_MM`, and so has each predicted piece without a lesion. The score of a case
is the mean over lesions of more than `LEAST_MM3` and predicted pieces without a lesion. Where
neither mask has a voxel, Dice is 1 and the distance 0.

Sources: Moawad et al. 2023, arXiv:2306.00838, and the code for gliomas of BraTS 2023,
https://github.com/rachitsaluja/BraTS-2023-Metrics, which measures in voxels of 1 mm.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.ndimage import binary_dilation, find_objects, generate_binary_structure, label

from neurotarget.metrics.masks.overlap import dice
from neurotarget.metrics.masks.surface import hd95_mm, surface_distances
from neurotarget.pieces import CORNERS
from neurotarget.shapes import Mask

REACH_MM = 3.0
LEAST_MM3 = 50.0
LOST_MM = 374.0  # diagonal of a scan of BraTS, 240 × 240 × 155 mm
NO_LESIONS = {  # scores of a missing prediction
    "brats_dice": 0.0,
    "brats_hd95_mm": LOST_MM,
    "lesion_dice": 0.0,
    "lesion_hd95_mm": LOST_MM,
}
EDGES = generate_binary_structure(3, 2)  # voxels that share an edge; BraTS dilates by these


class LesionScores(NamedTuple):
    """Means over the lesions of a case and the predicted pieces without a lesion."""

    dice: float
    hd95_mm: float


def brats_scores(
    truth: Mask, pred: Mask, scores: Mapping[str, float], spacing_mm: Sequence[float]
) -> dict[str, float]:
    """Return Dice and HD95 (mm) by BraTS's rule for empty masks, and the means over lesions.

    `scores` are `dice` and `hd95_mm` of the masks, undefined where one or both are empty.
    """
    empty = (not truth.any()) + (not pred.any())
    own = (scores["dice"], scores["hd95_mm"])
    whole = (own, (0.0, LOST_MM), (1.0, 0.0))[empty]
    return dict(zip(NO_LESIONS, (*whole, *lesion_scores(truth, pred, spacing_mm)), strict=True))


def lesion_scores(truth: Mask, pred: Mask, spacing_mm: Sequence[float]) -> LesionScores:
    """Return mean Dice and HD95 (mm) over the lesions of a mask; two empty masks score 1 and 0 mm.

    Predicted pieces without a lesion count with Dice 0 and a distance of `LOST_MM`. The dilation is
    a number of voxels: `REACH_MM` over the cube root of a voxel's volume, rounded, and at least 1.
    """
    reach = max(round(REACH_MM / float(np.prod(spacing_mm)) ** (1 / 3)), 1)
    truth, pred = (np.pad(mask, reach + 1) for mask in (truth, pred))  # room for the dilation
    lesions = np.where(truth, _pieces(_wider(truth, reach)), 0)
    found = _pieces(pred)
    known, scores = set(), []
    for number, box in enumerate(find_objects(lesions), start=1):
        wide = tuple(slice(one.start - reach, one.stop + reach) for one in box)
        lesion = lesions[wide] == number
        own = set(np.unique(found[wide][_wider(lesion, reach)]).tolist()) - {0}
        known |= own
        if lesion.sum() * math.prod(spacing_mm) > LEAST_MM3:
            scores.append(_score(lesions == number, np.isin(found, [*own]), spacing_mm))
    scores += [(0.0, LOST_MM)] * (int(found.max()) - len(known))
    if not scores:
        return LesionScores(1.0, 0.0)
    return LesionScores(*np.mean(scores, axis=0).tolist())


def _score(lesion: Mask, pred: Mask, spacing_mm: Sequence[float]) -> tuple[float, float]:
    """Dice and HD95 in mm of one lesion."""
    if not pred.any():
        return 0.0, LOST_MM
    box = find_objects((lesion | pred).astype(np.uint8))[0]
    masks = lesion[box], pred[box]
    return dice(*masks), hd95_mm(surface_distances(*masks, tuple(spacing_mm)))


def _wider(mask: Mask, reach: int) -> Mask:
    return binary_dilation(mask, EDGES, iterations=reach)


def _pieces(mask: Mask) -> ndarray:
    """Number of the piece of each voxel, 0 outside; voxels that share a corner are connected."""
    return label(mask, CORNERS)[0]
