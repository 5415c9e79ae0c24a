"""What a study asks of its volumes: group differences, slopes and interactions, with a verdict.

One person counts once: several scans of a subject are averaged first. Cases that lack a volume
or a covariate of the model are left out and counted. What cannot be estimated says why. A
hypothesis on the mean of a contrast is put to these means as others are to volumes, in their unit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.stats import t

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort import (
    CATEGORIES,
    Cohort,
    NotEstimableError,
    gather,
    is_category,
    quantities,
)
from neurotarget.stats.interval import LEVEL
from neurotarget.stats.measured import Measured
from neurotarget.stats.model import Design, Fit, design, fit, weighted_effects
from neurotarget.stats.resample import ends, replicates
from neurotarget.stats.size import Size, hedges_g, partial_r
from neurotarget.stats.variants import (
    DECLARED,
    RESIDUAL,
    Variant,
    adjusted_volumes,
    controls,
    variants,
)
from neurotarget.stats.verdict import (
    NO_CONCLUSION,
    NOT_ENOUGH,
    NOT_REPLICATED,
    REPLICATED,
    detectable,
    judge,
    power_to_find,
)

__all__ = [
    "NOT_ENOUGH",
    "NOT_REPLICATED",
    "NO_CONCLUSION",
    "REPLICATED",
    "Effect",
    "claim",
    "effect_differences_table",
    "effects_table",
    "estimate_effect",
]

Refused = Mapping[tuple[str, str], str]  # method and label → why its masks cannot answer
NONE_REFUSED: Refused = MappingProxyType({})

COLUMNS = (
    *("hypothesis", "claim", "label", "method", "model", "estimate", "low", "high", "p", "unit"),
    *("size", "size_low", "size_high", "size_kind", "expected", "power", "detectable"),
    *("n", "n_dropped", "verdict", "reason"),
)
DIFFERENCE_COLUMNS = (
    *("hypothesis", "label", "model", "first", "second", "difference", "low", "high", "unit"),
    *("n", "reason"),
)


@dataclass(frozen=True, slots=True)
class Effect:
    """One hypothesis put to one set of volumes; NaN where it could not be estimated.

    `n` subjects were used and `n_dropped` cases lacked a value. `detectable` is the smallest
    effect that this precision would find with 80 % power, `power` the chance that it would find
    the published effect `expected` (both NaN where none is published). `size` is Hedges' g of a
    group difference and partial r of everything else. `reason` says why nothing could be
    estimated, what the verdict rests on, and what the model had to leave out.
    """

    name: str
    estimate: float
    low: float
    high: float
    p: float
    n: int
    n_dropped: int
    unit: str
    verdict: str
    detectable: float = math.nan
    reason: str = ""
    expected: float = math.nan
    power: float = math.nan
    size: float = math.nan
    size_low: float = math.nan
    size_high: float = math.nan
    size_kind: str = ""


def estimate_effect(
    hypothesis: Hypothesis, volumes: pd.Series, covariates: pd.DataFrame, *, unit: str = "mm3"
) -> Effect:
    """Estimate an effect on volumes with its 95 % interval and say whether it is replicated.

    Both tables are indexed by case; `covariates` may have a column `subject_id`. A group
    difference without other terms is Welch's, everything else ordinary least squares (see
    `model.design`). `unit` is that of the volumes. The rule of the verdict is in `verdict`.

    Raises:
        ValueError: a case comes twice in one of the tables.
    """
    return _estimate(Variant(DECLARED, hypothesis), volumes, covariates, unit)


def effects_table(measured: Measured, *, refused: Refused = NONE_REFUSED) -> pd.DataFrame:
    """Each hypothesis on the volumes of each method, as declared and at equal head size.

    Every model is held against the published effect, which was mostly found without TIV. Methods
    and labels that are `refused` have no conclusion, for the reason given.
    """
    rows = []
    for hypothesis in measured.target.hypotheses:
        label = _label(hypothesis, measured)
        unit = measured.unit_of(hypothesis)
        for method, volumes in measured.asked(hypothesis).items():
            for model in variants(hypothesis, measured.covariates):
                effect = _estimate(model, volumes[label], measured.covariates, unit)
                if why := refused.get((method, label)):
                    effect = _refused(effect, why)
                found = {column: getattr(effect, column, "") for column in COLUMNS}
                found |= {"hypothesis": hypothesis.name, "claim": claim(hypothesis)}
                rows.append(found | {"label": label, "method": method, "model": model.name})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def effect_differences_table(
    measured: Measured, *, seed: int = 0, refused: Refused = NONE_REFUSED
) -> pd.DataFrame:
    """Effect on the second method's volumes minus that on the first's, on the same subjects.

    The interval is a BCa bootstrap over subjects, who keep both their volumes; the TIV slope of
    the residual method is estimated anew in each draw. Draws that hold no one of a group are left
    out, and half of them or more leave no interval. There is no difference to what is `refused`.
    """
    rows = [
        {"hypothesis": hypothesis.name, "label": label, "model": model.name}
        | {"first": first, "second": second}
        | _difference(model, measured, label, (first, second), seed)
        | _no_difference(refused.get((first, label)) or refused.get((second, label)))
        for hypothesis in measured.target.hypotheses
        for label in (_label(hypothesis, measured),)
        for first, second in measured.pairs
        for model in variants(hypothesis, measured.covariates)
    ]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def claim(hypothesis: Hypothesis) -> str:
    """What a hypothesis expects, in a few words: `F > M`, `age: negative`."""
    if hypothesis.groups:
        first, second = hypothesis.groups
        return f"{first} {('<', '!=', '>')[hypothesis.sign + 1]} {second}"
    either = "any interaction" if "*" in hypothesis.covariate else "any slope"
    return f"{hypothesis.covariate}: {('negative', either, 'positive')[hypothesis.sign + 1]}"


def _estimate(model: Variant, volumes: pd.Series, covariates: pd.DataFrame, unit: str) -> Effect:
    hypothesis = model.hypothesis
    expected = math.nan if hypothesis.expected is None else hypothesis.expected
    cohort = Cohort(pd.DataFrame(), pd.DataFrame(), len(volumes))
    try:
        cohort = gather(hypothesis, volumes.to_frame("volume"), covariates, numbers=model.numbers)
        columns = design(hypothesis, cohort.covariates)
        adjusted, note = adjusted_volumes(model, cohort)
        welch = hypothesis.groups is not None and not hypothesis.adjust
        what = quantities(hypothesis)
        found = fit(columns, adjusted["volume"].to_numpy(), welch=welch, what=what)
    except NotEstimableError as why:
        return Effect(
            hypothesis.name,
            *(math.nan,) * 4,
            len(cohort.volumes),
            cohort.n_dropped,
            _unit(hypothesis, unit, cohort.covariates),
            NOT_ENOUGH,
            reason="; ".join(part for part in (str(why), cohort.note) if part),
            expected=expected,
        )
    notes = (*columns.notes, note, cohort.note)
    return _told(hypothesis, found, cohort, unit=unit, expected=expected, notes=notes)


def _refused(effect: Effect, why: str) -> Effect:
    """The same people and unit without any number that could be taken for a finding."""
    nothing = dict.fromkeys(
        ("estimate", "low", "high", "p", "detectable", "power", "size", "size_low", "size_high"),
        math.nan,
    )
    return replace(effect, **nothing, verdict=NO_CONCLUSION, reason=why)


def _no_difference(why: str | None) -> dict:
    nothing = dict.fromkeys(("difference", "low", "high"), math.nan)
    return nothing | {"reason": why} if why else {}


def _told(
    hypothesis: Hypothesis,
    found: Fit,
    cohort: Cohort,
    *,
    unit: str,
    expected: float,
    notes: tuple[str, ...],
) -> Effect:
    unit = _unit(hypothesis, unit, cohort.covariates)
    half = float(t.ppf((1 + LEVEL) / 2, found.freedom)) * found.error
    low, high = found.estimate - half, found.estimate + half
    power = power_to_find(expected, found.error, found.freedom)
    least = detectable(found.error, found.freedom)
    judged = judge(
        low, high, sign=hypothesis.sign, expected=expected, power=power, least=least, unit=unit
    )
    size: Size = hedges_g(found) if hypothesis.groups else partial_r(found)
    return Effect(
        hypothesis.name,
        found.estimate,
        low,
        high,
        found.p,
        len(cohort.volumes),
        cohort.n_dropped,
        unit,
        judged.word,
        detectable=least,
        reason="; ".join(part for part in (judged.reason, *notes) if part),
        expected=expected,
        power=power,
        size=size.value,
        size_low=size.low,
        size_high=size.high,
        size_kind=size.kind,
    )


def _label(hypothesis: Hypothesis, measured: Measured) -> str:
    """Column of volumes: that of the hypothesis, the sum of all labels, or the only label."""
    labels = measured.labels
    return hypothesis.label or ("total" if "total" in labels else labels[0])


def _difference(
    model: Variant, measured: Measured, label: str, pair: tuple[str, str], seed: int
) -> dict:
    hypothesis = model.hypothesis
    asked = measured.asked(hypothesis)
    volumes = pd.DataFrame({method: asked[method][label] for method in pair})
    cohort = Cohort(pd.DataFrame(), pd.DataFrame(), len(volumes))
    nothing = {"difference": math.nan, "low": math.nan, "high": math.nan}
    try:
        cohort = gather(hypothesis, volumes, measured.covariates, numbers=model.numbers)
        columns = design(hypothesis, cohort.covariates)
        adjusted, note = adjusted_volumes(model, cohort)
        _refuse_constant(adjusted, quantities(hypothesis))
    except NotEstimableError as why:
        found, notes = nothing, (str(why), cohort.note)
    else:
        found, why = _bootstrapped(model, cohort, columns, adjusted, seed)
        notes = (why, *columns.notes, note, cohort.note)
    reason = "; ".join(part for part in notes if part)
    unit = _unit(hypothesis, measured.unit_of(hypothesis), cohort.covariates)
    return found | {"unit": unit, "n": len(cohort.volumes), "reason": reason}


def _bootstrapped(
    model: Variant, cohort: Cohort, columns: Design, adjusted: pd.DataFrame, seed: int
) -> tuple[dict, str]:
    """Difference of two effects, which is the effect on the difference: both are linear."""
    weights = replicates(len(adjusted), seed)
    if model.name == RESIDUAL:  # before it is adjusted, as each draw has a slope of its own
        apart = cohort.volumes.diff(axis=1).iloc[:, 1].to_numpy()
        tiv = cohort.covariates[model.tiv].to_numpy()
        both = weighted_effects(columns, np.column_stack([apart, tiv]), weights)
        heads = Design(tiv, np.ones((len(tiv), 1)))
        among = weights * controls(model, cohort.covariates)
        slope = weighted_effects(heads, apart[:, None], among)[:, 0]
        found = both[:, 0] - np.nan_to_num(slope) * both[:, 1]
    else:
        apart = adjusted.diff(axis=1).iloc[:, 1].to_numpy()
        found = weighted_effects(columns, apart[:, None], weights)[:, 0]
    low, high = ends(found)
    why = "most draws hold too few subjects of a group" if math.isnan(low) else ""
    return {"difference": float(found[0]), "low": low, "high": high}, why


def _refuse_constant(volumes: pd.DataFrame, what: str) -> None:
    for method in volumes:
        if volumes[method].nunique() < 2:
            raise NotEstimableError(f"the {what} of {method} do not vary")


def _unit(hypothesis: Hypothesis, unit: str, terms: pd.DataFrame) -> str:
    """Unit of the effect: of volume, per unit of each number that the tested term holds."""
    if hypothesis.groups:
        return unit
    for name in hypothesis.covariate.split("*"):
        named = is_category(terms[name]) if name in terms else name.casefold() in CATEGORIES
        if not named:
            year = name.casefold() in ("age", "age_years")
            unit += f"/{'year' if year else name}"
    return unit
