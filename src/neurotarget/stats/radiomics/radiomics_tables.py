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
    """Return each set's scores of held-out cases and of the training cases (apparent).

    One row per set of terms and statistic: `auc` or `c`, with its interval; the same with the
    suffix `_pooled` (over all pairs), `_fold_mean`, `_fold_sd` or `_apparent`, without intervals. A
    set without scores has one row with the reason.
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
    """Return paired differences of AUC or C between sets of terms, with a verdict.

    One row per pair of sets that both have scores. `matters` is the smallest difference that
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
    """Return the held-out probability of each case, mean over repeats.

    For times it is the log hazard ratio, for numbers the predicted number.
    """
    return arm.held.score.mean(axis=0)


def calibration_of_arms(
    outcome: Outcome, scored: Mapping[str, RadiomicArm]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the calibration of held-out probabilities, and bins of cases of similar probability.

    Only classes have it: `neurotarget survival` calibrates risks by a day, and numbers have
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
    """Return calibration intercept and slope with intervals, E:O, Brier score and scaled Brier.

    `brier_scaled` is 1 for perfect predictions, 0 if they are no better than the prevalence, and
    negative if they are worse. E:O is the mean probability divided by the share of positive cases.

    Args:
        p: probability of each case.
        outcome: outcome of classes.
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
    """Return one row per case: outcome, and predictions by chains without the person.

    Predictions are means over repeats, in one column per set of terms. For times, `outcome` is 1 if
    the event was observed, and `days` is the time.
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
    """Return the terms of each set's model of all cases, with coefficients per SD.

    Coefficients are NaN for models that are not linear. `strength` is the chosen penalty. These
    models are fitted to all cases, so they have no held-out score; see `radiomic_scores`.
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
    """Return the coefficients per SD of a linear model; NaN for other models.

    Args:
        fit: the chain; in Cox's model, terms that did not vary have 0.
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
    """Return AUC or C, and calibration, of each set's model in another cohort, without refitting.

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
