"""Sample sizes for finding an effect with perfect values and with a method's values."""

import math

import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.number_text import number
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import NotEstimableError, gather
from neurotarget.stats.effects.attenuation import share_of
from neurotarget.stats.effects.model import FEWEST, Fit, design, fit
from neurotarget.stats.effects.variants import DECLARED
from neurotarget.stats.effects.verdict import POWER, power_to_find

MOST = 10_000_000  # largest sample size that is reported
EXPECTED = "expected"  # the effect is published, or built into a generated cohort
SMALLEST = "smallest of interest"
COLUMNS = (
    *("hypothesis", "label", "method", "effect", "effect_is", "sd"),
    *("n_perfect", "n_method", "inflation", "unit", "reason"),
)


def power_table(measured: Measured, effects: pd.DataFrame) -> pd.DataFrame:
    """Return the number of subjects for 80 % power at two-sided 5 %, per effect and method.

    The planned effect is the expected one, else the smallest of interest (`matters`). The observed
    effect is not used: an effect selected for significance is overestimated (Gelman and Carlin
    2014, doi:10.1177/1745691614551642). `n_perfect` uses the residual SD of the reference's values
    about the declared model. `n_method` uses the residual SD of the method's values (`sd`, in the
    unit of the quantity), and multiplies the effect by the share that these values show (see
    `attenuation`), so that shrinking all values towards their mean gains nothing. Group ratio,
    covariate spread and correlations are those of the cohort. With noise independent of the values,
    `inflation` is 1 / ICC.
    """
    methods = [method for method in measured.methods if method != measured.reference]
    rows = [
        {"hypothesis": hypothesis.name, "method": method}
        | _row(measured, effects, hypothesis, method)
        for hypothesis in measured.target.hypotheses
        for method in methods or measured.methods
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def subjects_needed(size: float, *, terms: int = 2) -> float:
    """Return the fewest subjects for 80 % power at two-sided 5 %; NaN beyond 10 million.

    `size` is effect / (standard error · √n): for two groups, d · √(share of the first group × share
    of the second); for a slope, the slope times the SD of its covariate over the residual SD. The
    test has n − `terms` degrees of freedom, so `terms` counts all columns of the model. Power is
    computed from the noncentral t distribution.

    Source: Cohen 1988, doi:10.4324/9780203771587.
    """

    def is_enough(n: int) -> bool:
        return power_to_find(size, 1 / math.sqrt(n), n - terms) >= POWER

    few = terms + FEWEST
    if is_enough(few):
        return float(few)
    many = 2 * few
    while not is_enough(many):
        few, many = many, 2 * many
        if few > MOST:
            return math.nan
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if is_enough(middle) else (middle, many)
    return float(many)


def _row(measured: Measured, effects: pd.DataFrame, hypothesis: Hypothesis, method: str) -> dict:
    declared = effects[(effects["hypothesis"] == hypothesis.name) & (effects["model"] == DECLARED)]
    row = dict.fromkeys(("effect", "sd", "n_perfect", "n_method", "inflation"), math.nan)
    row |= {"label": "", "effect_is": "", "unit": "", "reason": ""}
    if len(declared):
        row |= {"label": declared["label"].iloc[0], "unit": declared["unit"].iloc[0]}
    try:
        row |= _effect(declared, hypothesis)
        return row | _needed(measured, hypothesis, row, method)
    except NotEstimableError as why:
        return row | {"reason": str(why)}


def _effect(rows: pd.DataFrame, hypothesis: Hypothesis) -> dict:
    """The effect to plan for, in the unit of the table of effects."""
    matters = rows["matters"].dropna()
    if hypothesis.expected is not None:
        effect, what = float(hypothesis.expected), EXPECTED
    elif len(matters):
        effect, what = (hypothesis.sign or 1) * float(matters.iloc[0]), SMALLEST
    else:
        raise NotEstimableError(
            "the hypothesis states no effect to plan for; add expected: or matters: to it"
        )
    if not effect:
        raise NotEstimableError("no number of subjects finds an effect of 0")
    return {"effect": effect, "effect_is": what}


def _needed(measured: Measured, hypothesis: Hypothesis, row: dict, method: str) -> dict:
    reference = measured.reference
    if reference is None:
        raise NotEstimableError("no method counts as the reference")
    values = measured.values_of(hypothesis)
    table = pd.DataFrame({name: values[name][row["label"]] for name in (reference, method)})
    cohort = gather(hypothesis, table, measured.covariates)
    columns = design(hypothesis, cohort.covariates)
    perfect, own = (
        fit(hypothesis, columns, cohort.values[name].to_numpy()) for name in (reference, method)
    )
    n_perfect = _subjects(row["effect"], perfect, len(cohort.values))
    cells = {"sd": own.spread, "n_perfect": n_perfect}
    if method == reference:
        return cells | {"reason": "there is no second method"}
    share = share_of(measured, hypothesis, method, row["label"])
    if share.why:
        return cells | {"reason": share.why}
    n_method = _subjects(share.value * row["effect"], own, len(cohort.values))
    is_beyond = math.isnan(n_perfect) or math.isnan(n_method)
    reason = f"more than {number(MOST, 0)} subjects" if is_beyond else ""
    return cells | {"n_method": n_method, "inflation": n_method / n_perfect, "reason": reason}


def _subjects(effect: float, fitted: Fit, n: int) -> float:
    size = effect / (fitted.spread * fitted.leverage * math.sqrt(n))
    return subjects_needed(size, terms=n - round(fitted.spread_freedom))
