"""Standardised effect sizes, comparable between targets and cohorts."""

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
    """Return Hedges' g: the difference of two groups over their pooled SD, for small samples.

    With covariates it is the adjusted difference over the unadjusted pooled SD. The residual SD
    shrinks with every covariate, so a g in its units would not be comparable with published values.
    The residual SD is used only where a model has no pooled SD (random sites). The interval inverts
    the noncentral t distribution of the pooled test and assumes equal SDs of the groups.

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
    """Return the partial correlation of value and covariate given the other terms, in [−1, 1].

    The interval is Fisher's, with one subject fewer for each other term.

    Source: Fisher 1924 (Metron 3:329), the distribution of the partial correlation coefficient.
    """
    t = fit.estimate / (fit.spread * fit.leverage)
    r = t / math.sqrt(t * t + fit.freedom)
    return Size(r, *fisher_interval(r, round(fit.freedom) + 2), PARTIAL)
