"""Fusion of the probabilities of several series into one, by shrunken logistic regression.

logit P(y = 1) = a + b · Σ w_k z_k, with z_k the log odds that the network of series k gives, and
weights w = softmax(θ) over the series that the exam has. So weights are positive and sum to one; a
missing series does not change the ratios of the other weights, and θ = 0 gives the plain mean. A
penalty λ |θ|² / 2 shrinks the weights towards equal weights. Cross-validation chooses the largest λ
(infinity included) whose log loss is within one standard error of the smallest.

N exams, K series. Source: Bien et al. 2018, doi:10.1371/journal.pmed.1002699 (logistic regression
over series); Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634 (shrinkage);
Breiman et al. 1984, doi:10.1201/9781315139470 (the rule of one standard error).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax

Probabilities = Float[ndarray, "N K"]  # NaN where an exam lacks the series
Cases = Float[ndarray, " N"]
Codes = Integer[ndarray, " N"]  # number of each exam's subject, from 0

PENALTIES = (0.1, 1.0, 10.0, 100.0, math.inf)
WEAK = PENALTIES[0]  # leaves the weights nearly to the data
FOLDS, INNER_FOLDS = 5, 5
FEWEST = 10  # with fewer exams of the rarer class, weights stay equal
LEAST = 1e-4  # probabilities are clipped to [LEAST, 1 − LEAST], so that no series decides alone
DRAWS = 300  # bootstrap samples
MIDDLE = (0.025, 0.975)


class Fusion(NamedTuple):
    """A fitted fusion of K series."""

    intercept: float
    slope: float
    theta: Float[ndarray, " K"]  # weights are softmax(theta)
    penalty: float

    @property
    def weights(self) -> Float[ndarray, " K"]:
        """Return the weights of the series in an exam that has all series."""
        return softmax(self.theta)

    def score(self, p: Probabilities) -> Cases:
        """Return the weighted mean log odds of each exam's series; NaN for an exam without any."""
        return _weighed(self.theta, _log_odds(p))[1]


class Fused(NamedTuple):
    """Scores of exams by fusions that were fitted to other exams."""

    score: Cases  # weighted mean of log odds
    penalties: tuple[float, ...]  # chosen in each fold
    fold: Codes


def fit_fusion(p: Probabilities, y: Cases, subject: Codes, *, seed: int) -> Fusion:
    """Fit a fusion to exams with weights as near to equal as cross-validation allows.

    With fewer than ten exams of a class the weights stay equal.

    Args:
        p: (N, K) probabilities, NaN where an exam lacks the series.
        y: 1 for positive exams, else 0.
        subject: number of each exam's person, from 0; folds keep a person together.
        seed: random seed of the folds in which the penalty is chosen.
    """
    return _fit(p, y, _chosen_penalty(p, y, subject, seed))


def fused_out_of_fold(p: Probabilities, y: Cases, subject: Codes, *, seed: int) -> Fused:
    """Score each exam by a fusion fitted to the exams of other people, in five folds.

    Penalties, too, are chosen within the training exams of a fold, so that no exam takes part in
    its own score. Arguments are those of `fit_fusion`.
    """
    folds = _folds(y, subject, FOLDS, seed)
    score, penalties = np.full(len(y), np.nan), []
    for fold in range(FOLDS):
        held = folds == fold
        fusion = fit_fusion(p[~held], y[~held], subject[~held], seed=seed)
        score[held] = fusion.score(p[held])
        penalties.append(fusion.penalty)
    return Fused(score, tuple(penalties), folds)


def plain_mean(p: Probabilities) -> Cases:
    """Mean probability of the series that each exam has; NaN for an exam without series.

    It is the reference for the fusion with learned weights.
    """
    there = np.isfinite(p)
    return np.divide(
        np.nansum(p, axis=1), there.sum(axis=1), np.full(len(p), np.nan), where=there.any(axis=1)
    )


def weight_intervals(
    p: Probabilities, y: Cases, subject: Codes, *, seed: int
) -> tuple[Float[ndarray, " K"], Float[ndarray, "2 K"]]:
    """Return hardly shrunk weights of the K series and their 95 % bootstrap interval over subjects.

    A series differs from the others only if its interval excludes 1 / K.
    """
    rng, people = np.random.default_rng(seed), np.unique(subject)
    rows = [np.flatnonzero(subject == one) for one in people]
    drawn = []
    while len(drawn) < DRAWS:
        sample = np.concatenate([rows[one] for one in rng.integers(len(rows), size=len(rows))])
        if len(np.unique(y[sample])) == 2:
            drawn.append(_fit(p[sample], y[sample], WEAK).weights)
    return _fit(p, y, WEAK).weights, np.quantile(drawn, MIDDLE, axis=0)


def _chosen_penalty(p: Probabilities, y: Cases, subject: Codes, seed: int) -> float:
    if min((y == 0).sum(), (y == 1).sum()) < FEWEST:
        return math.inf
    folds, losses = _folds(y, subject, INNER_FOLDS, seed), {}
    for penalty in PENALTIES:
        parts = []
        for fold in range(INNER_FOLDS):
            held = folds == fold
            if len(np.unique(y[~held])) == 2 and held.any():
                parts.append(_losses(_fit(p[~held], y[~held], penalty), p[held], y[held]))
        losses[penalty] = np.concatenate(parts)
    best = min(losses.values(), key=np.mean)
    # the largest penalty whose loss is within one standard error of the best
    return max(penalty for penalty, loss in losses.items() if not _is_worse(loss, best))


def _is_worse(loss: Cases, best: Cases) -> bool:
    difference = loss - best
    return difference.mean() > difference.std(ddof=1) / math.sqrt(len(difference))


def _fit(p: Probabilities, y: Cases, penalty: float) -> Fusion:
    z, is_equal = _log_odds(p), math.isinf(penalty)
    filled = np.nan_to_num(z)

    def loss(values: ndarray) -> tuple[float, ndarray]:
        theta = np.zeros(z.shape[1]) if is_equal else values[2:]
        weights, mean = _weighed(theta, z)
        mean = np.nan_to_num(mean)
        slope = np.exp(values[1])
        line = values[0] + slope * mean
        residual = expit(line) - y
        value = float((np.logaddexp(0, line) - y * line).sum())
        gradient = [residual.sum(), slope * (residual * mean).sum()]
        if is_equal:
            return value + values[1] ** 2 / 2, np.array([gradient[0], gradient[1] + values[1]])
        turn = (residual * slope)[:, None] * weights * (filled - mean[:, None])
        return (
            value + (values[1] ** 2 + penalty * (theta**2).sum()) / 2,
            np.array([gradient[0], gradient[1] + values[1], *(turn.sum(axis=0) + penalty * theta)]),
        )

    start = np.zeros(2 if is_equal else 2 + z.shape[1])
    # a unit normal prior on the logarithm of the slope keeps it finite for separable exams
    best = minimize(loss, start, jac=True, method="L-BFGS-B").x
    theta = np.zeros(z.shape[1]) if is_equal else best[2:]
    return Fusion(float(best[0]), float(np.exp(best[1])), theta, penalty)


def _losses(fusion: Fusion, p: Probabilities, y: Cases) -> Cases:
    line = fusion.intercept + fusion.slope * np.nan_to_num(fusion.score(p))
    return np.logaddexp(0, line) - y * line


def _log_odds(p: Probabilities) -> Probabilities:
    return logit(np.clip(p, LEAST, 1 - LEAST))


def _weighed(theta: Float[ndarray, " K"], z: Probabilities) -> tuple[Probabilities, Cases]:
    """Weights of the series of each exam, and their weighted mean; NaN without any series."""
    there = np.isfinite(z)
    share = np.where(there, np.exp(theta - theta.max()), 0.0)
    total = share.sum(axis=1, keepdims=True)
    weights = np.divide(share, total, np.zeros_like(share), where=total > 0)
    mean = (weights * np.nan_to_num(z)).sum(axis=1)
    return weights, np.where(there.any(axis=1), mean, np.nan)


def _folds(y: Cases, subject: Codes, count: int, seed: int) -> Codes:
    """Folds of whole subjects, with about equal shares of subjects with a positive exam."""
    rng = np.random.default_rng(seed)
    people, place = np.unique(subject, return_inverse=True)
    ill = np.zeros(len(people), dtype=bool)
    np.logical_or.at(ill, place, y == 1)
    of_person = np.empty(len(people), dtype=int)
    for kind in (False, True):
        own = rng.permutation(np.flatnonzero(ill == kind))
        of_person[own] = np.arange(len(own)) % count
    return of_person[place]
