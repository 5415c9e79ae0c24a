"""Effects on quantities: group differences, slopes and interactions, each with a verdict.

One person counts once: several scans of a subject are averaged first. Cases without a value or a
covariate of the model are left out and counted; failed masks or predictions are counted separately.
Rows without an estimate give the reason. Each hypothesis is tested on the quantity that it names,
in the unit of that quantity.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import pandas as pd
from numpy import ndarray

from neurotarget.hypothesis import Hypothesis
from neurotarget.problems import join_reasons
from neurotarget.stats.cohort.learning import without_failed
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import (
    CATEGORIES,
    Cohort,
    NotEstimableError,
    concerned,
    gather,
    is_category,
    key,
    quantities,
)
from neurotarget.stats.effects.attenuation import WHOLE, Attenuation, share_of
from neurotarget.stats.effects.interest import smallest_of_interest
from neurotarget.stats.effects.lead import failed_remark, with_lead
from neurotarget.stats.effects.model import Design, Fit, design, fit
from neurotarget.stats.effects.random_site import fit_random
from neurotarget.stats.effects.size import Size, hedges_g, partial_r
from neurotarget.stats.effects.variants import DECLARED, Variant, adjusted_values, variants
from neurotarget.stats.effects.verdict import (
    INCONCLUSIVE,
    NO_CONCLUSION,
    Interval,
    Verdict,
    detectable,
    judge,
    power_to_find,
)

Refused = Mapping[tuple[str, str], str]  # method and label → why it allows no conclusion
FEWEST_A_GROUP, FEWEST_PEOPLE = 5, 10  # fewest people for a verdict; estimates need fewer
NONE_REFUSED: Refused = MappingProxyType({})

COLUMNS = (
    *("hypothesis", "claim", "label", "method", "model", "leads", "estimate", "low", "high"),
    *("low_90", "high_90", "p", "unit", "size", "size_low", "size_high", "size_kind"),
    *("expected", "matters", "share", "power", "detectable"),
    *("n", "n_dropped", "n_failed", "verdict", "reason", "remark"),
)


@dataclass(frozen=True, slots=True)
class Effect:
    """One hypothesis tested on the values of one method; NaN where it could not be estimated.

    `n` counts the subjects, `n_dropped` cases without a value and `n_failed` cases whose mask or
    prediction failed. `low` and `high` are the ends of the 95 % interval, `low_90` and `high_90` of
    the 90 % one. `matters` is the smallest effect of interest and `share` the share of an effect
    that these values show (see `attenuation`), both as used for the verdict. `detectable` is the
    smallest true effect that would be found with 80 % power, `power` the power for the published
    effect `expected` (NaN where none is published). `size` is Hedges' g for a group difference and
    partial r for other effects. `reason` explains a missing estimate, the verdict, and the terms
    that the model left out.
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
    low_90: float = math.nan
    high_90: float = math.nan
    matters: float = math.nan
    share: float = 1.0
    n_failed: int = 0


def estimate_effect(
    hypothesis: Hypothesis,
    values: pd.Series,
    covariates: pd.DataFrame,
    *,
    unit: str = "mm3",
    model: Variant | None = None,
) -> Effect:
    """Estimate an effect on values with its 95 % interval, and give a verdict.

    Both tables are indexed by case; `covariates` may have a column `subject_id`. A group difference
    without other terms uses Welch's test, everything else least squares with
    heteroscedasticity-robust errors (see `model.fit`). `unit` is the unit of the values. The rule
    for verdicts is in `verdict`; a smallest effect of interest in % or SDs refers to these values.
    `model` replaces the declared model of the hypothesis.
    """
    matters = smallest_of_interest(hypothesis, values, covariates)
    model = model or Variant(DECLARED, hypothesis)
    return _estimate(model, values, covariates, unit=unit, matters=matters)


def effects_table(measured: Measured, *, refused: Refused = NONE_REFUSED) -> pd.DataFrame:
    """Return one row per hypothesis, method and model: as declared, with site, with head size.

    Every model is compared with the published effect, mostly found without head size. `leads`
    marks the model whose verdict counts (see `lead`); `remark` explains why, where it is not the
    declared one. Failed masks and predictions are left out and counted. Methods and labels
    that are `refused`, and those whose values do not follow the reference's, have no conclusion.
    """
    known, failed = without_failed(measured)
    rows = []
    for hypothesis in measured.target.hypotheses:
        label = label_of(hypothesis, measured)
        own = []
        for method in known.methods:
            lost = _lost(failed.get(method), label, hypothesis, known.covariates)
            names = {"hypothesis": hypothesis.name, "claim": claim(hypothesis), "label": label}
            names |= {"method": method, "n_failed": len(lost)}
            names |= {"remark": failed_remark(hypothesis, lost, known.covariates)}
            for model in variants(hypothesis, known.covariates):
                effect = model_effect(known, hypothesis, model, method, label, refused=refused)
                row = {column: getattr(effect, column, "") for column in COLUMNS}
                row |= names | {"model": model.name}
                own.append(row | {"n_dropped": max(row["n_dropped"] - len(lost), 0)})
        rows += with_lead(own, hypothesis, known.covariates)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def model_effect(
    measured: Measured,
    hypothesis: Hypothesis,
    model: Variant,
    method: str,
    label: str,
    *,
    refused: Refused,
) -> Effect:
    """Estimate a hypothesis in one of its models for a label and method, or give the reason.

    The smallest effect of interest comes from the declared model on the reference values.
    """
    values = measured.values_of(hypothesis)
    first = measured.reference or next(iter(values))
    share = share_of(measured, hypothesis, method, label)
    effect = _estimate(
        model,
        values[method][label],
        measured.covariates,
        unit=measured.unit_of(hypothesis),
        matters=smallest_of_interest(hypothesis, values[first][label], measured.covariates),
        share=share,
    )
    why = refused.get((method, label)) or share.why
    return _refused(effect, why) if why else effect


def claim(hypothesis: Hypothesis) -> str:
    """Return the expected direction as a short text, such as `F > M` or `age: negative`.

    A hypothesis without a direction has `F != M` or `age: any slope`.
    """
    if hypothesis.groups:
        first, second = hypothesis.groups
        return f"{first} {('<', '!=', '>')[hypothesis.sign + 1]} {second}"
    either = "any interaction" if "*" in hypothesis.covariate else "any slope"
    return f"{hypothesis.covariate}: {('negative', either, 'positive')[hypothesis.sign + 1]}"


def _estimate(
    model: Variant,
    values: pd.Series,
    covariates: pd.DataFrame,
    *,
    unit: str,
    matters: float,
    share: Attenuation = WHOLE,
) -> Effect:
    hypothesis = model.hypothesis
    cohort, model_fit = Cohort(pd.DataFrame(), pd.DataFrame(), len(values)), None
    try:
        cohort = gather(model.needs, values.to_frame("value"), covariates, numbers=model.numbers)
        columns = design(hypothesis, cohort.covariates)
        adjusted, note = adjusted_values(model, cohort)
        model_fit = fitted(model, cohort, columns, adjusted["value"].to_numpy())
        notes = (*columns.notes, note, cohort.note)
    except NotEstimableError as error:
        notes = (str(error), cohort.note)
    unit = unit_of_effect(hypothesis, unit, cohort.covariates)
    expected = math.nan if hypothesis.expected is None else hypothesis.expected
    effect = Effect(
        hypothesis.name,
        *(math.nan,) * 4,
        len(cohort.values),
        cohort.n_dropped,
        unit,
        INCONCLUSIVE,
        reason=join_reasons(*notes),
        expected=expected,
        matters=matters,
    )
    if model_fit is None:
        return effect
    ends = Interval.of(model_fit.estimate, model_fit.error, model_fit.freedom)
    power = power_to_find(share.value * expected, model_fit.error, model_fit.freedom)
    least = detectable(model_fit.error, model_fit.freedom) / share.value
    verdict = too_few(hypothesis, cohort.covariates) or judge(
        ends,
        sign=hypothesis.sign,
        expected=expected,
        matters=matters,
        power=power,
        least=least,
        unit=unit,
        share=share.least,
        plural=quantities(hypothesis),
    )
    size: Size = hedges_g(model_fit) if hypothesis.groups else partial_r(model_fit)
    return replace(
        effect,
        estimate=model_fit.estimate,
        **ends._asdict(),
        p=model_fit.p,
        verdict=verdict.kind,
        detectable=least,
        reason=join_reasons(verdict.reason, *notes),
        power=power,
        **dict(zip(("size", "size_low", "size_high", "size_kind"), size, strict=True)),
        share=share.value,
    )


def fitted(model: Variant, cohort: Cohort, columns: Design, values: ndarray, what: str = "") -> Fit:
    """Fit the effect on values of a cohort by Welch's test, least squares or a mixed model.

    Args:
        model: the mixed model is used if it names a covariate with random intercepts.
        cohort: people with complete covariates.
        columns: design of the hypothesis for them.
        values: one per person.
        what: noun of the values in errors; by default the tested quantity.

    Raises:
        NotEstimableError: the effect cannot be estimated.
    """
    if model.random:
        return fit_random(columns, values, cohort.covariates[model.random].to_numpy())
    return fit(model.hypothesis, columns, values, what)


def too_few(hypothesis: Hypothesis, terms: pd.DataFrame) -> Verdict | None:
    """Return the verdict "inconclusive" for too few people to trust an interval; else None.

    Five people in each group, or ten for a slope, suffice. Estimates need fewer, and are shown.
    """
    if hypothesis.groups:
        keys = terms[hypothesis.covariate].map(key)
        fewest = min(int((keys == key(group)).sum()) for group in hypothesis.groups)
        if fewest < FEWEST_A_GROUP:
            return Verdict(
                INCONCLUSIVE,
                f"{fewest} people in a group are too few for a verdict, wanted {FEWEST_A_GROUP}",
            )
    elif len(terms) < FEWEST_PEOPLE:
        return Verdict(
            INCONCLUSIVE,
            f"{len(terms)} people are too few for a verdict, wanted {FEWEST_PEOPLE}",
        )
    return None


def _lost(
    failed: pd.DataFrame | None, label: str, hypothesis: Hypothesis, covariates: pd.DataFrame
) -> pd.Index:
    """Return the hypothesis's cases whose masks or predictions failed."""
    if failed is None:
        return covariates.index[:0]
    cases = failed.index[failed[label]]
    return cases[concerned(hypothesis, covariates.loc[cases])]


def _refused(effect: Effect, why: str) -> Effect:
    """Return the effect with its numbers of people and its unit, but without any estimate."""
    names = ("estimate", "low", "high", "low_90", "high_90", "p", "detectable", "power")
    nothing = dict.fromkeys((*names, "size", "size_low", "size_high"), math.nan)
    return replace(effect, **nothing, verdict=NO_CONCLUSION, reason=why)


def label_of(hypothesis: Hypothesis, measured: Measured) -> str:
    """Return the tested column: the hypothesis's label, the sum of all, or the only label.

    Where labels have no sum, as means of contrasts, the first label is tested.
    """
    labels = measured.labels_of(hypothesis)
    return hypothesis.label or ("total" if "total" in labels else labels[0])


def unit_of_effect(hypothesis: Hypothesis, unit: str, terms: pd.DataFrame) -> str:
    """Return the unit of the effect: that of the quantity, per unit of each tested number.

    It is, for volumes, `mm3` for a group difference and `mm3/year` for a slope over age.
    """
    if hypothesis.groups:
        return unit
    for name in hypothesis.covariate.split("*"):
        named = is_category(terms[name]) if name in terms else name.casefold() in CATEGORIES
        if not named:
            year = name.casefold() in ("age", "age_years")
            unit += f"/{'year' if year else name}"
    return unit
