"""Resampling of subjects by weights: a draw says how often it holds each subject.

A statistic that takes weights is computed for all draws at once. D draws, S subjects.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

DRAWS = 2000

Weights = Float[ndarray, "D S"]


def draws(n_subjects: int, seed: int, draws: int = DRAWS) -> Weights:
    """Bootstrap weights: a row a draw, the times that it holds each subject; rows sum to S.

    The same seed gives the same draws, and those of `interval.bootstrap`.
    """
    drawn = np.random.default_rng(seed).integers(n_subjects, size=(draws, n_subjects))
    drawn += np.arange(draws)[:, None] * n_subjects  # a draw's own places in the flat count
    counts = np.bincount(drawn.ravel(), minlength=draws * n_subjects)
    return counts.reshape(draws, n_subjects).astype(float)
