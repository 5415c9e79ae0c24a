"""Overlap of two masks as ratios.

`truth` and `pred` are boolean arrays of equal shape. A ratio with denominator 0 is NaN, not 1, so
that an absent target cannot raise a mean.
"""

import math

from neurotarget.shapes import Mask


def dice(truth: Mask, pred: Mask) -> float:
    """Return twice the shared voxels over all voxels, in [0, 1]; both empty gives NaN.

    Source: Dice 1945, doi:10.2307/1932409.
    """
    shared, in_truth, in_pred = _counts("dice", truth, pred)
    total = in_truth + in_pred
    return 2 * shared / total if total else math.nan


def precision(truth: Mask, pred: Mask) -> float:
    """Return the share of predicted voxels that are true, in [0, 1]; NaN without prediction.

    Source: Taha and Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    shared, _, in_pred = _counts("precision", truth, pred)
    return shared / in_pred if in_pred else math.nan


def recall(truth: Mask, pred: Mask) -> float:
    """Return the share of true voxels that are predicted, in [0, 1]; NaN without truth.

    Source: Taha and Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    shared, in_truth, _ = _counts("recall", truth, pred)
    return shared / in_truth if in_truth else math.nan


def _counts(name: str, truth: Mask, pred: Mask) -> tuple[int, int, int]:
    if truth.shape != pred.shape or truth.dtype != bool or pred.dtype != bool:
        raise ValueError(
            f"{name}: got truth {truth.dtype} {truth.shape} and pred {pred.dtype} {pred.shape}, "
            "wanted two boolean arrays on one grid; make masks from label maps by =="
        )
    return int((truth & pred).sum()), int(truth.sum()), int(pred.sum())
