"""Stability of features: agreement of chains on their selection, and of masks on their values.

N cases, K measurements, M chains, F features.
"""

import math

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import norm

from neurotarget.stats.core.interval import LEVEL, Estimate, MeanSquares, icc_a1_interval
from neurotarget.stats.core.resample import icc_statistics

FEWEST_CASES = 3


def selection_stability(chosen: Bool[ndarray, "M F"]) -> Estimate:
    """Agreement of M chains on the features that they choose: 1 if always the same, 0 by chance.

    The interval assumes independent chains. Folds of the same cases are not independent, so it is
    too narrow. NaN with one chain, or where all chains choose no feature or all features.

    Source: Nogueira et al. 2018, Journal of Machine Learning Research 18(174):1-54.
    """
    m, f = chosen.shape
    if m < 2 or not f:
        return Estimate.undefined(m)
    share, size = chosen.mean(axis=0), float(chosen.sum(axis=1).mean())
    expected = size / f * (1 - size / f)
    if expected <= 0:
        return Estimate.undefined(m)
    value = 1 - float((m / (m - 1) * share * (1 - share)).mean()) / expected
    sizes = chosen.sum(axis=1)
    influence = (
        (chosen * share).mean(axis=1)
        - sizes * size / f**2
        + value / 2 * (2 * size * sizes / f**2 - sizes / f - size / f + 1)
    ) / expected
    error = math.sqrt(4 / m**2 * float(np.square(influence - influence.mean()).sum()))
    half = float(norm.ppf((1 + LEVEL) / 2)) * error
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), m)


def chosen_table(names: list[str], chosen: Bool[ndarray, "M F"]) -> pd.DataFrame:
    """Count how often each feature was chosen, the most frequent first, without unchosen features.

    Columns are `feature`, `chosen` (number of chains), `chains` and `share`.
    """
    counts = chosen.sum(axis=0)
    order = [place for place in np.argsort(-counts, kind="stable") if counts[place]]
    return pd.DataFrame(
        {
            "feature": [names[place] for place in order],
            "chosen": counts[order].astype(int),
            "chains": len(chosen),
            "share": counts[order] / max(len(chosen), 1),
        }
    )


def measurement_icc(values: Float[ndarray, "N K"]) -> Estimate:
    """ICC(A,1) of a feature over K measurements of the same cases, with its interval.

    Cases without all measurements are left out. NaN with fewer than three cases or without spread.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30.
    """
    whole = values[np.isfinite(values).all(axis=1)]
    n, k = whole.shape
    if n < FEWEST_CASES or np.ptp(whole) == 0:
        return Estimate.undefined(n)
    middle, columns = whole.mean(axis=1), whole.mean(axis=0)
    rest = whole - middle[:, None] - columns + columns.mean()
    squares = MeanSquares(
        cases=k * float(middle.var(ddof=1)),
        methods=float(columns.var(ddof=1)),
        error=float(np.square(rest).sum()) / ((n - 1) * (k - 1)),
        k=k,
    )
    one = np.array([float(n)])
    methods = np.array([n * squares.methods])
    found = icc_statistics(one, k, np.array([squares.cases]), methods, np.array([squares.error]))
    return Estimate(float(found["icc_a1"][0]), *icc_a1_interval(squares, n), n)
