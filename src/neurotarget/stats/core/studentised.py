"""Intervals by resampling subjects: jackknife with Student's t, and studentised bootstrap.

In simulations with few subjects both have higher coverage than BCa. R rows of weights, S subjects,
N cases, as in `resample`.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import stdtrit

from neurotarget.stats.core.resample import LEVEL, LIMIT_SD, ROUNDING, Cases, Codes, Values, Weights

NO_ERROR = 1e-8  # an error of a draw below this share of the sample's is rounding error
MOST_LOG = 700.0  # largest logarithm whose exponential is finite
CERTAIN = 1 - 1e-12  # largest coefficient used, since Fisher's z of 1 is infinite


def jackknife_t(replicated: Values, kind: str = "") -> tuple[float, float]:
    """Interval of a statistic computed for the sample (row 0) and for each row of `left_out`.

    The interval is Student's t with subjects − 1 degrees of freedom times the jackknife's standard
    error. `kind` "z" uses the scale of Fisher's z, for correlation coefficients. NaN where the
    statistic is undefined without one of the subjects.

    Source: Tukey 1958, Annals of Mathematical Statistics 29:614; Miller 1974,
    doi:10.1093/biomet/61.1.1; for regression lines Linnet 1993, doi:10.1093/clinchem/39.3.424.
    """
    value, n = float(replicated[0]), len(replicated) - 1
    if n < 2 or not np.isfinite(replicated).all():
        return math.nan, math.nan
    if np.ptp(replicated) <= ROUNDING * np.abs(replicated).max():
        return value, value
    known = np.arctanh(np.clip(replicated, -CERTAIN, CERTAIN)) if kind == "z" else replicated
    deviations = known[1:] - known[1:].mean()
    half = float(
        stdtrit(n - 1, (1 + LEVEL) / 2) * math.sqrt((n - 1) / n * float(deviations @ deviations))
    )
    low, high = known[0] - half, known[0] + half
    return (math.tanh(low), math.tanh(high)) if kind == "z" else (float(low), float(high))


def bootstrap_t(values: Cases, subject: Codes, weights: Weights) -> dict[str, tuple[float, float]]:
    """Studentised bootstrap of the SD of values and of their mean ± 1.96 SD, by name.

    `weights` (R, S) are bootstrap draws of subjects. The deviation of each draw is divided by the
    draw's own linearised error; the SD is on the log scale. NaN where half of the draws or more
    have no spread.

    Source: Efron and Tibshirani 1993, doi:10.1201/9780429246593, section 12.5.
    """
    middle = float(values.mean())
    sums = np.zeros((weights.shape[1], 3))
    np.add.at(sums, subject, np.stack([(values - middle) ** power for power in range(3)], axis=1))
    whole = _limits_and_errors(np.ones((1, len(sums))), sums)
    in_draws = _limits_and_errors(weights, sums)
    intervals = {}
    for name, (value, error) in whole.items():
        with np.errstate(all="ignore"):  # a draw without spread has no error
            t = (in_draws[name][0] - value) / in_draws[name][1]
        # for two distinct values in equal parts the error of the SD is only rounding
        t = t[np.isfinite(t) & (in_draws[name][1] > NO_ERROR * error[0])]
        if 2 * len(t) <= len(weights) or not error[0] > 0:
            intervals[name] = (math.nan, math.nan)
            continue
        tails = np.quantile(t, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
        low, high = (value - tails * error).tolist()
        is_log = name == "sd_difference"
        intervals[name] = _exponentials(low, high) if is_log else (low + middle, high + middle)
    return intervals


def _exponentials(low: float, high: float) -> tuple[float, float]:
    """Ends on the scale of the SD; NaN where an exponential overflows."""
    return (math.exp(low), math.exp(high)) if high < MOST_LOG else (math.nan, math.nan)


def _limits_and_errors(
    weights: Weights, sums: Float[ndarray, "S 3"]
) -> dict[str, tuple[Values, Values]]:
    """Value and error of each statistic of `bootstrap_t`, from sums of powers per subject."""
    n, total, square = (weights @ sums).T
    mean = total / n
    with np.errstate(all="ignore"):
        variance = square / n - mean**2
        least = (
            ROUNDING * sums[:, 2].sum() / sums[:, 0].sum()
        )  # smaller variances are rounding error
        variance = np.where(variance > least, variance, math.nan)
        sd = np.sqrt(variance * n / (n - 1))
        # influence of each subject on the mean, and on the logarithm of the SD
        on_mean = sums[:, 1] - mean[:, None] * sums[:, 0]
        moved = sums[:, 2] - 2 * mean[:, None] * sums[:, 1]
        moved += (mean**2 - variance)[:, None] * sums[:, 0]
        on_log = moved / (2 * variance[:, None])
        share = weights.shape[1] / (weights.shape[1] - 1)

        def error(influence: Float[ndarray, "R S"]) -> Values:
            return np.sqrt(share * (weights * influence**2).sum(axis=1)) / n

        by_sd = LIMIT_SD * sd[:, None] * on_log
        return {
            "sd_difference": (np.log(sd), error(on_log)),
            "lower_limit": (mean - LIMIT_SD * sd, error(on_mean - by_sd)),
            "upper_limit": (mean + LIMIT_SD * sd, error(on_mean + by_sd)),
        }
