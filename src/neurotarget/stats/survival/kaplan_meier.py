"""Kaplan and Meier's survival curve with intervals, its median, and the log-rank test.

N people are observed for `days` until the event (`event` 1) or the end of follow-up (0).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.stats import chi2, norm

from neurotarget.stats.core.interval import LEVEL, Estimate

Cases = Float[ndarray, " N"]
Times = Float[ndarray, " T"]

Z = float(norm.ppf((1 + LEVEL) / 2))


class Curve(NamedTuple):
    """Survival just after each distinct time in days, with its interval and people at risk.

    The interval is NaN where survival is 0 or 1.
    """

    days: Times
    survival: Times
    low: Times
    high: Times
    at_risk: Times  # just before each time
    events: Times


class LogRank(NamedTuple):
    """Chi-square of the log-rank test of K groups, its degrees of freedom K − 1, and p.

    `observed` and `expected` are numbers of events by group.
    """

    chi2: float
    freedom: int
    p: float
    observed: Float[ndarray, " K"]
    expected: Float[ndarray, " K"]


def survival_curve(days: Cases, event: Cases) -> Curve:
    """Estimate the share without the event after each time, with the log-log interval.

    People whose follow-up ends at the time of an event count as at risk at that time.

    Source: Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452; Greenwood's variance and
    the log-log transformation: Kalbfleisch and Prentice 2002, doi:10.1002/9781118032985.
    """
    times, place = np.unique(days, return_inverse=True)
    leaving = np.bincount(place, minlength=len(times))
    events = np.bincount(place, event, minlength=len(times))
    at_risk = len(days) - np.concatenate([[0.0], np.cumsum(leaving)[:-1]])
    survival = np.cumprod(1 - events / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        half = Z * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(half), survival ** np.exp(-half)
    inside = (survival > 0) & (survival < 1)
    low, high = (np.where(inside, end, math.nan) for end in (low, high))
    return Curve(times, survival, low, high, at_risk, events)


def survival_at(curve: Curve, day: float) -> Estimate:
    """Return survival at a day with its interval; NaN after the end of follow-up, unless it is 0.

    Before the first time of the curve survival is 1, without an interval.
    """
    place = int(np.searchsorted(curve.days, day, side="right")) - 1
    n = int(curve.at_risk[0]) if len(curve.at_risk) else 0
    if place < 0:
        return Estimate(1.0, math.nan, math.nan, n)
    if day > curve.days[-1] and curve.survival[-1] > 0:
        return Estimate.undefined(n)
    return Estimate(*(float(each[place]) for each in (curve.survival, curve.low, curve.high)), n)


def number_at_risk(days: Cases, at: Times) -> Integer[ndarray, " T"]:
    """Count the people who are still followed up just before each time.

    A person who leaves at that time still counts. Figures show these numbers below the curve.
    """
    return (days[None, :] >= at[:, None]).sum(axis=1)


def median_days(curve: Curve) -> Estimate:
    """Return the first day with survival of 50 % or less, with its interval; infinite if none.

    The interval consists of the days at which the interval of survival includes 50 %.

    Source: Brookmeyer and Crowley 1982, doi:10.2307/2530286.
    """
    n = int(curve.at_risk[0]) if len(curve.at_risk) else 0
    ends = [_first_below(curve, values) for values in (curve.survival, curve.low, curve.high)]
    return Estimate(*ends, n)


def _first_below(curve: Curve, values: Times) -> float:
    known = np.flatnonzero((values <= 0.5) | (curve.survival <= 0))  # NaN is not below
    return float(curve.days[known[0]]) if len(known) else math.inf


def log_rank(days: Cases, event: Cases, group: Integer[ndarray, " N"]) -> LogRank:
    """Test whether the survival of K groups, numbered from 0, is equal.

    Chi-square and p are NaN where no event can distinguish the groups, as without any event.

    Source: Mantel 1966; Peto and Peto 1972, doi:10.2307/2344317.
    """
    count = int(group.max()) + 1
    times = np.unique(days[event == 1])
    observed, expected = np.zeros(count), np.zeros(count)
    variance = np.zeros((count, count))
    for time in times:
        at_risk = np.bincount(group[days >= time], minlength=count)
        dead = np.bincount(group[(days == time) & (event == 1)], minlength=count)
        n, d = at_risk.sum(), dead.sum()
        share = at_risk / n
        observed += dead
        expected += d * share
        if n > 1:
            spread = np.diag(share) - np.outer(share, share)
            variance += d * (n - d) / (n - 1) * spread
    gap = (observed - expected)[:-1]
    if not variance[:-1, :-1].any():
        return LogRank(math.nan, count - 1, math.nan, observed, expected)
    value = float(gap @ np.linalg.pinv(variance[:-1, :-1]) @ gap)
    return LogRank(value, count - 1, float(chi2.sf(value, count - 1)), observed, expected)


def censoring_survival(days: Cases, event: Cases, at: Times, *, after: bool = False) -> Times:
    """Return the probability G of follow-up until just before each day; with `after`, beyond it.

    At equal times, events come before ends of follow-up.
    """
    ends = np.where(event == 1, days, np.nextafter(days, math.inf))
    curve = survival_curve(ends, 1 - event)
    place = np.searchsorted(curve.days, np.nextafter(at, math.inf), "right" if after else "left")
    return np.concatenate([[1.0], curve.survival])[place]
