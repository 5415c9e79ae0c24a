"""Names of predicted classes and thresholds in texts and figures."""

import math

from neurotarget.number_text import stated
from neurotarget.report.text.sentences import label_text
from neurotarget.stats.cohort.predicted_classes import Predictions, Sample, predictions_of
from neurotarget.stats.study.results import Study


def predicted_labels(study: Study) -> list[tuple[Predictions, str, Sample]]:
    """Return each label of each outcome of classes with its cases, in the target's order.

    Returns:
        The predictions of the outcome, the label, and its probabilities with the reference as a
        `Sample`; labels without a case that has both are left out.
    """
    return [
        (predictions, label, sample)
        for predictions in predictions_of(study.measured)
        for label in predictions.outcome.labels
        if len((sample := predictions.sample(label)).y)
    ]


def class_text(study: Study, label: str) -> str:
    """Return the class whose probability a label has: the positive class of a binary outcome.

    A name that is no label of an outcome is returned as a text.
    """
    for outcome in study.measured.target.outcomes:
        if label in outcome.labels:
            if outcome.kind == "binary":
                return label_text(outcome.classes[1])
            return label_text(outcome.classes[outcome.labels.index(label)])
    return label_text(label)


def positive_text(study: Study, label: str, count: int) -> str:
    """Return the number of positive cases, or of cases of one class among several."""
    binary = [one.name for one in study.measured.target.outcomes if one.kind == "binary"]
    return f"{count} {'positive' if label in binary else 'of the class'}"


def threshold_text(threshold: float) -> str:
    """Return the rule by which a class is predicted; NaN stands for the largest probability."""
    if math.isnan(threshold):
        return "the class of the largest probability"
    return f"positive above a probability of {stated(threshold)}"
