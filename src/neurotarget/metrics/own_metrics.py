"""Scores that a user adds: a function of two masks and the spacing, under a name with a unit."""

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from neurotarget.metrics.metric_units import is_own
from neurotarget.problems import DataError
from neurotarget.shapes import Mask
from neurotarget.types import Triple

Score = Callable[[Mask, Mask, Triple], float]  # of reference, predicted, spacing_mm


class OwnMetric(NamedTuple):
    """A score of a label of a case; NaN where it is undefined."""

    score: Score
    unit: str = ""  # "" for a ratio


OwnMetrics = Mapping[str, OwnMetric]


def try_metrics(metrics: OwnMetrics) -> None:
    """Score two small cubes, so that a mistake is found before hours of training.

    Raises:
        DataError: a name is invalid or that of a built-in metric, or a function raises or returns
            no number.
    """
    masks = np.zeros((2, 8, 8, 8), dtype=bool)
    masks[0, 2:5, 2:5, 2:5] = masks[1, 3:6, 2:5, 2:5] = True
    for name, metric in metrics.items():
        if not re.fullmatch(r"\w+", name) or not is_own(name):
            raise DataError(
                f"metrics.{name}: found a name that is taken or has characters other than letters, "
                "digits and _, wanted a free name; rename the metric"
            )
        own_score(name, metric, *masks, spacing_mm=(1.0, 1.0, 1.0), where="a test on two cubes")


def own_score(
    name: str,
    metric: OwnMetric,
    *masks: Mask,
    spacing_mm: Triple,
    where: str,
) -> float:
    """Compute a user's score of a reference and a predicted mask on one grid.

    NaN where no masks are given, both are empty or the score is not finite.

    Raises:
        DataError: the function raises, or returns no number; `where` names the case and label.
    """
    if not any(mask.any() for mask in masks):
        return math.nan
    try:
        score = float(metric.score(*masks, spacing_mm))
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(
            f"metrics.{name}: found an error in {where} ({reason}), wanted a number from "
            "(reference, predicted, spacing_mm), NaN where undefined; correct the function"
        ) from error
    return score if math.isfinite(score) else math.nan
