"""Sensitivity, specificity and precision at every threshold of a score."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

Cases = Float[ndarray, " N"]
Flags = Bool[ndarray, " N"]
Points = Float[ndarray, " T"]


class Curve(NamedTuple):
    """Points of the curves in descending threshold; a score at the threshold counts as positive.

    At the first point no case is positive (threshold infinite, precision 1 by convention).
    """

    threshold: Points
    sensitivity: Points
    false_positive_rate: Points
    precision: Points


def operating_curve(score: Cases, is_positive: Flags) -> Curve:
    """Return the points at every distinct score; positive and negative cases must occur.

    Cases of equal score share a point, so that the curve does not depend on their order.
    """
    order = np.argsort(-score, kind="stable")
    lasts = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    hits = np.cumsum(is_positive[order])[lasts].astype(float)
    above = (lasts + 1).astype(float)
    n_positive, n = float(is_positive.sum()), len(score)
    return Curve(
        np.r_[np.inf, score[order][lasts]],
        np.r_[0.0, hits / n_positive],
        np.r_[0.0, (above - hits) / (n - n_positive)],
        np.r_[1.0, hits / above],
    )
