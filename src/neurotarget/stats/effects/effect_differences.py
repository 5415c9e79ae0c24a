"""Differences of an effect between two methods, classified by the smallest effect of interest."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from neurotarget.problems import join_reasons
from neurotarget.stats.cohort.learning import without_failed
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import Cohort, NotEstimableError, gather, quantities
from neurotarget.stats.effects.attenuation import share_of
from neurotarget.stats.effects.effects import (
    NONE_REFUSED,
    Refused,
    fitted,
    label_of,
    unit_of_effect,
)
from neurotarget.stats.effects.interest import smallest_of_interest
from neurotarget.stats.effects.model import ROUNDING, Design, design
from neurotarget.stats.effects.variants import Variant, adjusted_values, variants
from neurotarget.stats.effects.verdict import Interval

DIFFERENCE_COLUMNS = (
    *("hypothesis", "label", "model", "first", "second", "difference", "low", "high"),
    *("low_90", "high_90", "matters", "unit", "n", "finding", "reason"),
)
NO_DIFFERENCE = dict.fromkeys(("difference", "low", "high", "low_90", "high_90"), math.nan)

EQUIVALENT = "equivalent"
SLIGHT = "different by less than matters"
DIFFERENT = "different"
UNDECIDED = "undecided"


def effect_differences_table(
    measured: Measured, *, refused: Refused = NONE_REFUSED
) -> pd.DataFrame:
    """Return the second method's effect minus the first method's, on the same subjects.

    The difference is estimated as the effect on the differences of the values, with the interval of
    the effect's model (Welch's, HC3 or the mixed model's). Methods and labels that are `refused`
    have no difference, and failed masks are left out. `finding` compares the difference with the
    smallest effect of interest (see `finding_of`).
    """
    known, _ = without_failed(measured)
    rows = []
    for hypothesis in known.target.hypotheses:
        label, values = label_of(hypothesis, known), known.values_of(hypothesis)
        matters = math.nan
        if values:
            first = known.reference or next(iter(values))
            matters = smallest_of_interest(hypothesis, values[first][label], known.covariates)
        for pair in known.pairs:
            why = [
                refused.get((method, label)) or share_of(known, hypothesis, method, label).why
                for method in pair
            ]
            for model in variants(hypothesis, known.covariates):
                row = {"hypothesis": hypothesis.name, "label": label, "model": model.name}
                row |= dict(zip(("first", "second"), pair, strict=True)) | {"matters": matters}
                row |= _difference(model, known, label, pair)
                if reason := why[0] or why[1]:
                    row |= NO_DIFFERENCE | {"reason": reason}
                rows.append(row | {"finding": finding_of(row)})
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def finding_of(row: Mapping) -> str:
    """Classify a paired difference of two effects: equivalent, slight, different or undecided.

    EQUIVALENT: the 90 % interval lies within the smallest effect of interest, and the 95 % one
    includes 0. SLIGHT: the 90 % interval lies within, and the 95 % one excludes 0. DIFFERENT: the
    90 % interval does not lie within, and the 95 % one excludes 0. UNDECIDED: all else.
    """
    low, high, matters = row["low"], row["high"], row["matters"]
    if not math.isfinite(low):
        return UNDECIDED
    is_within = -matters < row["low_90"] and row["high_90"] < matters
    if low > 0 or high < 0:
        return SLIGHT if is_within else DIFFERENT
    return EQUIVALENT if is_within else UNDECIDED


def _difference(model: Variant, measured: Measured, label: str, pair: tuple[str, str]) -> dict:
    hypothesis = model.hypothesis
    values = measured.values_of(hypothesis)
    table = pd.DataFrame({method: values[method][label] for method in pair})
    cohort = Cohort(pd.DataFrame(), pd.DataFrame(), len(table))
    try:
        cohort = gather(model.needs, table, measured.covariates, numbers=model.numbers)
        columns = design(hypothesis, cohort.covariates)
        adjusted, note = adjusted_values(model, cohort)
        for method in adjusted:
            if adjusted[method].nunique() < 2:
                what = quantities(hypothesis)
                raise NotEstimableError(f"the {what} of {method} do not vary")
        interval = _interval(model, cohort, columns, adjusted)
        notes = (*columns.notes, note, cohort.note)
    except NotEstimableError as why:
        interval, notes = NO_DIFFERENCE, (str(why), cohort.note)
    unit = unit_of_effect(hypothesis, measured.unit_of(hypothesis), cohort.covariates)
    return interval | {"unit": unit, "n": len(cohort.values), "reason": join_reasons(*notes)}


def _interval(model: Variant, cohort: Cohort, columns: Design, adjusted: pd.DataFrame) -> dict:
    """Difference of two effects, which is the effect on the difference: both are linear."""
    differences = adjusted.diff(axis=1).iloc[:, 1].to_numpy()
    if np.ptp(differences) <= ROUNDING * np.abs(adjusted.to_numpy()).max():
        return dict.fromkeys(NO_DIFFERENCE, 0.0)  # the methods differ by a constant
    fit = fitted(model, cohort, columns, differences, "differences")
    return {
        "difference": fit.estimate,
        **Interval.of(fit.estimate, fit.error, fit.freedom)._asdict(),
    }
