"""Errors of predicted numbers: R², mean absolute error and calibration line.

N cases, W rows of weights of people.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurotarget.stats.core.resample import ends, replicates, weighted_means
from neurotarget.stats.radiomics.radiomic_arms import RadiomicArm
from neurotarget.stats.radiomics.radiomics_outcome import Outcome

NAMES = ("r2", "mae", "slope", "intercept")


def errors_of_arms(
    outcome: Outcome, scored: Mapping[str, RadiomicArm], seed: int
) -> pd.DataFrame:  # fmt: skip
    """Return the errors of held-out cases per set of terms, with BCa intervals over people.

    R² compares squared errors with those of the mean of all cases; at 0 or less, predictions are no
    better than this mean. Errors are means over repeats; the line regresses the true number on the
    mean prediction over repeats. `mae_mean` is the mean absolute error of the mean of all cases.

    Source: Efron 1987, doi:10.1080/01621459.1987.10478410 (intervals).
    """
    weights = replicates(int(outcome.subject.max()) + 1, seed)
    rows = []
    for name, arm in scored.items():
        values = weighted_errors(weights, outcome, arm.held.score)
        for statistic, drawn in zip(NAMES, values, strict=True):
            low, high = ends(drawn)
            rows.append({"terms": name, "statistic": statistic, "value": float(drawn[0]),
                         "low": low, "high": high, "n": len(outcome.y)})  # fmt: skip
    spread = float(np.abs(outcome.y - outcome.y.mean()).mean())
    rows.append({"terms": "the mean of all", "statistic": "mae", "value": spread, "low": np.nan,
                 "high": np.nan, "n": len(outcome.y)})  # fmt: skip
    return pd.DataFrame(rows)


def weighted_errors(
    weights: Float[ndarray, "W S"], outcome: Outcome, score: Float[ndarray, "R N"]
) -> tuple[Float[ndarray, " W"], ...]:
    """R², mean absolute error, slope and intercept for every row of weights of people.

    Args:
        weights: (W, S), how often each row counts each person.
        outcome: the true numbers.
        score: (R, N) predictions of R repeats. Errors are means over repeats; the line regresses
            the true number on the mean prediction.
    """
    middle = float(outcome.y.mean())
    y, p = outcome.y - middle, score.mean(axis=0) - middle
    error = score - outcome.y
    columns = np.column_stack([np.square(error).mean(axis=0), np.abs(error).mean(axis=0),
                               y, y**2, p, p**2, p * y])  # fmt: skip
    _, means = weighted_means(weights, columns, outcome.subject)
    squared, absolute, my, myy, mp, mpp, mpy = means.T
    variance, spread = myy - my**2, mpp - mp**2
    r2 = 1 - np.divide(squared, variance, out=np.full(len(variance), np.nan), where=variance > 0)
    slope = np.divide(mpy - mp * my, spread, out=np.full(len(spread), np.nan), where=spread > 0)
    return r2, absolute, slope, my + middle - slope * (mp + middle)
