"""Shared parts of the tables on predicted classes: statistics with interval and reason."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.predicted_classes import Predictions, predictions_of
from neurotarget.stats.core.interval import Estimate, wilson_interval
from neurotarget.stats.core.resample import ends, left_out, replicates
from neurotarget.stats.core.studentised import jackknife_t
from neurotarget.stats.tables.agreement import BCA, JACKKNIFE_T, NONE

PLACE = ["label", "method", "stratum", "level"]
VALUE = ["value", "low", "high", "interval"]
COUNTS = ["n", "n_positive", "n_subjects", "n_missing", "n_failed", "reason"]
FEWEST_PEOPLE = 10  # fewest people for an interval
MOST_RESAMPLED, GROUPS = 5000, 200  # most people of a bootstrap, and groups of the jackknife above

WILSON, DELONG, OBUCHOWSKI, WALD = "Wilson", "DeLong", "Obuchowski", "Wald"
FEW = f"fewer than {FEWEST_PEOPLE} people: no interval"
FEW_OF_A_CLASS = "fewer than 3 people of a class: no interval"
NO_PREDICTION = "no case has both a prediction and a reference"
ALL_POSITIVE, ALL_NEGATIVE = "all cases are positive", "no case is positive"
NO_SPREAD = "too little spread between resamples for an interval"
CONSTANT = "all probabilities are equal"


class Value(NamedTuple):
    """A statistic, its interval and the kind of interval; NaN where unknown, with the reason."""

    value: float
    low: float = math.nan
    high: float = math.nan
    interval: str = NONE
    reason: str = ""


class Place(NamedTuple):
    """Predictions of one outcome in one stratum."""

    names: dict[str, str]  # cells of PLACE but the label
    predictions: Predictions


def places(measured: Measured) -> Iterator[Place]:
    """Yield every outcome of classes in every stratum, the whole cohort first."""
    for predictions in predictions_of(measured):
        for stratum, level, case_ids in measured.strata():
            names = {"method": predictions.method, "stratum": stratum, "level": level}
            yield Place(names, predictions.of(case_ids))


def why_unknown(y: Float[ndarray, " N"], p: Float[ndarray, " N"] | None = None) -> str:
    """Return why positive and negative cases cannot be distinguished, or "".

    Args:
        y: 1 for positive cases, else 0.
        p: their probabilities; None where only the classes matter.
    """
    if not len(y):
        return NO_PREDICTION
    if y.min() == y.max():
        return ALL_POSITIVE if y[0] else ALL_NEGATIVE
    return CONSTANT if p is not None and np.ptp(p) == 0 else ""


def unless_few(value: Value, n_subjects: int) -> Value:
    """Return the value, without its interval if there are fewer than ten people.

    The reason states this, unless the value already has a reason.
    """
    if math.isnan(value.value) or n_subjects >= FEWEST_PEOPLE:
        return value
    return Value(value.value, reason=value.reason or FEW)


def from_estimate(estimate: Estimate, kind: str, reason: str = "") -> Value:
    """Return an estimate as a value with the kind of its interval.

    Args:
        estimate: value and ends; ends may be NaN.
        kind: name of the interval, such as `DELONG`; `none` replaces it where there is no interval.
        reason: why the interval is missing; by default, a class has fewer than three people.
    """
    value, low, high, _ = estimate
    known = math.isfinite(low)
    if not known and not reason:
        reason = FEW_OF_A_CLASS
    return Value(value, low, high, kind if known else NONE, "" if known else reason)


def share(hits: int, n: int, people: int, reason: str) -> Value:
    """Return a share of cases with Wilson's interval, or the reason if there are no cases.

    Where people have several cases, the number of people determines the interval's width.

    Args:
        hits: number of cases that count.
        n: number of cases.
        people: number of people of these cases.
        reason: reason for an unknown share, if `n` is 0.
    """
    if not n:
        return Value(math.nan, reason=reason)
    value = hits / n
    return Value(value, *wilson_interval(value, people), WILSON)


def resampled(
    statistic: Callable[[Float[ndarray, "R S"]], Float[ndarray, " R"]], n_subjects: int, seed: int
) -> Value:
    """Return a weighted statistic with its BCa interval over people.

    For more than 5000 people, whose weights would not fit into memory, the interval is the
    jackknife's over 200 groups of people. Fewer than ten people have no interval.

    Args:
        statistic: takes weights (R, S), how often each row counts each person; returns R values.
        n_subjects: number of people S.
        seed: random seed of the bootstrap.
    """
    if n_subjects < FEWEST_PEOPLE:
        value = float(statistic(np.ones((1, n_subjects)))[0])
        return Value(value, reason=FEW)
    if is_large := n_subjects > MOST_RESAMPLED:
        weights = np.concatenate([np.ones((1, n_subjects)), left_out(n_subjects, GROUPS)])
    else:
        weights = replicates(n_subjects, seed)
    values = statistic(weights)
    low, high = jackknife_t(values) if is_large else ends(values)
    if math.isfinite(low) and low < high:
        return Value(float(values[0]), low, high, JACKKNIFE_T if is_large else BCA)
    return Value(float(values[0]), reason=NO_SPREAD)
