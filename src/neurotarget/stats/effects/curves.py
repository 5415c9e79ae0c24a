"""Dependence of a quantity on age: slope, tests of curvature and sex difference, and curves."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from statsmodels.regression.linear_model import OLS

from neurotarget.data.tables.table_ids import find_column
from neurotarget.hypothesis import Hypothesis
from neurotarget.problems import join_reasons
from neurotarget.stats.cohort.measured import Measured, Quantity
from neurotarget.stats.cohort.subjects import AGE, SEX, Cohort, NotEstimableError, gather, levels
from neurotarget.stats.core.interval import LEVEL
from neurotarget.stats.core.spline import knots, natural_spline
from neurotarget.stats.effects.effects import estimate_effect
from neurotarget.stats.effects.model import FEWEST, design, independent, standard

FEWEST_CURVE, FEWEST_LINE = 12, 4  # fewest subjects of a sex for a curve, and for a line
GRID = 40  # number of ages in a curve
ENDS = (0.02, 0.98)  # quantiles of age at which a curve starts and ends
AGE_COLUMNS = (
    *("label", "method", "slope", "low", "high", "unit", "r", "r_low", "r_high"),
    *("p_slope", "p_curve", "p_interaction", "n", "n_dropped", "reason"),
)

Ages = Float[ndarray, " N"]
Names = tuple[str, str | None]  # columns of age and of sex


def age_table(measured: Measured) -> pd.DataFrame:
    """Return the slope over age at equal sex, its partial r, and tests of curvature and sex × age.

    `p_curve` is from Wald's F test of a natural cubic spline against the line (HC3),
    `p_interaction` from a test of different slopes in the sexes. `reason` explains NaN.
    """
    names = _names(measured.covariates)
    rows = [
        {"label": label, "method": method}
        | _slope(measured.main, values[label], measured.covariates, names)
        for label in measured.labels
        for method, values in measured.values.items()
    ]
    return pd.DataFrame(rows, columns=list(AGE_COLUMNS))


def curves_table(measured: Measured) -> pd.DataFrame:
    """Return the mean over age within each sex with its 95 % band, or of `all` if sex is unknown.

    The column of means is named after the quantity, such as `volume`.

    The curve is a natural cubic spline, or a straight line for fewer than twelve subjects. Fewer
    than four subjects, or a single age, have no curve. It spans the 2nd to 98th percentile of age.
    """
    names = _names(measured.covariates)
    parts = [
        curve.assign(label=label, method=method)
        for label in measured.labels
        for method, values in measured.values.items()
        for curve in _curves(measured.main, values[label], measured.covariates, names)
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return table.reindex(columns=curve_columns(measured.main))


def _names(covariates: pd.DataFrame) -> Names:
    """Columns of age and of sex; sex is None where no case has one."""
    age, sex = find_column(covariates.columns, AGE), find_column(covariates.columns, SEX)
    return age or AGE[0], sex if sex is not None and covariates[sex].notna().any() else None


def curve_columns(quantity: Quantity) -> list[str]:
    """Return the columns of the table of curves; the quantity's name is the column of means."""
    return ["label", "method", "sex", "age", quantity.name, "low", "high"]


def _hypothesis(quantity: Quantity, age: str, *adjust: str) -> Hypothesis:
    return Hypothesis("age", "", age, None, 0, adjust, measure=quantity.name)


def _slope(quantity: Quantity, values: pd.Series, covariates: pd.DataFrame, names: Names) -> dict:
    slope = _hypothesis(quantity, *filter(None, names))
    effect = estimate_effect(slope, values, covariates, unit=quantity.unit)
    row = {"slope": effect.estimate, "low": effect.low, "high": effect.high, "unit": effect.unit}
    row |= {"r": effect.size, "r_low": effect.size_low, "r_high": effect.size_high}
    row |= {"p_slope": effect.p, "n": effect.n, "n_dropped": effect.n_dropped}
    if math.isnan(effect.estimate):
        return row | {"p_curve": math.nan, "p_interaction": math.nan, "reason": effect.reason}
    row["p_curve"], bend = _p_curve(gather(slope, values.to_frame(), covariates), slope)
    row["p_interaction"], differs = _p_interaction(quantity, values, covariates, names)
    return row | {"reason": join_reasons(bend, differs)}


def _p_curve(cohort: Cohort, slope: Hypothesis) -> tuple[float, str]:
    """P of Wald's F test of a spline against a line (HC3), or NaN and the reason."""
    ages = cohort.covariates[slope.covariate].to_numpy()
    columns = design(slope, cohort.covariates)
    scale = (ages - ages.mean()) / ages.std()
    bends = standard(natural_spline(scale, knots(scale))[:, 1:])
    values = cohort.values.iloc[:, 0].to_numpy()
    line = np.column_stack([columns.others, scale])
    both = np.column_stack([line, bends])
    kept = independent(both)
    curve = OLS(values, both[:, kept])
    is_bend = np.asarray(kept) >= line.shape[1]
    if not is_bend.any() or curve.df_resid < FEWEST:
        return math.nan, "no curve: too few subjects or ages"
    fit = curve.fit(cov_type="HC3", use_t=True)
    straight = np.eye(len(kept))[is_bend]
    return float(fit.wald_test(straight, use_f=True, scalar=True).pvalue), ""


def _p_interaction(
    quantity: Quantity, values: pd.Series, covariates: pd.DataFrame, names: Names
) -> tuple[float, str]:
    if names[1] is None:
        return math.nan, "no sex × age: no case has a sex"
    interaction = _hypothesis(quantity, "*".join(names))
    effect = estimate_effect(interaction, values, covariates, unit=quantity.unit)
    missing = math.isnan(effect.estimate)
    return effect.p, f"no sex × age: {effect.reason}" if missing else ""


def _curves(
    quantity: Quantity, column: pd.Series, covariates: pd.DataFrame, names: Names
) -> Iterator[pd.DataFrame]:
    (age, sex), slope = names, _hypothesis(quantity, *filter(None, names))
    try:
        cohort = gather(slope, column.to_frame(), covariates)
    except NotEstimableError:
        return
    ages, values = cohort.covariates[age].to_numpy(), cohort.values.iloc[:, 0].to_numpy()
    sexes = cohort.covariates[sex] if sex else pd.Series("all", index=cohort.values.index)
    for name in levels(sexes):
        members = (sexes == name).to_numpy()
        if members.sum() >= FEWEST_LINE and np.ptp(ages[members]) > 0:
            yield _curve(quantity.name, ages[members], values[members]).assign(sex=name)


def _curve(name: str, ages: Ages, values: Ages) -> pd.DataFrame:
    """Mean of a quantity and its band on a grid of ages."""
    middle, scale = ages.mean(), ages.std()
    at = knots((ages - middle) / scale) if len(ages) >= FEWEST_CURVE else np.empty(0)

    def columns(years: Ages) -> Float[ndarray, "N P"]:
        basis = natural_spline((years - middle) / scale, at)
        return np.column_stack([np.ones(len(years)), basis])

    kept = independent(columns(ages))
    grid = np.linspace(*np.quantile(ages, ENDS), GRID)
    fitted = OLS(values, columns(ages)[:, kept]).fit(cov_type="HC3", use_t=True)
    band = fitted.get_prediction(columns(grid)[:, kept])
    low, high = band.conf_int(alpha=1 - LEVEL).T
    return pd.DataFrame({"age": grid, name: band.predicted_mean, "low": low, "high": high})
