"""Tables of a radiomics study: scores, differences, calibration, predictions, the final model."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from neurotarget.stats.core.calibration_fit import calibration_bins, recalibration
from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.core.probability_scores import brier_parts
from neurotarget.stats.radiomics.chain import FittedChain
from neurotarget.stats.radiomics.radiomic_arms import (
    Material,
    RadiomicArm,
    discrimination,
    fold_spread,
    gain,
    pooled_discrimination,
)
from neurotarget.stats.radiomics.radiomics_outcome import Cases, Outcome
from neurotarget.stats.survival.concordance import share
from neurotarget.stats.survival.survival_study import gain_verdict

PAIRS = (("both", "clinical"), ("image", "clinical"), ("both", "image"))


def radiomic_scores(material: Material, arms: Mapping[str, RadiomicArm], seed: int) -> pd.DataFrame:
    """Scores of cases left out, of each set, and of the cases fitted to (apparent).

    One row per set and statistic: `auc` or `c`, the same `_pooled` over all pairs, its `_fold_mean`
    and `_fold_sd`, and `_apparent`. Only the first has an interval. A set without scores has one
    row with the reason.
    """
    outcome, rows = material.outcome, []
    main = outcome.statistic
    for name, arm in arms.items():
        n = len(outcome.y)
        if not arm.is_scored:
            rows.append({"terms": name, "statistic": main, **Estimate.undefined(n)._asdict(),
                         "reason": arm.reason})  # fmt: skip
            continue
        mean, sd = fold_spread(outcome, arm.held)
        fitted = arm.fit.predict(material.rows(name)[1])
        plain = {
            f"{main}_pooled": pooled_discrimination(outcome, arm.held),
            f"{main}_fold_mean": mean,
            f"{main}_fold_sd": sd,
            f"{main}_apparent": outcome.pairs(fitted).value,
        }
        found = {main: discrimination(outcome, arm.held, seed)}
        found |= {key: Estimate(value, math.nan, math.nan, n) for key, value in plain.items()}
        rows += [{"terms": name, "statistic": key, **one._asdict(), "reason": ""}
                 for key, one in found.items()]  # fmt: skip
    return pd.DataFrame(rows)


def gains_table(
    outcome: Outcome, scored: Mapping[str, RadiomicArm], matters: float, seed: int
) -> pd.DataFrame:
    """Paired differences of AUC or C between sets, with what their intervals say.

    One row per pair of sets that both have scores; `matters` is the smallest difference that
    matters, for `gain_verdict`.
    """
    rows = []
    for name, against in PAIRS:
        if name in scored and against in scored:
            one = gain(outcome, scored[against].held, scored[name].held, seed)
            rows.append({"terms": name, "against": against,
                         "statistic": outcome.statistic,
                         "difference": one.value, "low": one.low, "high": one.high, "n": one.n,
                         "verdict": gain_verdict(one, matters)})  # fmt: skip
    return pd.DataFrame(rows)


def probabilities(arm: RadiomicArm) -> Cases:
    """Probability of each case left out, mean over repeats.

    Of times it is the log hazard ratio, of numbers the number.
    """
    return arm.held.score.mean(axis=0)


def calibration_of_arms(
    outcome: Outcome, scored: Mapping[str, RadiomicArm]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibration of the probabilities of cases left out, and bins of similar ones.

    Times have none here: `neurotarget survival` calibrates risks by a day; and numbers have
    `errors_of_arms`.
    """
    if not outcome.is_class:
        return pd.DataFrame(), pd.DataFrame()
    rows, bins = [], []
    for name, arm in scored.items():
        p = probabilities(arm)
        rows.append({"terms": name, **calibration_row(p, outcome)})
        bins += [{"terms": name, **one._asdict()}
                 for one in calibration_bins(p, outcome.y, outcome.subject)]  # fmt: skip
    return pd.DataFrame(rows), pd.DataFrame(bins)


def calibration_row(p: Cases, outcome: Outcome) -> dict[str, float]:
    """Intercept and slope with intervals, mean probability over share, Brier score and scaled.

    `brier_scaled` is 1 for perfect predictions, 0 for those of the prevalence; it is negative for
    worse ones.

    Args:
        p: probability of each case.
        outcome: of classes.
    """
    fit = recalibration(p, outcome.y, outcome.subject)
    brier, parts = float(np.square(p - outcome.y).mean()), brier_parts(p, outcome.y)
    row = {}
    for key, one in (("intercept", fit.intercept), ("slope", fit.slope)):
        row |= {key: one.value, f"{key}_low": one.low, f"{key}_high": one.high}
    share_of = float(outcome.y.mean())
    return row | {"expected_observed": float(p.mean()) / share_of if share_of else math.nan,
                  "brier": brier, "brier_scaled": 1 - brier / parts.uncertainty,
                  "n": len(p)}  # fmt: skip


def predictions_table(material: Material, scored: Mapping[str, RadiomicArm]) -> pd.DataFrame:
    """One row per case: outcome, and what chains without the person predict (mean over repeats).

    A column per set of terms holds the prediction; of times, `outcome` is whether the event was
    observed and `days` the time.
    """
    outcome = material.outcome
    table = {
        "case_id": material.case_ids,
        "outcome": outcome.y if outcome.is_number else outcome.y.astype(int),
    }
    if outcome.is_survival:
        table["days"] = outcome.days
    return pd.DataFrame(table | {name: probabilities(arm) for name, arm in scored.items()})


def final_table(material: Material, scored: Mapping[str, RadiomicArm]) -> pd.DataFrame:
    """Terms of each set's model of all cases; coefficients per SD of linear models, else NaN.

    `strength` is the penalty that was chosen. These models saw all cases: their coefficients
    describe, and `radiomic_scores` judges.
    """
    rows = []
    for name, arm in scored.items():
        terms = terms_of(material, arm.fit)
        values = coefficients(arm.fit, len(terms))
        rows += [{"terms": name, "term": term, "coefficient": value, "strength": arm.fit.strength}
                 for term, value in zip(terms, values, strict=True)]  # fmt: skip
    return pd.DataFrame(rows)


def terms_of(material: Material, fit: FittedChain) -> list[str]:
    """Names of the terms of a fitted model, the clinical ones first."""
    clinical = material.clinical_names if fit.columns.clinical else []
    chosen = [one for one, kept in zip(material.image_names, fit.chosen, strict=True) if kept] if (
        fit.columns.image
    ) else []  # fmt: skip
    return [*clinical, *chosen]


def coefficients(fit: FittedChain, count: int) -> list[float]:
    """Coefficients per SD of a linear model; NaN of models without any.

    Args:
        fit: the chain; Cox's terms that did not vary have 0.
        count: number of terms, for models without coefficients.
    """
    model = fit.model
    if hasattr(model, "coef_"):
        return np.ravel(model.coef_).tolist()  # one row per outcome, or none for numbers
    if hasattr(model, "cox_"):
        values = np.zeros(count)
        values[model.used_] = model.cox_.coefficients
        return [float(value) for value in values]
    return [math.nan] * count


def transport_of_arms(
    other: Material, scored: Mapping[str, RadiomicArm], seed: int
) -> pd.DataFrame:
    """AUC or C, and calibration, of each set's model in another cohort, without any refitting.

    Sets whose terms the other cohort lacks are left out; only classes have calibration.
    """
    rows, outcome = [], other.outcome
    for name, arm in scored.items():
        if name not in other.sets:
            continue
        score = arm.fit.predict(other.rows(name)[1])
        one = share(outcome.pairs(score), seed, outcome.subject)
        row = {"terms": name, "statistic": outcome.statistic,
               **one._asdict()}  # fmt: skip
        rows.append(row | (calibration_row(score, outcome) if outcome.is_class else {}))
    return pd.DataFrame(rows)
