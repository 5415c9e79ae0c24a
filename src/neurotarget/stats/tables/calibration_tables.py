"""Calibration and overall error of predicted probabilities.

Intervals are 95 % intervals over people; fewer than ten people have values without intervals.
Failed predictions have no probability, so they are counted, but no statistic includes them.
"""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy import ndarray

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.predicted_classes import Predictions, Sample, predictions_of
from neurotarget.stats.core.calibration_fit import (
    calibration_bins,
    expected_calibration_error,
    recalibration,
)
from neurotarget.stats.core.interval import mean_interval
from neurotarget.stats.core.probability_scores import (
    brier_parts,
    log_losses,
    weighted_expected_observed,
    weighted_scaled_brier,
)
from neurotarget.stats.core.resample import codes
from neurotarget.stats.tables.agreement import T
from neurotarget.stats.tables.outcome_rows import (
    COUNTS,
    FEWEST_PEOPLE,
    NO_PREDICTION,
    PLACE,
    VALUE,
    WALD,
    Value,
    from_estimate,
    places,
    resampled,
    unless_few,
    why_unknown,
)

UNITS = {"log_loss": "nats"}
COLUMNS = [*PLACE, "statistic", *VALUE, "unit", *COUNTS]
BIN_COLUMNS = ["label", "method", "bin", "probability_low", "probability_high", "probability"]
BIN_COLUMNS += ["observed", "low", "high", "n", "n_positive"]
BIASED = "above 0 by chance even where calibration is perfect: no interval"
A_PART = "part of the Brier score: no interval"


def calibration_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return Brier score, log loss, calibration intercept and slope, E:O and ECE.

    One row per label, stratum and statistic. With several classes, each class is compared with all
    other classes, and rows with the outcome's name hold Brier score and log loss over all classes.
    `brier_scaled` is 1 for perfect predictions and 0 for a constant prediction of the prevalence.
    The Brier score is `miscalibration` − `discrimination` + `uncertainty`. `expected_observed`
    (E:O) is the mean probability divided by the share of positive cases. ECE has up to ten bins of
    equal counts (see `calibration_bins_table`).
    """
    rows = []
    for names, predictions in places(measured):
        for label in predictions.outcome.labels:
            rows += _rows(predictions.sample(label), {"label": label, **names}, seed)
        if predictions.has_several:
            rows += _of_several(predictions, {"label": predictions.outcome.name, **names})
    return pd.DataFrame(rows, columns=COLUMNS)


def calibration_bins_table(measured: Measured) -> pd.DataFrame:
    """Return the observed share of positive cases per bin of predicted probability.

    Intervals are Wilson's. The whole cohort is used.

    Bins of a label are numbered from 1, the lowest probability. A label has no rows if no case has
    both prediction and reference.
    """
    rows = []
    for predictions in predictions_of(measured):
        for label in predictions.outcome.labels:
            sample = predictions.sample(label)
            if not len(sample.y):
                continue
            bins = calibration_bins(sample.p, sample.y, sample.subject)
            rows += [
                (label, predictions.method, number, *one)
                for number, one in enumerate(bins, start=1)
            ]
    return pd.DataFrame(rows, columns=BIN_COLUMNS)


def _rows(sample: Sample, head: dict, seed: int) -> Iterator[dict]:
    head = head | {
        "n": len(sample.y),
        "n_positive": int(sample.y.sum()),
        "n_subjects": sample.n_subjects,
        "n_missing": sample.n_missing,
        "n_failed": len(sample.failed_y),
    }
    values = _values(sample, seed)
    for name, value in values.items():
        yield head | {"statistic": name, "unit": UNITS.get(name, "")} | value._asdict()


def _values(sample: Sample, seed: int) -> dict[str, Value]:
    p, y = sample.p, sample.y
    if not len(y):
        nothing = Value(math.nan, reason=NO_PREDICTION)
        return dict.fromkeys(("brier", "log_loss", "calibration_slope"), nothing)
    subject, n_subjects = codes(sample.subject)
    values = {
        "brier": _mean(np.square(p - y), subject, n_subjects),
        "log_loss": _mean(log_losses(p, y), subject, n_subjects),
    }
    parts = brier_parts(p, y)._asdict()
    values |= {name: Value(value, reason=A_PART) for name, value in parts.items()}
    why = why_unknown(y)
    for name, statistic in (
        ("brier_scaled", weighted_scaled_brier),
        ("expected_observed", weighted_expected_observed),
    ):
        of_weights = partial(_applied, statistic=statistic, p=p, y=y, subject=subject)
        values[name] = (
            Value(math.nan, reason=why) if why else resampled(of_weights, n_subjects, seed)
        )
    fit = recalibration(p, y, subject)
    for name, one in (("intercept", fit.intercept), ("slope", fit.slope)):
        value = from_estimate(one, WALD, why or fit.reason)
        values[f"calibration_{name}"] = unless_few(value, n_subjects)
    error = expected_calibration_error(calibration_bins(p, y, subject))
    values["ece"] = Value(error, reason=BIASED)
    return values


def _applied(
    weights: ndarray, statistic: object, p: ndarray, y: ndarray, subject: ndarray
) -> ndarray:
    return statistic(weights, p, y, subject)


def _mean(values: ndarray, subject: ndarray, n_subjects: int) -> Value:
    """Mean over cases with Student's interval over people, cut at 0."""
    mean = float(values.mean())
    if n_subjects < FEWEST_PEOPLE:
        return unless_few(Value(mean), n_subjects)
    low, high = mean_interval(values, subject, n_subjects)
    return Value(mean, max(low, 0.0), high, T)


def _of_several(predictions: Predictions, head: dict) -> Iterator[dict]:
    """Brier score (sum over classes) and log loss over all classes."""
    references = predictions.references.to_numpy(float)
    known = np.isfinite(references).all(axis=1)
    p, y = predictions.probabilities.to_numpy(float)[known], references[known]
    scored = np.isfinite(p).all(axis=1)
    subject = predictions.subjects.to_numpy()[known][scored]
    n_failed, p, y = int((~scored).sum()), p[scored], y[scored]
    code, n_subjects = codes(subject) if len(subject) else (np.zeros(0, int), 0)
    head = head | {"n": len(p), "n_positive": math.nan, "n_subjects": n_subjects}
    head |= {"n_missing": int((~known).sum()), "n_failed": n_failed}
    of_truth = (p * y).sum(axis=1)
    scores = {
        "brier": np.square(p - y).sum(axis=1),
        "log_loss": log_losses(of_truth, np.ones(len(p))),
    }
    for name, one in scores.items():
        nothing = Value(math.nan, reason=NO_PREDICTION)
        value = _mean(one, code, n_subjects) if len(p) else nothing
        yield head | {"statistic": name, "unit": UNITS.get(name, "")} | value._asdict()
