"""Agreement of predicted with reference volumes over a list of cases.

`truth` and `pred` are 1-D arrays with one value per case, in equal units. Every function returns
NaN for fewer than three cases, a value that is not finite, or no spread.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import rankdata

Cases = Float[ndarray, " N"]


def pearson_r(truth: Cases, pred: Cases) -> float:
    """Return Pearson's correlation, in [−1, 1]."""
    _check("pearson_r", truth, pred)
    if _undefined(truth, pred):
        return math.nan
    return float(np.clip(np.corrcoef(truth, pred)[0, 1], -1, 1))


def spearman_rho(truth: Cases, pred: Cases) -> float:
    """Return Spearman's rank correlation, in [−1, 1]; ties have their mean rank."""
    _check("spearman_rho", truth, pred)
    if _undefined(truth, pred):
        return math.nan
    return pearson_r(rankdata(truth), rankdata(pred))


def icc_a1(truth: Cases, pred: Cases) -> float:
    """Return ICC(A,1): two-way absolute agreement of single values, at most 1; bias lowers it.

    The closed form (MSR − MSE) / (MSR + (k − 1) MSE + k (MSC − MSE) / n) for k = 2 methods and
    n cases; the same number as ICC(2,1) of Shrout and Fleiss.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30.
    """
    _check("icc_a1", truth, pred)
    table = np.stack([truth, pred], axis=1).astype(float)  # (N, 2)
    if len(table) < 3 or not np.isfinite(table).all() or table.std() == 0:
        return math.nan
    n, k = table.shape
    rows, columns, whole = table.mean(axis=1), table.mean(axis=0), table.mean()
    between = k * np.square(rows - whole).sum() / (n - 1)
    methods = n * np.square(columns - whole).sum() / (k - 1)
    rest = table - rows[:, None] - columns[None, :] + whole
    error = np.square(rest).sum() / ((n - 1) * (k - 1))
    total = between + (k - 1) * error + k * (methods - error) / n
    return float((between - error) / total) if total else math.nan


def _check(name: str, truth: Cases, pred: Cases) -> None:
    if truth.ndim != 1 or truth.shape != pred.shape:
        raise ValueError(
            f"{name}: got truth {truth.shape} and pred {pred.shape}, wanted one value per case "
            "in both; join them by case_id first"
        )


def _undefined(truth: Cases, pred: Cases) -> bool:
    finite = np.isfinite(truth).all() and np.isfinite(pred).all()
    return len(truth) < 3 or not finite or np.ptp(truth) == 0 or np.ptp(pred) == 0
