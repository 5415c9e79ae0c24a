"""Brier score with its parts, and log loss, of predicted probabilities.

p are probabilities of N cases and y is 1 for positive cases, else 0; smaller scores are better.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.optimize import isotonic_regression

from neurotarget.stats.core.resample import Values, Weights, weighted_means

Cases = Float[ndarray, " N"]
Codes = Integer[ndarray, " N"]

LEAST = 1e-7  # probabilities are clipped to [LEAST, 1 − LEAST] before a logarithm


class BrierParts(NamedTuple):
    """Brier score = miscalibration − discrimination + uncertainty."""

    miscalibration: float  # part that the best monotone recalibration would remove
    discrimination: float  # gain of the recalibrated probabilities over the prevalence
    uncertainty: float  # score of the prevalence, π (1 − π)


def cut(p: Cases) -> Cases:
    """Clip probabilities away from 0 and 1, whose logarithm or logit would be infinite.

    A wrong prediction of probability 1 thus has a log loss of 16.1 nats.
    """
    return np.clip(p, LEAST, 1 - LEAST)


def log_losses(p: Cases, y: Cases) -> Cases:
    """Log loss of each case, in nats: −log of the probability of the observed class.

    0 is perfect; a probability of one half has 0.69 for either class.
    """
    return -np.log(np.where(y == 1, cut(p), 1 - cut(p)))


def brier_parts(p: Cases, y: Cases) -> BrierParts:
    """Split the Brier score exactly, without bins, by isotonic regression.

    Source: Dimitriadis et al. 2021, doi:10.1073/pnas.2016191118.
    """
    # equal probabilities are one point of the regression
    place = np.unique(p, return_inverse=True)[1]
    n = np.bincount(place).astype(float)
    fitted = isotonic_regression(np.bincount(place, y) / n, weights=n).x[place]
    score, recalibrated = float(np.square(p - y).mean()), float(np.square(fitted - y).mean())
    uncertainty = float(y.mean() * (1 - y.mean()))
    return BrierParts(score - recalibrated, uncertainty - recalibrated, uncertainty)


def weighted_scaled_brier(weights: Weights, p: Cases, y: Cases, subject: Codes) -> Values:
    """1 − Brier score / Brier score of the prevalence, for every row of weights.

    1 is perfect; 0 is no better than the prevalence. NaN where a row has one class only.

    Source: Steyerberg et al. 2010, doi:10.1097/EDE.0b013e3181c30fb2.
    """
    _, means = weighted_means(weights, np.column_stack([np.square(p - y), y]), subject)
    score, share = means.T
    spread = share * (1 - share)
    known = spread > LEAST
    return 1 - np.divide(score, spread, out=np.full(score.shape, np.nan), where=known)


def weighted_expected_observed(weights: Weights, p: Cases, y: Cases, subject: Codes) -> Values:
    """Mean probability divided by the share of positive cases, for every row of weights.

    Above 1 probabilities are too high on average, below 1 too low. NaN without positive cases.
    """
    _, means = weighted_means(weights, np.column_stack([p, y]), subject)
    expected, observed = means.T
    return np.divide(expected, observed, out=np.full(expected.shape, np.nan), where=observed > 0)
