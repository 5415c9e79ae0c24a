"""Counts of cases by reference class and predicted class, and the statistics of these counts.

R rows of weights, C classes. The last of the C + 1 columns counts failed predictions: they are hits
of no class, so they lower sensitivities and accuracy. Predictive values and kappa leave them out.
Every statistic is NaN where its divisor is 0.
"""

import math

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.core.resample import Values, Weights

Counts = Float[ndarray, "R C D"]  # D = C + 1
Classes = Integer[ndarray, " N"]


def weighted_counts(
    weights: Weights, truth: Classes, pred: Classes, n_classes: int, subject: Classes
) -> Counts:
    """Counts of every row of weights, reference class by predicted class.

    Args:
        weights: (R, S), how often each row counts each subject.
        truth: class of each case, from 0.
        pred: predicted class; `n_classes` where a prediction failed.
        n_classes: number of classes C.
        subject: number of each case's subject, from 0.

    Returns:
        Counts (R, C, C + 1); failed predictions are in the last column.
    """
    cells = truth * (n_classes + 1) + pred
    per_subject = np.zeros((weights.shape[1], n_classes * (n_classes + 1)))
    np.add.at(per_subject, (subject, cells), 1.0)
    return (weights @ per_subject).reshape(len(weights), n_classes, n_classes + 1)


def accuracy(counts: Counts) -> Values:
    """Share of cases whose predicted class is that of the reference; a failed case is a miss."""
    return _ratio(_hits(counts).sum(axis=1), counts.sum(axis=(1, 2)))


def sensitivities(counts: Counts) -> Float[ndarray, "R C"]:
    """Share of each class's cases with this predicted class; NaN for a class without cases."""
    return _ratio(_hits(counts), counts.sum(axis=2))


def balanced_accuracy(counts: Counts) -> Values:
    """Mean of the classes' sensitivities, which weights rare and frequent classes equally.

    Source: Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
    """
    return sensitivities(counts).mean(axis=1)


def f1_scores(counts: Counts) -> Float[ndarray, "R C"]:
    """Harmonic mean of precision and sensitivity of each class, in [0, 1].

    A failed prediction lowers the sensitivity alone: it is no prediction of another class.
    """
    predicted = counts[:, :, :-1].sum(axis=1)
    return _ratio(2 * _hits(counts), predicted + counts.sum(axis=2))


def kappa(counts: Counts, *, is_quadratic: bool) -> Values:
    """Cohen's kappa; `is_quadratic` weights disagreement by the squared distance of grades.

    Source: Cohen 1968, doi:10.1037/h0026256.
    """
    known = counts[:, :, :-1]
    grades = np.arange(known.shape[1])
    distance = grades[:, None] - grades
    weight = distance**2 if is_quadratic else distance != 0
    rows, columns = known.sum(axis=2), known.sum(axis=1)
    expected = np.einsum("rc,rd,cd->r", rows, columns, weight.astype(float))
    observed = (known * weight).sum(axis=(1, 2)) * known.sum(axis=(1, 2))
    return 1 - _ratio(observed, expected)


def _hits(counts: Counts) -> Float[ndarray, "R C"]:
    return np.diagonal(counts[:, :, :-1], axis1=1, axis2=2)


def _ratio(above: ndarray, below: ndarray) -> ndarray:
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(below.shape, math.nan), where=below > 0)
