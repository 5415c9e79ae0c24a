"""Closed-form confidence intervals; the independent unit is the subject, never the case."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.special import nctdtrinc
from scipy.stats import chi2, nct, norm, shapiro
from scipy.stats import f as f_distribution
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from neurotarget.stats.core.resample import LEVEL, LIMIT_SD, ROUNDING

Cases = Float[ndarray, " N"]
Ends = tuple[float, float]

LARGE_T = 100.0  # above this t the error of the SD dominates that of the mean (about 1)
FEWEST = 3  # fewest cases for which a spread is reported
DOUBT = 0.2  # a Shapiro-Wilk p below this rules out formulas for normal values
MOST_TESTED = 5000  # largest sample for which SciPy computes an accurate p


class Estimate(NamedTuple):
    """A value with its 95 % interval, from `n` cases; NaN where undefined."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def undefined(cls, n: int) -> "Estimate":
        """Return an estimate of NaN, for too few cases or values without spread."""
        return cls(math.nan, math.nan, math.nan, n)


class MeanSquares(NamedTuple):
    """Two-way analysis of variance: N cases by K methods."""

    cases: float
    methods: float  # variance of the methods' means; times N it is their mean square
    error: float
    k: int


def is_normal(values: Cases) -> bool:
    """Return True if Shapiro and Wilk's p is 0.2 or more: formulas for normal values may be used.

    The level is high because the alternative intervals lose little where values are normal. Values
    without spread count as normal; fewer than 3 or more than 5000 values do not, as the p would be
    undefined or inaccurate.

    Source: Shapiro and Wilk 1965, doi:10.1093/biomet/52.3-4.591.
    """
    if np.ptp(values) <= ROUNDING * np.abs(values).max():
        return True
    return FEWEST <= len(values) <= MOST_TESTED and float(shapiro(values).pvalue) >= DOUBT


def mean_interval(values: Cases, subject: Integer[ndarray, " N"], n_subjects: int) -> Ends:
    """Student's interval of a mean with subjects − 1 degrees of freedom, in the unit of `values`.

    With several cases per subject, the standard error is cluster-robust.

    Source: Student 1908, doi:10.1093/biomet/6.1.1; Liang and Zeger 1986,
    doi:10.1093/biomet/73.1.13 (cluster-robust error).
    """
    mean = float(values.mean())
    sums = np.bincount(subject, values - mean, minlength=n_subjects)
    error = math.sqrt(n_subjects / (n_subjects - 1) * float(sums @ sums)) / len(values)
    half = float(student.ppf((1 + LEVEL) / 2, n_subjects - 1)) * error
    return mean - half, mean + half


def sd_interval(sd: float, n: int) -> Ends:
    """Interval of the SD of `n` normal values, by the chi-square distribution.

    The interval is exact for normal values; for other distributions it is wrong even with many
    values (see `is_normal`).
    """
    tails = np.array([(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    low, high = sd * np.sqrt((n - 1) / chi2.ppf(tails, n - 1))
    return float(low), float(high)


def limit_interval(mean: float, sd: float, n: int, *, is_upper: bool) -> Ends:
    """Exact interval of a limit of agreement, mean ± 1.96 SD, of `n` normal differences.

    Source: Carkeet 2015, doi:10.1097/OPX.0000000000000513, by the noncentral t distribution.
    """
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    away = nct.ppf(tails, n - 1, LIMIT_SD * math.sqrt(n)) * sd / math.sqrt(n)
    near, far = mean + (away if is_upper else -away)
    return min(near, far), max(near, far)


def icc_c1_interval(squares: MeanSquares, n: float) -> Ends:
    """Interval of ICC(C,1) of `n` independent cases.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30, table 7.
    """
    if squares.error == 0:
        return 1.0, 1.0
    tail, freedom = (1 + LEVEL) / 2, (n - 1) * (squares.k - 1)
    ratio = squares.cases / squares.error
    low = ratio / f_distribution.ppf(tail, n - 1, freedom)
    high = ratio * f_distribution.ppf(tail, freedom, n - 1)
    return tuple(float((end - 1) / (end + squares.k - 1)) for end in (low, high))


def icc_a1_interval(squares: MeanSquares, n: float) -> Ends:
    """Interval of ICC(A,1) of `n` independent cases, with methods as a random factor.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30, table 7; degrees of freedom by
    Satterthwaite.
    """
    cases, error, k = squares.cases, squares.error, squares.k
    methods = n * squares.methods
    if error == methods == 0:
        return 1.0, 1.0
    value = (cases - error) / (cases + (k - 1) * error + k * (methods - error) / n)
    # degrees of freedom after multiplying McGraw and Wong's a and b by n (1 − value)
    a, b = k * value, n * (1 - value) + k * value * (n - 1)
    both = (a * methods) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    if not both > 0:
        return math.nan, math.nan
    v = (a * methods + b * error) ** 2 / both
    rest = k * methods + (k * n - k - n) * error
    tail = (1 + LEVEL) / 2
    upper, lower = f_distribution.ppf(tail, n - 1, v), f_distribution.ppf(tail, v, n - 1)
    low = n * (cases - upper * error) / (upper * rest + n * cases)
    high = n * (lower * cases - error) / (rest + n * lower * cases)
    return max(float(low), -1.0), min(float(high), 1.0)


def fisher_interval(r: float, n: int) -> Ends:
    """Interval of a correlation from `n` independent pairs; NaN for fewer than four.

    Source: Fisher 1921 (variance 1 / (n − 3) of atanh r).
    """
    if n < 4 or math.isnan(r):
        return math.nan, math.nan
    if abs(r) >= 1:
        return r, r
    half = float(norm.ppf((1 + LEVEL) / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def wilson_interval(share: float, people: int) -> Ends:
    """Interval of a share of `people` independent people, within [0, 1].

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    ends = proportion_confint(share * people, people, 1 - LEVEL, method="wilson")
    low, high = (min(max(round(float(end), 12), 0.0), 1.0) for end in ends)
    return low, high


def noncentrality(t: float, freedom: float, p: float) -> float:
    """Noncentrality at which a share `p` of the t distribution lies below `t`.

    The result turns a t statistic into one end of the interval of a standardised difference. From
    |t| = 100 an approximation by the error of the SD is used.
    """
    if abs(t) < LARGE_T:
        return float(nctdtrinc(freedom, p, t))
    # only the error of the SD matters here, and nctdtrinc would take too long
    quantile = chi2.isf(p, freedom) if t > 0 else chi2.ppf(p, freedom)
    return t * math.sqrt(float(quantile) / freedom)
