"""Residuals of the leading models, and the influence of each person on an effect."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.learning import without_failed
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import NotEstimableError, gather
from neurotarget.stats.effects.effects import label_of
from neurotarget.stats.effects.model import ROUNDING, design, with_leverage
from neurotarget.stats.effects.variants import SITE_RANDOM, Variant, adjusted_values, variants
from neurotarget.stats.effects.verdict import NO_CONCLUSION

COLUMNS = (
    *("hypothesis", "method", "model", "label", "subject_id", "fitted", "residual"),
    *("leverage", "dfbeta", "unit"),
)
MOST_PEOPLE = 5000  # most rows of one model; a plot cannot show more people


def residuals_table(measured: Measured, effects: pd.DataFrame) -> pd.DataFrame:
    """Return one row per person in the leading model of each hypothesis and method.

    `fitted` and `residual` are in the unit of the quantity, `leverage` in [0, 1], `dfbeta`
    the change of the effect without the person, in standard errors. Random sites are treated as
    fixed. Effects without an estimate have no rows.

    Source: Belsley et al. 1980, doi:10.1002/0471725153.
    """
    known, _ = without_failed(measured)
    hypotheses = {hypothesis.name: hypothesis for hypothesis in known.target.hypotheses}
    lead = effects[effects["leads"].astype(bool) & effects["estimate"].notna()]
    lead = lead[lead["verdict"] != NO_CONCLUSION]
    rows = [
        row
        for line in lead.itertuples()
        for row in _rows(known, hypotheses[line.hypothesis], line.method, line.model)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(measured: Measured, hypothesis: Hypothesis, method: str, name: str) -> Iterator[dict]:
    model = next(one for one in variants(hypothesis, measured.covariates) if one.name == name)
    if model.name == SITE_RANDOM:
        model = Variant(model.name, replace(model.hypothesis, adjust=model.needs.adjust))
    label = label_of(hypothesis, measured)
    table = measured.values_of(hypothesis)[method][label].to_frame(method)
    try:
        cohort = gather(model.needs, table, measured.covariates, numbers=model.numbers)
        columns = design(model.hypothesis, cohort.covariates)
        adjusted, _ = adjusted_values(model, cohort)
    except NotEstimableError:
        return
    values = adjusted[method].to_numpy()
    fit = OLS(values, columns.matrix).fit()
    is_exact = fit.ssr <= (ROUNDING * np.abs(values).max()) ** 2
    if len(values) > MOST_PEOPLE or fit.df_resid < 1 or is_exact:
        return
    inverse, leverage = with_leverage(fit.model.exog)
    free = np.where(1 - leverage < ROUNDING, math.nan, 1 - leverage)
    moved = inverse[0] * fit.resid / free / float(fit.bse[0])
    names = {"hypothesis": hypothesis.name, "method": method, "model": name, "label": label}
    names |= {"unit": measured.unit_of(hypothesis)}
    for subject, *numbers in zip(
        cohort.values.index, fit.fittedvalues, fit.resid, leverage, moved, strict=True
    ):
        keys = ("fitted", "residual", "leverage", "dfbeta")
        yield names | {"subject_id": subject} | dict(zip(keys, map(float, numbers), strict=True))
