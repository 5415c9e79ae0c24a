"""Effects without a unit, so that targets and cohorts can be compared."""

import math
from typing import NamedTuple

from neurotarget.stats.core.interval import LEVEL, fisher_interval, noncentrality
from neurotarget.stats.effects.model import Fit

HEDGES = "Hedges g"
PARTIAL = "partial r"


class Size(NamedTuple):
    """An effect size with its 95 % interval."""

    value: float
    low: float
    high: float
    kind: str


def hedges_g(fit: Fit) -> Size:
    """Difference of two groups in SDs within the groups, corrected for small samples.

    With covariates it is the difference at equal covariates, still in the pooled SD of the groups
    as they were measured: about the model the SD is smaller, and g would grow with every covariate
    and could not be held against published ones. Only where a model has no such SD (volumes of a
    random site) is it that about the model. The interval inverts the noncentral t distribution of
    the pooled test; it holds for the difference in SDs and takes the groups' SDs as equal.

    Source: Hedges 1981, doi:10.3102/10769986006002107 (correction 1 − 3 / (4 df − 1)); Cumming and
    Finch 2001, doi:10.1177/0013164401614002 (interval). The SD is that of effectsize::hedges_g
    (`pooled_sd`, of the groups), as Borenstein 2009 (in Cooper, Handbook of Research Synthesis,
    table 12.3) takes it for adjusted means.
    """
    has_groups = math.isfinite(fit.group_spread)
    spread, freedom = (
        (fit.group_spread, fit.group_freedom) if has_groups else (fit.spread, fit.spread_freedom)
    )
    t = fit.estimate / (fit.spread * fit.leverage)
    correction = 1 - 3 / (4 * freedom - 1)
    tail, unit = (1 - LEVEL) / 2, fit.leverage * fit.spread / spread
    ends = (noncentrality(t, fit.spread_freedom, p) for p in (tail, 1 - tail))
    low, high = sorted(end * unit for end in ends)
    return Size(correction * fit.estimate / spread, low, high, HEDGES)


def partial_r(fit: Fit) -> Size:
    """Correlation of volume and covariate at equal other terms, in [−1, 1].

    Its interval is Fisher's with one subject less for each other term.

    Source: Fisher 1924 (Metron 3:329), the distribution of the partial correlation coefficient.
    """
    t = fit.estimate / (fit.spread * fit.leverage)
    r = t / math.sqrt(t * t + fit.freedom)
    return Size(r, *fisher_interval(r, round(fit.freedom) + 2), PARTIAL)
