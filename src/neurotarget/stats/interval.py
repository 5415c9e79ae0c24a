"""Intervals about an estimate; the unit of resampling is the subject, never the case."""

import math
from typing import NamedTuple

from scipy.special import nctdtrinc
from scipy.stats import chi2, norm

from neurotarget.stats.resample import LEVEL

LARGE_T = 100.0  # beyond it the normal error of the shift, about 1, no longer counts
FEWEST = 3  # below three cases no spread is worth stating


class Estimate(NamedTuple):
    """A value with its interval, from `n` cases; NaN where undefined."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def undefined(cls, n: int) -> "Estimate":
        """No value: too few cases, or no spread among them."""
        return cls(math.nan, math.nan, math.nan, n)


def fisher_interval(
    r: float, n: int, *, level: float = LEVEL, ranks: bool = False
) -> tuple[float, float]:
    """Interval of a correlation from `n` independent pairs; with `ranks`, of Spearman's.

    Four pairs are the fewest that have one; else both ends are NaN.

    Source: Fisher 1921 (variance 1 / (n − 3) of atanh r); Bonett and Wright 2000,
    doi:10.1007/BF02294183 (variance (1 + r²/2) / (n − 3) for ranks).
    """
    if n < 4 or math.isnan(r):
        return math.nan, math.nan
    if abs(r) >= 1:
        return r, r
    variance = (1 + r * r / 2 if ranks else 1) / (n - 3)
    half = float(norm.ppf((1 + level) / 2)) * math.sqrt(variance)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def noncentrality(t: float, freedom: float, p: float) -> float:
    """Noncentrality at which a share `p` of the t distribution lies below `t`."""
    if abs(t) < LARGE_T:
        return float(nctdtrinc(freedom, p, t))
    # the error of the SD is all that is left, and nctdtrinc would take for ever
    quantile = chi2.isf(p, freedom) if t > 0 else chi2.ppf(p, freedom)
    return t * math.sqrt(float(quantile) / freedom)
