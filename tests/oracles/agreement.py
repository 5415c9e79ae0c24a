"""Agreement statistics in closed form, as a reference for the study's resampled tables.

Arguments are 1-D arrays of one value per case in one unit, reference first. The caller must drop
and count cases without a value. Fewer than three cases, or values without any spread, give NaN.

The intervals are valid for independent cases. If a subject has several cases, pass the function to
`over_subjects`, which resamples whole subjects instead. `interval=False` skips the interval to save
time.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import f as f_distribution
from scipy.stats import norm, rankdata, t

from neurotarget.stats.core.interval import FEWEST, LEVEL, Estimate, fisher_interval
from neurotarget.stats.core.resample import LIMIT_SD
from oracles.bootstrap import bootstrap

Cases = Float[ndarray, " N"]
Agreement = Callable[..., Estimate]  # (truth, pred, interval=…)

TAIL = (1 + LEVEL) / 2


class BlandAltman(NamedTuple):
    """Bias (second minus first), SD of the differences, limits of agreement; unit of the data."""

    bias: Estimate
    sd: float
    lower: Estimate
    upper: Estimate


def pearson(truth: Cases, pred: Cases, *, interval: bool = True) -> Estimate:
    """Pearson's r, in [−1, 1], with Fisher's interval."""
    truth, pred = _checked("pearson", truth, pred).T
    return _correlation(truth, pred, ranks=False, interval=interval)


def spearman(truth: Cases, pred: Cases, *, interval: bool = True) -> Estimate:
    """Spearman's rank correlation, in [−1, 1]; ties share their mean rank."""
    truth, pred = _checked("spearman", truth, pred).T
    return _correlation(rankdata(truth), rankdata(pred), ranks=True, interval=interval)


def icc_a1(*raters: Cases, interval: bool = True) -> Estimate:
    """ICC(A,1): absolute agreement of single values, two-way; bias lowers it.

    The number of ICC(2,1), two-way random, and of its mixed form; two raters or more.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30 (value: table 4, interval: table
    7); Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420.
    """
    table = _checked("icc_a1", *raters)
    n, k = table.shape
    if _flat(table):
        return Estimate.undefined(n)
    rows, columns, error = _mean_squares(table)
    total = rows + (k - 1) * error + k * (columns - error) / n
    if not total or not rows + error:  # the cases do not differ
        return Estimate.undefined(n)
    value = (rows - error) / total
    if error == columns == 0:
        return Estimate(value, value, value, n)
    if not interval:
        return _bare(value, n)
    # degrees of freedom by Satterthwaite, after multiplying a and b by n (1 − value)
    a, b = k * value, n * (1 - value) + k * value * (n - 1)
    both = (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    v = (a * columns + b * error) ** 2 / both
    rest = k * columns + (k * n - k - n) * error
    upper, lower = f_distribution.ppf(TAIL, n - 1, v), f_distribution.ppf(TAIL, v, n - 1)
    low = n * (rows - upper * error) / (upper * rest + n * rows)
    high = n * (lower * rows - error) / (rest + n * lower * rows)
    return Estimate(float(value), max(float(low), -1.0), min(float(high), 1.0), n)


def icc_c1(*raters: Cases, interval: bool = True) -> Estimate:
    """ICC(C,1): consistency of single values, two-way; a constant bias does not count.

    The number of ICC(3,1); two raters or more.

    Source: as for `icc_a1`.
    """
    table = _checked("icc_c1", *raters)
    n, k = table.shape
    if _flat(table):
        return Estimate.undefined(n)
    rows, _, error = _mean_squares(table)
    if not rows + (k - 1) * error:
        return Estimate.undefined(n)
    value = float((rows - error) / (rows + (k - 1) * error))
    if not error:
        return Estimate(value, value, value, n)
    if not interval:
        return _bare(value, n)
    freedom = (n - 1) * (k - 1)
    low = rows / error / f_distribution.ppf(TAIL, n - 1, freedom)
    high = rows / error * f_distribution.ppf(TAIL, freedom, n - 1)
    ends = ((ratio - 1) / (ratio + k - 1) for ratio in (low, high))
    return Estimate(value, *(float(end) for end in ends), n)


def ccc(truth: Cases, pred: Cases, *, interval: bool = True) -> Estimate:
    """Lin's concordance correlation, in [−1, 1]: closeness to the line of identity.

    Source: Lin 1989, doi:10.2307/2532051; variance of its atanh as corrected in Lin 2000,
    doi:10.1111/j.0006-341X.2000.00324.x.
    """
    table = _checked("ccc", truth, pred)
    n = len(table)
    r = pearson(*table.T, interval=False).value
    if math.isnan(r):
        return Estimate.undefined(n)
    (mean_a, mean_b), (sd_a, sd_b) = table.mean(axis=0), table.std(axis=0)
    value = float(2 * r * sd_a * sd_b / (sd_a**2 + sd_b**2 + (mean_a - mean_b) ** 2))
    if abs(value) >= 1 or r == 0:
        return Estimate(value, *((value, value) if r else (math.nan, math.nan)), n)
    if not interval:
        return _bare(value, n)
    shift = (mean_a - mean_b) ** 2 / (sd_a * sd_b)
    rest = 1 - value**2
    variance = (
        (1 - r**2) * value**2 / (rest * r**2)
        + 2 * value**3 * (1 - value) * shift / (r * rest**2)
        - value**4 * shift**2 / (2 * r**2 * rest**2)
    ) / max(n - 2, 1)
    half = float(norm.ppf(TAIL)) * math.sqrt(max(variance, 0.0))
    middle = math.atanh(value)
    return Estimate(value, math.tanh(middle - half), math.tanh(middle + half), n)


def bland_altman(truth: Cases, pred: Cases) -> BlandAltman:
    """Bias of `pred` against `truth` and the limits that hold 95 % of the differences.

    Source: Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8; intervals of the limits
    from 1999, doi:10.1177/096228029900800204.
    """
    table = _checked("bland_altman", truth, pred)
    difference = table[:, 1] - table[:, 0]
    n = len(difference)
    if n < FEWEST:
        nothing = Estimate.undefined(n)
        return BlandAltman(nothing, math.nan, nothing, nothing)
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    quantile = float(t.ppf(TAIL, n - 1))
    half_bias = quantile * sd / math.sqrt(n)
    half_limit = quantile * sd * math.sqrt(1 / n + LIMIT_SD**2 / (2 * (n - 1)))
    lower, upper = bias - LIMIT_SD * sd, bias + LIMIT_SD * sd
    return BlandAltman(
        Estimate(bias, bias - half_bias, bias + half_bias, n),
        sd,
        Estimate(lower, lower - half_limit, lower + half_limit, n),
        Estimate(upper, upper - half_limit, upper + half_limit, n),
    )


def proportional_slope(truth: Cases, pred: Cases, *, interval: bool = True) -> Estimate:
    """Slope of the difference `pred − truth` on the mean of both: its growth per unit of size.

    The slope is (var pred − var truth) / (2 var mean). A bias in proportion to size gives one, but
    so do unequal error variances: a method that only scatters more than the other has a positive
    slope without any bias. No spread of the mean gives NaN.

    Source: Bland and Altman 1999, doi:10.1177/096228029900800204, section 3.
    """
    table = _checked("proportional_slope", truth, pred)
    n = len(table)
    middle, difference = table.mean(axis=1), table[:, 1] - table[:, 0]
    if n < FEWEST or np.ptp(middle) <= 1e-12 * np.abs(middle).max():
        return Estimate.undefined(n)
    # by hand: linregress gives a NaN error where the differences are equal but for rounding
    apart, difference = middle - middle.mean(), difference - difference.mean()
    spread = float(np.square(apart).sum())
    value = float(apart @ difference) / spread
    rest = float(np.square(difference - value * apart).sum())
    half = float(t.ppf(TAIL, n - 2)) * math.sqrt(rest / (n - 2) / spread)
    return Estimate(value, value - half, value + half, n) if interval else _bare(value, n)


def over_subjects(
    agree: Agreement, truth: Cases, pred: Cases, *, subjects: Sequence, seed: int
) -> Estimate:
    """Agreement over cases of which some may share a subject.

    The function's own interval where every subject comes once, else a bootstrap over subjects.
    """
    table = _checked("over_subjects", truth, pred)
    if len(set(subjects)) == len(subjects):
        return agree(*table.T)

    def value(some: ndarray) -> float:
        return agree(*some.T, interval=False).value

    return bootstrap(value, table, seed=seed, subjects=subjects)


def _bare(value: float, n: int) -> Estimate:
    return Estimate(float(value), math.nan, math.nan, n)


def _correlation(truth: Cases, pred: Cases, *, ranks: bool, interval: bool) -> Estimate:
    n = len(truth)
    if n < FEWEST or np.ptp(truth) == 0 or np.ptp(pred) == 0:
        return Estimate.undefined(n)
    r = float(np.clip(np.corrcoef(truth, pred)[0, 1], -1, 1))
    if not interval:
        return _bare(r, n)
    if not ranks or n < 4 or abs(r) >= 1:
        return Estimate(r, *fisher_interval(r, n), n)
    # Bonett and Wright 2000, doi:10.1007/BF02294183
    half = float(norm.ppf((1 + LEVEL) / 2)) * math.sqrt((1 + r * r / 2) / (n - 3))
    return Estimate(r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half), n)


def _flat(table: ndarray) -> bool:
    return len(table) < FEWEST or np.ptp(table) == 0


def _mean_squares(table: Float[ndarray, "N K"]) -> tuple[float, float, float]:
    """Mean squares between cases, between raters, and of what remains."""
    n, k = table.shape
    whole = table.mean()
    cases, raters = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = table - cases - raters + whole
    # what rounding leaves of two equal columns is no error
    rest[np.abs(rest) < 1e-12 * np.abs(table).max()] = 0
    between = k * float(np.square(cases - whole).sum()) / (n - 1)
    methods = n * float(np.square(raters - whole).sum()) / (k - 1)
    return between, methods, float(np.square(rest).sum()) / ((n - 1) * (k - 1))


def _checked(name: str, *raters: Cases) -> Float[ndarray, "N K"]:
    arrays = [np.asarray(rater, dtype=float) for rater in raters]
    shapes = [array.shape for array in arrays]
    if len(arrays) < 2 or len(shapes[0]) != 1 or len(set(shapes)) > 1:
        raise ValueError(
            f"{name}: got values of shapes {shapes}, wanted one value per case from each of two "
            "methods or more; join them by case_id first"
        )
    table = np.stack(arrays, axis=1)  # (N, K)
    if absent := int((~np.isfinite(table)).any(axis=1).sum()):
        raise ValueError(f"{name}: {absent} of {len(table)} cases have no value; drop and count")
    return table
