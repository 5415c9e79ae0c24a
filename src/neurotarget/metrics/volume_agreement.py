"""Agreement of predicted with reference volumes over a list of cases.

`truth` and `pred` are 1-D arrays with one value per case, in equal units. Every function returns
NaN for fewer than three cases, a value that is not finite, or no spread.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import pearsonr, spearmanr

Cases = Float[ndarray, " N"]


def pearson_r(truth: Cases, pred: Cases) -> float:
    """Return Pearson's correlation, in [−1, 1]; bias and a wrong scale do not lower it."""
    return math.nan if _is_undefined(truth, pred) else float(pearsonr(truth, pred).statistic)


def spearman_rho(truth: Cases, pred: Cases) -> float:
    """Return Spearman's rank correlation, in [−1, 1]; tied values get their mean rank."""
    return math.nan if _is_undefined(truth, pred) else float(spearmanr(truth, pred).statistic)


def icc_a1(truth: Cases, pred: Cases) -> float:
    """Return ICC(A,1): two-way absolute agreement of single values, at most 1; bias lowers it.

    It is (MSR − MSE) / (MSR + (k − 1) MSE + k (MSC − MSE) / n) for k = 2 methods and n cases, and
    equals ICC(2,1) of Shrout and Fleiss.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30.
    """
    both = np.stack([truth, pred])
    if len(truth) < 3 or not np.isfinite(both).all() or np.ptp(both) == 0:
        return math.nan
    n, means, differences = len(truth), (truth + pred) / 2, pred - truth
    between, error = 2 * means.var(ddof=1), differences.var(ddof=1) / 2
    methods = n * differences.mean() ** 2 / 2
    total = between + error + 2 * (methods - error) / n
    return float((between - error) / total) if total else math.nan


def _is_undefined(truth: Cases, pred: Cases) -> bool:
    is_finite = np.isfinite([truth, pred]).all()
    return bool(len(truth) < 3 or not is_finite or np.ptp(truth) == 0 or np.ptp(pred) == 0)
