"""Average precision of scores, for the sample and for resampled subjects."""

import math

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from neurotarget.stats.core.resample import BLOCK_ROWS, Values, Weights

Cases = Float[ndarray, " N"]
Flags = Bool[ndarray, " N"]
Codes = Integer[ndarray, " N"]


def weighted_average_precision(
    weights: Weights, score: Cases, is_positive: Flags, subject: Codes
) -> Values:
    """Average precision of every row of weights; NaN where a row has no positive case.

    The sum over thresholds of the precision times the gain in sensitivity, without interpolation;
    equal scores share a threshold. Random scores have the prevalence as their expected value.

    Args:
        weights: (R, S), how often each row counts each subject, with all the subject's cases.
        score: higher means more likely positive.
        is_positive: whether each case is positive.
        subject: number of each case's subject, from 0.

    Source: Saito and Rehmsmeier 2015, doi:10.1371/journal.pone.0118432; Davis and Goadrich 2006,
    doi:10.1145/1143844.1143874 (no linear interpolation).
    """
    order = np.argsort(-score, kind="stable")
    lasts = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])  # last case of each threshold
    blocks = []
    for start in range(0, len(weights), BLOCK_ROWS):
        block = weights[start : start + BLOCK_ROWS][:, subject[order]]
        above = np.cumsum(block, axis=1)[:, lasts]
        hits = np.cumsum(block * is_positive[order], axis=1)[:, lasts]
        precision = np.divide(hits, above, out=np.zeros_like(hits), where=above > 0)
        gains = np.diff(hits, axis=1, prepend=0.0)
        total = hits[:, -1]
        sums = (precision * gains).sum(axis=1)
        blocks.append(np.divide(sums, total, out=np.full(total.shape, math.nan), where=total > 0))
    return np.concatenate(blocks)


def average_precision(score: Cases, is_positive: Flags) -> float:
    """Average precision of cases of equal weight; NaN without a positive case.

    It is 1 where all positive cases score above all negative ones. It is also 1 where every case is
    positive, so compare it with the prevalence.
    """
    whole = np.ones((1, len(score)))
    return float(weighted_average_precision(whole, score, is_positive, np.arange(len(score)))[0])
