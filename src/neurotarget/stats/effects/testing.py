"""P values corrected for the number of hypotheses, and variance inflation of the tested terms.

Holm's correction bounds the chance of any false finding among the hypotheses of a study that are
tested on one method's values by the leading model; further models of a hypothesis check its
robustness and are not counted as tests. The variance inflation of the tested term is the factor by
which adjustment for the other terms raises the variance of its estimate.

Sources: Holm 1979, Scandinavian Journal of Statistics 6:65; O'Brien 2007,
doi:10.1007/s11135-006-9018-6 (variance inflation).
"""

import math

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import NotEstimableError, gather
from neurotarget.stats.core.multiple_tests import corrected
from neurotarget.stats.effects.model import design
from neurotarget.stats.effects.variants import DECLARED, variants

COLUMNS = ["hypothesis", "method", "label", "p", "p_holm", "n_tests", "vif", "n", "reason"]
MUCH = 5.0  # a variance inflation from here on is reported as collinearity


def tests_table(measured: Measured, effects: pd.DataFrame) -> pd.DataFrame:
    """Return p, Holm's p and the variance inflation, one row per hypothesis and method.

    They are those of the leading model (`leads`). Effects without an estimate are not counted as
    tests.
    """
    kept = ["hypothesis", "method", "label", "model", "p", "n"]
    table = effects.loc[effects["leads"].astype(bool), kept].copy()
    for method in table["method"].unique():
        own = (table["method"] == method) & table["p"].notna()
        table.loc[own, "n_tests"] = int(own.sum())
        table.loc[own, "p_holm"] = corrected(table.loc[own, "p"].to_numpy(float))
    named = {item.name: item for item in measured.target.hypotheses}
    inflation = [
        variance_inflation(named[row.hypothesis], measured.covariates, row.model)
        if row.hypothesis in named
        else math.nan
        for row in table.itertuples()
    ]
    reasons = [
        f"the other terms largely explain the tested term: its error is {math.sqrt(value):.1f} "
        "times as large as without them"
        if value >= MUCH
        else ""
        for value in inflation
    ]
    return table.assign(vif=inflation, reason=reasons).reindex(columns=COLUMNS)


def variance_inflation(
    hypothesis: Hypothesis, covariates: pd.DataFrame, model: str = DECLARED
) -> float:
    """Return 1 / (1 − R²) of the tested term on all others of a model; NaN where there is none.

    Random sites are treated as fixed sites, so their inflation is an upper bound.
    """
    ones = pd.DataFrame({"value": np.ones(len(covariates))}, index=covariates.index)
    needs = {one.name: one.needs for one in variants(hypothesis, covariates)}.get(model, hypothesis)
    try:
        columns = design(needs, gather(needs, ones, covariates).covariates)
    except NotEstimableError:
        return math.nan
    fit = OLS(columns.tested, columns.others).fit()
    centred = float(np.square(columns.tested - columns.tested.mean()).sum())
    return centred / fit.ssr if fit.ssr > 0 else math.inf
