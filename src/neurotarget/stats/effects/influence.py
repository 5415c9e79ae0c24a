"""Influence of single people on an effect: leave-one-out estimates and a robust estimate.

Each hypothesis, as declared and in its leading model, is estimated again without each of the most
influential people, by least squares in closed form. The table names the person whose absence
changes the verdict or the sign, else the person who moves the estimate most. It also has a robust
estimate, and the outliers by median and MAD, which outliers hardly change, unlike mean and SD.

Source: Belsley et al. 1980, doi:10.1002/0471725153 (deletion); Leys et al. 2013,
doi:10.1016/j.jesp.2013.03.013 (median ± 3 MAD); Huber 1964, doi:10.1214/aoms/1177703732; Sen 1968,
doi:10.1080/01621459.1968.10480934 (slopes).
"""

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import norm, theilslopes
from statsmodels.robust.norms import HuberT
from statsmodels.robust.robust_linear_model import RLM

from neurotarget.hypothesis import Hypothesis
from neurotarget.number_text import number, unit_text
from neurotarget.quantity import SIZES
from neurotarget.stats.cohort.measured import Measured, Quantity
from neurotarget.stats.cohort.subjects import NotEstimableError, gather
from neurotarget.stats.core.interval import LEVEL
from neurotarget.stats.effects.effects import Effect, estimate_effect, label_of
from neurotarget.stats.effects.model import Design, design, with_leverage
from neurotarget.stats.effects.variants import DECLARED, SITE_RANDOM, Variant, variants

FAR = 3.0  # scaled MADs from the median
NORMAL = 1.4826  # SD of a normal distribution over its MAD
FEWEST = 5  # fewest values for a median and a MAD
TRIED = 5  # influential people, and as many outliers, that are left out in turn
NAMED = 6  # most outliers listed in a cell
HUBER, THEIL_SEN = "Huber", "Theil–Sen"
COLUMNS = (
    *("hypothesis", "label", "method", "model", "unit", "estimate", "low", "high", "verdict"),
    *("case_id", "estimate_without", "without_low", "without_high", "verdict_without", "changes"),
    *("robust", "robust_low", "robust_high", "robust_kind"),
    *("n", "n_outliers", "outliers", "reason"),
)
TEXTS = ("unit", "verdict", "case_id", "verdict_without", "changes", "robust_kind", "outliers")
NOTHING = dict.fromkeys(COLUMNS, math.nan) | dict.fromkeys((*TEXTS, "reason"), "")
SIGN, VERDICT = "sign", "verdict"

Estimator = Callable[[pd.Series, pd.DataFrame], Effect]  # of values and covariates


class _Robust(NamedTuple):
    """A robust estimate, and the residuals of the people."""

    value: float
    low: float
    high: float
    kind: str
    residuals: Float[ndarray, " N"]


def is_outlier(values: Float[ndarray, " N"]) -> Bool[ndarray, " N"]:
    """Return which values lie more than three scaled MADs from the median.

    NaN is never an outlier. No value is one if fewer than five are known, or if more than half are
    equal.

    Source: Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013.
    """
    known = values[np.isfinite(values)]
    if len(known) < FEWEST:
        return np.zeros(len(values), dtype=bool)
    middle = float(np.median(known))
    spread = NORMAL * float(np.median(np.abs(known - middle)))
    if spread == 0:
        return np.zeros(len(values), dtype=bool)
    return np.nan_to_num(np.abs(values - middle), nan=0.0) > FAR * spread


def outlier_notes(measured: Measured) -> list[str]:
    """Return sentences on outlying values of the main quantity, by method and label.

    Each sentence names up to six cases, whose masks should be looked at; no case is left out.
    """
    notes, main = [], measured.main
    unit, masks = unit_text(main.unit), "mask" if main.is_of_masks else "case"
    for method, table in measured.values.items():
        for label in measured.measure.labels:
            values = table[label]
            cases = values.index[is_outlier(values.to_numpy(dtype=float))]
            if len(cases):
                far = [f"{case} ({_amount(values[case], main, unit)})" for case in cases[:NAMED]]
                rest = f" and {len(cases) - NAMED} more" if len(cases) > NAMED else ""
                lie, which = (
                    ("lies", f"this {masks}") if len(cases) == 1 else ("lie", f"these {masks}s")
                )
                notes.append(
                    f"{len(cases)} of {int(values.notna().sum())} {method} {main.plural} of "
                    f"{label} {lie} more than {FAR:g} MAD from the median: {', '.join(far)}{rest}; "
                    f"look at {which}."
                )
    return notes


def influence_table(
    measured: Measured,
    effects: pd.DataFrame | None = None,
    *,
    refused: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return effects of all people, without the most influential person, and by a robust method.

    One row per hypothesis and method for the declared model, and one for the leading model of
    `effects`, the study's table, where it is another one.

    `changes` is what changes without that person: "sign", "verdict", "sign and verdict" or "".
    `outliers` are people far from the robust model. Methods and labels that are `refused` have no
    numbers and a reason.
    """
    rows = []
    for hypothesis in measured.target.hypotheses:
        label = label_of(hypothesis, measured)
        for method, values in measured.values_of(hypothesis).items():
            for model in _models(hypothesis, measured.covariates, effects):
                row = NOTHING | {"hypothesis": hypothesis.name, "label": label, "method": method}
                row |= {"model": model.name}
                if why := refused.get((method, label)):
                    rows.append(row | {"reason": why})
                    continue
                unit = measured.unit_of(hypothesis)
                estimate = partial(estimate_effect, hypothesis, unit=unit, model=model)
                rows.append(row | _row(model, estimate, values[label], measured.covariates))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def influence_note(row: Mapping) -> str:
    """Return a warning where an effect depends on one person; else "".

    `row` is one of `influence_table`. The note ends with a robust estimate for comparison.
    """
    if not row.get("changes"):
        return ""
    without = _effect_text(row["estimate_without"], row["without_low"], row["without_high"])
    note = f"without case {row['case_id']} it is {without}"
    if VERDICT in row["changes"]:
        note += f", {row['verdict_without']} instead of {row['verdict']}"
    elif SIGN in row["changes"]:
        note += ", of the other sign"
    robust = _effect_text(row["robust"], row["robust_low"], row["robust_high"])
    kind = row["robust_kind"]
    if row.get("model") == SITE_RANDOM:  # `_row` fits it with fixed sites
        kind += ", with site as a fixed effect"
    return f"{note}; a robust estimate ({kind}) is {robust}"


def _amount(value: float, quantity: Quantity, unit: str) -> str:
    digits = 0 if quantity.name in SIZES else None
    return f"{number(value, digits)} {unit}".rstrip()


def _effect_text(value: float, low: float, high: float) -> str:
    digits = max(0, 1 - math.floor(math.log10(abs(value) or 1.0)))
    texts = (f"{round(number, digits) + 0.0:.{digits}f}" for number in (value, low, high))
    return "{} [{}, {}]".format(*(text.replace("-", "−") for text in texts))


def _models(
    hypothesis: Hypothesis, covariates: pd.DataFrame, effects: pd.DataFrame | None
) -> list[Variant]:
    """The declared model, and the leading one where they differ."""
    if effects is None:
        return [Variant(DECLARED, hypothesis)]
    own = effects[(effects["hypothesis"] == hypothesis.name) & effects["leads"].astype(bool)]
    names = {DECLARED, *own["model"]}
    return [model for model in variants(hypothesis, covariates) if model.name in names]


def _row(model: Variant, estimate: Estimator, column: pd.Series, covariates: pd.DataFrame) -> dict:
    """Columns for one model; random sites are treated as fixed to find influential people."""
    needs = model.needs
    try:
        cohort = gather(needs, column.to_frame("value"), covariates)
        columns = design(needs, cohort.covariates)
    except NotEstimableError as why:
        return {"reason": str(why)}
    values, terms = cohort.values["value"], cohort.covariates
    whole = estimate(values, terms)
    row = {"unit": whole.unit, "n": whole.n}
    if math.isnan(whole.estimate):
        return row | {"reason": whole.reason}
    robust = _robust(model.hypothesis, columns, values.to_numpy())
    far = values.index[is_outlier(robust.residuals)]
    named = ", ".join(map(str, far[:NAMED])) + (" …" if len(far) > NAMED else "")
    return row | {
        **{"estimate": whole.estimate, "low": whole.low, "high": whole.high},
        "verdict": whole.verdict,
        **_without(estimate, values, terms, columns, whole),
        **{"robust": robust.value, "robust_low": robust.low, "robust_high": robust.high},
        "robust_kind": robust.kind,
        **{"n_outliers": len(far), "outliers": named},
    }


def _without(
    estimate: Estimator, values: pd.Series, terms: pd.DataFrame, columns: Design, whole: Effect
) -> dict:
    """The most influential person and the effect without them.

    A change of sign counts only where the estimate moves by more than its standard error, as an
    estimate near 0 changes sign by chance (Belsley's DFBETAS above 1).
    """
    candidates = []
    for case in values.index[_candidates(columns, values.to_numpy())]:
        effect = estimate(values.drop(case), terms.drop(case))
        if math.isnan(effect.estimate):
            continue
        moved = abs(effect.estimate - whole.estimate)
        error = (effect.high - effect.low) / (2 * float(norm.ppf((1 + LEVEL) / 2)))
        is_turned = effect.estimate * whole.estimate < 0 and moved > error
        changed = [SIGN] if is_turned else []
        changed += [VERDICT] if effect.verdict != whole.verdict else []
        candidates.append((bool(changed), moved, case, effect, changed))
    if not candidates:
        return {}
    _, _, case, effect, changed = max(candidates, key=lambda one: one[:2])
    return {
        "case_id": str(case),
        **{"estimate_without": effect.estimate, "without_low": effect.low},
        **{"without_high": effect.high, "verdict_without": effect.verdict},
        "changes": " and ".join(changed),
    }


def _candidates(columns: Design, values: Float[ndarray, " N"]) -> list[int]:
    """Positions of those who move the estimate most, and of those furthest from the model."""
    inverse, leverage = with_leverage(columns.matrix)
    residuals = values - columns.matrix @ (inverse @ values)
    free = 1 - leverage
    free = np.where(free > np.sqrt(np.finfo(float).eps), free, np.nan)  # NaN: alone in a term
    moved, studentised = np.abs(inverse[0] * residuals / free), np.abs(residuals) / np.sqrt(free)
    orders = (np.argsort(-np.nan_to_num(one))[:TRIED].tolist() for one in (moved, studentised))
    return list(dict.fromkeys(place for order in orders for place in order))


def _robust(hypothesis: Hypothesis, columns: Design, values: Float[ndarray, " N"]) -> _Robust:
    """Theil-Sen slope for a single covariate, else Huber's M-estimate."""
    if hypothesis.groups is None and columns.others.shape[1] == 1:
        slope, intercept, low, high = theilslopes(values, columns.tested, alpha=LEVEL)
        residuals = values - intercept - slope * columns.tested
        return _Robust(float(slope), float(low), float(high), THEIL_SEN, residuals)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence warnings of iterations without further change
        fit = RLM(values, columns.matrix, M=HuberT()).fit()
    value, error = float(fit.params[0]) / columns.scale, float(fit.bse[0]) / columns.scale
    half = float(norm.ppf((1 + LEVEL) / 2)) * error
    return _Robust(value, value - half, value + half, HUBER, np.asarray(fit.resid))
