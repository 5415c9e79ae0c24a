"""Predicted probabilities of a cohort's outcomes, with the reference of each case."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from neurotarget.outcome import Outcome
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.core.resample import codes

PREDICTED = "predicted"  # method of the rows of rows.csv
THRESHOLD = 0.5  # used in addition to the threshold that a run has stored


class Predictions(NamedTuple):
    """Probabilities of one outcome; all tables and series have the same cases (index `case_id`).

    Columns are the outcome's labels. `references` are 1 in the column of the case's class and 0 in
    the others, or NaN without a reference. Cases in `is_failed` have no prediction.
    """

    outcome: Outcome
    method: str
    probabilities: pd.DataFrame
    references: pd.DataFrame
    is_failed: pd.Series
    subjects: pd.Series

    @property
    def has_several(self) -> bool:
        """True for several classes, each with its own label; False for a binary outcome."""
        return self.outcome.kind == "classes"

    def of(self, case_ids: pd.Index) -> "Predictions":
        """Return the predictions of these cases, in this order.

        Raises:
            KeyError: a case is not among those of the predictions.
        """
        tables = (self.probabilities, self.references, self.is_failed, self.subjects)
        return Predictions(self.outcome, self.method, *(one.loc[case_ids] for one in tables))

    def sample(self, label: str) -> "Sample":
        """Return the cases with a reference, for one class against all other classes.

        Cases without a reference are counted in `n_missing`. Subjects of the other cases are
        numbered from 0.
        """
        truth = self.references[label].to_numpy(float)
        known = np.isfinite(truth)
        p = self.probabilities[label].to_numpy(float)[known]
        y, failed = truth[known], ~np.isfinite(p)
        subject = codes(self.subjects.to_numpy()[known])[0] if known.any() else np.zeros(0, int)
        return Sample(p[~failed], y[~failed], subject[~failed], y[failed], subject[failed],
                      int((~known).sum()))  # fmt: skip

    def grades(self, threshold: float = THRESHOLD) -> "Grades":
        """Return numbers of the reference and predicted class of the cases with a reference.

        A binary outcome is predicted as positive above the threshold. Of several classes, the class
        with the largest probability is predicted. A failed prediction has the number after the last
        class.
        """
        references, n_classes = self.references.to_numpy(float), len(self.outcome.classes)
        known = np.isfinite(references).all(axis=1)
        p, references = self.probabilities.to_numpy(float)[known], references[known]
        failed = ~np.isfinite(p).all(axis=1)
        if self.has_several:
            truth, pred = references.argmax(axis=1), np.nan_to_num(p, nan=-1.0).argmax(axis=1)
        else:
            truth, pred = references[:, 0].astype(int), (p[:, 0] > threshold).astype(int)
        subject = codes(self.subjects.to_numpy()[known])[0] if known.any() else np.zeros(0, int)
        return Grades(truth, np.where(failed, n_classes, pred), subject, int((~known).sum()))


class Sample(NamedTuple):
    """Cases of one label: probability, reference (0 or 1) and number of the subject.

    Failed predictions, which have no probability, have separate fields.
    """

    p: Float[ndarray, " N"]
    y: Float[ndarray, " N"]
    subject: Integer[ndarray, " N"]
    failed_y: Float[ndarray, " F"]
    failed_subject: Integer[ndarray, " F"]
    n_missing: int  # cases without a reference

    @property
    def is_positive(self) -> Bool[ndarray, " N"]:
        """True for positive cases."""
        return self.y == 1

    @property
    def n_subjects(self) -> int:
        """Number of subjects with a prediction."""
        return len(np.unique(self.subject))


class Grades(NamedTuple):
    """Reference and predicted class of each case, and the number of its subject."""

    truth: Integer[ndarray, " N"]
    pred: Integer[ndarray, " N"]
    subject: Integer[ndarray, " N"]
    n_missing: int

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(np.unique(self.subject))


def predictions_of(measured: Measured) -> list[Predictions]:
    """Return the predictions of every outcome of classes that has rows of scores.

    A case has failed if its row `failed` is 1, or if one of its classes has no probability.
    """
    found, index = [], measured.covariates.index
    for outcome in measured.target.outcomes:
        if not outcome.is_class or "metric" not in measured.scores:
            continue
        rows = measured.scores[measured.scores["label"].isin((outcome.name, *outcome.labels))]
        labels = list(outcome.labels)
        tables = [_wide(rows, f"{prefix}probability", index, labels)
                  for prefix in ("", "reference_")]  # fmt: skip
        failed = _wide(rows, "failed", index, [outcome.name])[outcome.name] == 1
        if not (failed.any() or tables[0].notna().any(axis=None)):
            continue
        # a failed case has no probabilities, and a case that lacks one probability has failed
        is_unknown = failed | tables[0].isna().any(axis=1)
        tables[0] = tables[0].mask(is_unknown, math.nan)
        method = measured.network or PREDICTED
        found.append(Predictions(outcome, method, *tables, is_unknown, measured.subjects))
    return found


def _wide(rows: pd.DataFrame, metric: str, index: pd.Index, labels: list[str]) -> pd.DataFrame:
    own = rows[rows["metric"] == metric].astype({"value": float})
    table = own.pivot(index="case_id", columns="label", values="value")
    return table.reindex(index=index, columns=labels)
