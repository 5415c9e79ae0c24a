"""Discrimination of an outcome's classes by predicted probabilities, in the cohort and its parts.

Intervals are 95 % intervals over people; fewer than ten people have values without intervals. A
failed prediction counts as wrong in sensitivity, specificity and accuracy. It does not count in
predictive values and AUROC, as it has no probability (Schuetz et al. 2012, doi:10.1136/bmj.e6717).
"""

import math
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd
from numpy import ndarray

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.predicted_classes import THRESHOLD, Grades, Predictions, Sample
from neurotarget.stats.core.average_precision import weighted_average_precision
from neurotarget.stats.core.clustered_auc import auc_of_cases, mean_auc
from neurotarget.stats.core.confusion import (
    balanced_accuracy,
    f1_scores,
    kappa,
    weighted_counts,
)
from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.core.resample import codes
from neurotarget.stats.tables.outcome_rows import (
    COUNTS,
    DELONG,
    NO_PREDICTION,
    OBUCHOWSKI,
    PLACE,
    VALUE,
    Value,
    from_estimate,
    places,
    resampled,
    share,
    unless_few,
    why_unknown,
)

COLUMNS = [*PLACE, "statistic", "threshold", *VALUE, *COUNTS]
CONFUSION_COLUMNS = [
    *(*PLACE, "threshold", "reference", "predicted", "n", "n_of_reference", "share"),
    *("low", "high", "reason"),
]
FAILED = "no prediction"  # in place of a predicted class

Thresholds = Mapping[str, float]  # by the outcome's name, as stored by a run


def discrimination_table(
    measured: Measured, thresholds: Thresholds | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Return AUROC, average precision and the statistics at thresholds, by label and stratum.

    A binary outcome has the threshold 0.5 and, if it differs, that of `thresholds`. With several
    classes, each class is compared with all other classes, and counts as predicted where its
    probability is the largest (no threshold). Rows with the outcome's name hold means over classes
    (macro), accuracy and Cohen's kappa, with quadratic weights where classes are ordered. `n`
    counts cases with a prediction and a reference, `n_missing` cases without a reference.
    """
    rows = []
    for names, predictions in places(measured):
        for label in predictions.outcome.labels:
            sample = predictions.sample(label)
            head = {"label": label, **names, **_counts(sample)}
            values = [*_curves(sample, seed), *_operating(predictions, label, thresholds, seed)]
            rows += [head | row for row in values]
        if predictions.has_several:
            rows += [{"label": predictions.outcome.name, **names} | row
                     for row in _of_several(predictions, seed)]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def confusion_table(measured: Measured, thresholds: Thresholds | None = None) -> pd.DataFrame:
    """Return counts by reference and predicted class, with the share of the reference class.

    One row per outcome, stratum, threshold, reference and predicted class. Failed predictions, if
    any, are an additional predicted class. Intervals are Wilson's.
    """
    rows = []
    for names, predictions in places(measured):
        classes = predictions.outcome.classes
        for threshold in _thresholds(predictions, thresholds):
            grades = predictions.grades(threshold)
            pred_names = (*classes, FAILED) if (grades.pred == len(classes)).any() else classes
            for truth, reference in enumerate(classes):
                of_class = grades.truth == truth
                n, people = int(of_class.sum()), len(np.unique(grades.subject[of_class]))
                for pred, predicted in enumerate(pred_names):
                    hits = int((of_class & (grades.pred == pred)).sum())
                    value = unless_few(share(hits, n, people, "no such case"), people)
                    row = {"label": predictions.outcome.name, **names, "threshold": threshold}
                    row |= {"reference": reference, "predicted": predicted, "n": hits}
                    row |= {"n_of_reference": n, "share": value.value, "reason": value.reason}
                    rows.append(row | {"low": value.low, "high": value.high})
    return pd.DataFrame(rows, columns=CONFUSION_COLUMNS)


def _thresholds(predictions: Predictions, stored: Thresholds | None) -> list[float]:
    """Return the thresholds of an outcome; NaN for several classes, which have no threshold."""
    if predictions.has_several:
        return [math.nan]
    own = (stored or {}).get(predictions.outcome.name, math.nan)
    is_other = math.isfinite(own) and abs(own - THRESHOLD) > 1e-9
    return [THRESHOLD, own] if is_other else [THRESHOLD]


def _counts(sample: Sample) -> dict[str, int]:
    return {
        "n": len(sample.y),
        "n_positive": int(sample.y.sum()),
        "n_subjects": sample.n_subjects,
        "n_missing": sample.n_missing,
        "n_failed": len(sample.failed_y),
    }


def _curves(sample: Sample, seed: int) -> Iterator[dict]:
    """Prevalence, AUROC and average precision."""
    n, n_subjects = len(sample.y), sample.n_subjects
    positive = int(sample.y.sum())
    prevalence = unless_few(share(positive, n, n_subjects, NO_PREDICTION), n_subjects)
    yield _row("prevalence", prevalence)
    why = why_unknown(sample.y, sample.p)
    area = ranked = Value(math.nan, reason=why)
    if not why:
        subject, _ = codes(sample.subject)
        kind = DELONG if n == n_subjects else OBUCHOWSKI
        estimate = auc_of_cases(sample.p, sample.is_positive, subject)
        if math.isnan(estimate.value):  # fewer than three people of a class
            estimate = _plain_auc(sample)
        area = unless_few(from_estimate(estimate, kind), n_subjects)
        ranked = resampled(
            partial(_average_precision, sample=sample, subject=subject), n_subjects, seed
        )
    yield _row("auroc", area)
    yield _row("average_precision", ranked)


def _plain_auc(sample: Sample) -> Estimate:
    positive, negative = sample.p[sample.is_positive], sample.p[~sample.is_positive]
    wins = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    return Estimate(float(wins.mean()), math.nan, math.nan, len(sample.y))


def _average_precision(weights: ndarray, sample: Sample, subject: ndarray) -> ndarray:
    return weighted_average_precision(weights, sample.p, sample.is_positive, subject)


def _operating(
    predictions: Predictions, label: str, stored: Thresholds | None, seed: int
) -> Iterator[dict]:
    """Statistics at each threshold; several classes have none, the most probable is predicted."""
    place = predictions.outcome.labels.index(label)
    n_classes = len(predictions.outcome.classes)
    for threshold in _thresholds(predictions, stored):
        truth, pred, subject, n_missing = predictions.grades(threshold)
        if predictions.has_several:  # this class against all other classes
            failed = pred == n_classes
            truth, pred = (truth == place).astype(int), (pred == place).astype(int)
            pred = np.where(failed, 2, pred)
        yield from _at_threshold(Grades(truth, pred, subject, n_missing), threshold, seed)


def _at_threshold(grades: Grades, threshold: float, seed: int) -> Iterator[dict]:
    truth, pred = grades.truth, grades.pred
    is_right, is_predicted = truth == pred, pred < 2
    shares = {
        "sensitivity": (is_right, truth == 1, "no case is positive"),
        "specificity": (is_right, truth == 0, "all cases are positive"),
        "ppv": (is_right, is_predicted & (pred == 1), "no case is predicted as positive"),
        "npv": (is_right, is_predicted & (pred == 0), "no case is predicted as negative"),
        "accuracy": (is_right, np.ones(len(truth), bool), NO_PREDICTION),
    }
    for name, (hit, among, reason) in shares.items():
        people = len(np.unique(grades.subject[among]))
        value = share(int((hit & among).sum()), int(among.sum()), people, reason)
        yield _row(name, unless_few(value, grades.n_subjects), threshold)
    why = why_unknown(truth.astype(float))
    for name, statistic in (("balanced_accuracy", balanced_accuracy), ("f1", _f1)):
        value = Value(math.nan, reason=why)
        if not why:
            value = _of_counts(statistic, grades, 2, seed)
        yield _row(name, value, threshold)


def _f1(counts: ndarray) -> ndarray:
    return f1_scores(counts)[:, 1]


def _macro_f1(counts: ndarray) -> ndarray:
    return f1_scores(counts).mean(axis=1)


def _of_counts(statistic: object, grades: Grades, n_classes: int, seed: int) -> Value:
    """A statistic of the confusion matrix with its BCa interval."""
    subject, n_subjects = codes(grades.subject)

    def of_weights(weights: ndarray) -> ndarray:
        return statistic(weighted_counts(weights, grades.truth, grades.pred, n_classes, subject))

    return resampled(of_weights, n_subjects, seed)


def _of_several(predictions: Predictions, seed: int) -> Iterator[dict]:
    """Rows over all classes of an outcome."""
    grades, n_classes = predictions.grades(), len(predictions.outcome.classes)
    failed = int((grades.pred == n_classes).sum())
    n = len(grades.truth) - failed
    people = len(np.unique(grades.subject[grades.pred < n_classes]))
    counts = {"n": n, "n_positive": math.nan, "n_subjects": people}
    counts |= {"n_missing": grades.n_missing, "n_failed": failed}
    lacking = sorted({*range(n_classes)} - {*grades.truth[grades.pred < n_classes].tolist()})
    names = [predictions.outcome.classes[place] for place in lacking]
    why = NO_PREDICTION if not n else f"no case of {', '.join(names)}" if lacking else ""
    yield counts | _row("auroc_macro", _macro_auc(predictions, grades, why))
    yield counts | _row("average_precision_macro", _macro_precision(predictions, why, seed))
    right = int((grades.truth == grades.pred).sum())
    whole = share(right, len(grades.truth), grades.n_subjects, NO_PREDICTION)
    yield counts | _row("accuracy", unless_few(whole, grades.n_subjects))
    agreement = "kappa_quadratic" if predictions.outcome.is_ordered else "kappa"
    statistics = {
        "balanced_accuracy": (balanced_accuracy, why),
        "f1_macro": (_macro_f1, why),
        agreement: (
            partial(kappa, is_quadratic=predictions.outcome.is_ordered),
            "" if n else NO_PREDICTION,
        ),
    }
    for name, (statistic, reason) in statistics.items():
        value = Value(math.nan, reason=reason)
        if not reason:
            value = _of_counts(statistic, grades, n_classes, seed)
        yield counts | _row(name, value)


def _macro_auc(predictions: Predictions, grades: Grades, why: str) -> Value:
    if why:
        return Value(math.nan, reason=why)
    n_classes = len(predictions.outcome.classes)
    scored = grades.pred < n_classes
    known = np.isfinite(predictions.references.to_numpy(float)).all(axis=1)
    p = predictions.probabilities.to_numpy(float)[known][scored]
    subject, n_subjects = codes(grades.subject[scored])
    kind = DELONG if len(subject) == n_subjects else OBUCHOWSKI
    estimate = mean_auc(p, grades.truth[scored], subject)
    reason = "fewer than 3 people of a class" if math.isnan(estimate.value) else ""
    return unless_few(from_estimate(estimate, kind, reason), n_subjects)


def _macro_precision(predictions: Predictions, why: str, seed: int) -> Value:
    if why:
        return Value(math.nan, reason=why)
    samples = [predictions.sample(label) for label in predictions.outcome.labels]
    subject, n_subjects = codes(samples[0].subject)  # all labels have the same cases

    def mean(weights: ndarray) -> ndarray:
        every = [_average_precision(weights, sample, subject) for sample in samples]
        return np.mean(every, axis=0)

    return resampled(mean, n_subjects, seed)


def _row(statistic: str, value: Value, threshold: float = math.nan) -> dict:
    return {"statistic": statistic, "threshold": threshold} | value._asdict()
