"""AUC of one or several scores of the same cases, where a subject may have several cases.

With one case per subject all formulas are DeLong's. N cases, K scores, S subjects; a subject may
have cases with and without the condition.

Source: Obuchowski 1997, doi:10.2307/2533958 (clusters); DeLong et al. 1988, doi:10.2307/2531595.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.special import expit, logit
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from neurotarget.stats.core.discrimination import ROUNDING, TAIL, placements
from neurotarget.stats.core.interval import FEWEST, LEVEL, Estimate

Scores = Float[ndarray, "N K"]
Cases = Float[ndarray, " N"]
Flags = Bool[ndarray, " N"]
Codes = Integer[ndarray, " N"]  # number of each case's subject, from 0


class Areas(NamedTuple):
    """AUCs of several scores and their covariance."""

    values: Float[ndarray, " K"]
    covariance: Float[ndarray, "K K"]


class Difference(NamedTuple):
    """Difference of two AUCs with its interval, and the two-sided p of no difference."""

    estimate: Estimate
    p: float


def auc_of_cases(score: Cases, is_positive: Flags, subject: Codes) -> Estimate:
    """Chance that a positive case has the higher score, ties counting half, with its interval.

    The interval is on the logit scale, so it stays within [0, 1]. Where the scores of positive and
    negative cases do not overlap, it is Clopper and Pearson's with as many pairs as the rarer class
    has subjects. NaN where a class has fewer than three subjects, or all scores are equal.

    Source: Qin and Hotilovac 2008, doi:10.1177/0962280207087173 (logit).
    """
    n, fewer = len(score), _fewer_subjects(is_positive, subject)
    if fewer < FEWEST or np.ptp(score) == 0:
        return Estimate.undefined(n)
    values, covariance = auc_covariance(score[:, None], is_positive, subject)
    value = float(values[0])
    if value in (0, 1):
        low, high = proportion_confint(round(value * fewer), fewer, 1 - LEVEL, method="beta")
        return Estimate(value, float(low), float(high), n)
    half = norm.ppf(TAIL) * math.sqrt(covariance[0, 0]) / (value * (1 - value))
    low, high = expit(logit(value) - half), expit(logit(value) + half)
    return Estimate(value, float(low), float(high), n)


def auc_covariance(scores: Scores, is_positive: Flags, subject: Codes) -> Areas:
    """AUCs of K scores of the same cases, and the covariance matrix of these estimates.

    Each class needs two subjects; with one, the divisor of the covariance is 0. The square roots of
    the diagonal are standard errors on the scale of the AUC.
    """
    n_positive, n_negative = int(is_positive.sum()), int((~is_positive).sum())
    above, below, values = _deviations(scores, is_positive, subject)
    n_subjects = len(above)
    has_positive = len(np.unique(subject[is_positive]))
    has_negative = len(np.unique(subject[~is_positive]))
    positive = above.T @ above * has_positive / (has_positive - 1) / n_positive**2
    negative = below.T @ below * has_negative / (has_negative - 1) / n_negative**2
    both = above.T @ below * n_subjects / (n_subjects - 1) / (n_positive * n_negative)
    return Areas(values, positive + negative + both + both.T)


def auc_difference_of_cases(scores: Scores, is_positive: Flags, subject: Codes) -> Difference:
    """AUC of the second column minus that of the first, on the same cases.

    NaN where a class has fewer than three subjects, or a score does not vary. Equal scores have the
    difference 0 and p 1. Where both AUCs are exactly 0 or 1 and differ, the interval and p are NaN,
    as the scores give no estimate of the error.
    """
    n = len(scores)
    if _fewer_subjects(is_positive, subject) < FEWEST or (np.ptp(scores, axis=0) == 0).any():
        return Difference(Estimate.undefined(n), math.nan)
    values, covariance = auc_covariance(scores, is_positive, subject)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return _tested(float(values[1] - values[0]), float(variance), n)


def auc_difference_of_groups(
    first: tuple[Float[ndarray, " A"], Bool[ndarray, " A"], Integer[ndarray, " A"]],
    second: tuple[Float[ndarray, " B"], Bool[ndarray, " B"], Integer[ndarray, " B"]],
) -> Difference:
    """AUC of `second` minus that of `first`, each (score, is_positive, subject) of other subjects.

    NaN under the conditions of `auc_difference_of_cases`.
    """
    n = len(first[0]) + len(second[0])
    values, variance = [], 0.0
    for score, is_positive, subject in (first, second):
        if _fewer_subjects(is_positive, subject) < FEWEST or np.ptp(score) == 0:
            return Difference(Estimate.undefined(n), math.nan)
        area = auc_covariance(score[:, None], is_positive, subject)
        values.append(float(area.values[0]))
        variance += float(area.covariance[0, 0])
    return _tested(values[1] - values[0], variance, n)


def mean_auc(scores: Scores, classes: Codes, subject: Codes) -> Estimate:
    """Mean over K classes of the AUC of class k (column k) against all others, with its interval.

    The variance is that of each subject's summed influence on all K areas, so it allows for their
    correlation. NaN where a class or its complement has fewer than three subjects, or a column does
    not vary. The interval is on the logit scale; a mean of exactly 1 has no interval.

    Source: Fawcett 2006, doi:10.1016/j.patrec.2005.10.010 (one class against the rest).
    """
    n, influence, values = len(scores), 0.0, []
    for number, column in enumerate(scores.T):
        is_positive = classes == number
        if _fewer_subjects(is_positive, subject) < FEWEST or np.ptp(column) == 0:
            return Estimate.undefined(n)
        above, below, area = _deviations(column[:, None], is_positive, subject)
        influence = influence + above / is_positive.sum() + below / (~is_positive).sum()
        values.append(float(area[0]))
    value = float(np.mean(values))
    if value in (0, 1):
        return Estimate(value, math.nan, math.nan, n)
    shares = influence[:, 0] / scores.shape[1]
    n_subjects = len(np.unique(subject))
    variance = float(shares @ shares) * n_subjects / (n_subjects - 1)
    half = norm.ppf(TAIL) * math.sqrt(variance) / (value * (1 - value))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)), n)


def _deviations(
    scores: Scores, is_positive: Flags, subject: Codes
) -> tuple[Float[ndarray, "S K"], Float[ndarray, "S K"], Float[ndarray, " K"]]:
    """Sums over each subject's positive and negative cases of (placement − AUC), and the AUCs."""
    names, code = np.unique(subject, return_inverse=True)
    above, below = (np.zeros((len(names), scores.shape[1])) for _ in range(2))
    pairs = [placements(column[is_positive], column[~is_positive]) for column in scores.T]
    of_positive, of_negative = (np.stack(part, axis=1) for part in zip(*pairs, strict=True))
    values = of_positive.mean(axis=0)
    np.add.at(above, code[is_positive], of_positive - values)
    np.add.at(below, code[~is_positive], of_negative - values)
    return above, below, values


def _fewer_subjects(is_positive: Flags, subject: Codes) -> int:
    """Number of subjects of the class, positive or negative, that has fewer."""
    return min(len(np.unique(subject[flags])) for flags in (is_positive, ~is_positive))


def _tested(value: float, variance: float, n: int) -> Difference:
    value = value if abs(value) > ROUNDING else 0.0
    error = math.sqrt(max(variance, 0.0))
    half = float(norm.ppf(TAIL)) * error
    if error <= ROUNDING:
        # equal scores, or both AUCs are exactly 0 or 1: no estimate of the error
        ends = (0.0, 0.0) if not value else (math.nan, math.nan)
        return Difference(Estimate(value, *ends, n), math.nan if value else 1.0)
    p = float(2 * norm.sf(abs(value) / error))
    return Difference(Estimate(value, value - half, value + half, n), p)
