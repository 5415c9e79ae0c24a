"""Effects without a unit, so that targets and cohorts can be compared."""

import math
from typing import NamedTuple

from neurotarget.stats.interval import LEVEL, fisher_interval, noncentrality
from neurotarget.stats.model import Fit

HEDGES = "Hedges g"
PARTIAL = "partial r"


class Size(NamedTuple):
    """An effect size with its 95 % interval."""

    value: float
    low: float
    high: float
    kind: str


def hedges_g(fit: Fit) -> Size:
    """Difference of two groups in SDs, corrected for small samples.

    The SD is that about the model: without covariates the pooled SD within groups, with
    covariates the SD that is left at equal covariates (which is smaller, and g larger, where
    they explain the volumes). The interval inverts the noncentral t distribution of the pooled
    test; it holds for the difference in SDs and takes the groups' SDs as equal.

    Source: Hedges 1981, doi:10.3102/10769986006002107 (correction 1 − 3 / (4 df − 1)); Cumming and
    Finch 2001, doi:10.1177/0013164401614002 (interval).
    """
    t = fit.estimate / (fit.spread * fit.leverage)
    correction = 1 - 3 / (4 * fit.spread_freedom - 1)
    tail = (1 - LEVEL) / 2
    ends = (noncentrality(t, fit.spread_freedom, p) for p in (tail, 1 - tail))
    low, high = sorted(end * fit.leverage for end in ends)
    return Size(correction * t * fit.leverage, low, high, HEDGES)


def partial_r(fit: Fit) -> Size:
    """Correlation of volume and covariate at equal other terms, in [−1, 1].

    Its interval is Fisher's with one subject less for each other term.

    Source: Fisher 1924 (Metron 3:329), the distribution of the partial correlation coefficient.
    """
    t = fit.estimate / (fit.spread * fit.leverage)
    r = t / math.sqrt(t * t + fit.freedom)
    return Size(r, *fisher_interval(r, round(fit.freedom) + 2), PARTIAL)
