"""Bootstrap and jackknife over subjects, as weights that count each subject per draw.

The statistics here are functions of weighted means, so one matrix product computes them for all
draws. With whole-number weights, a statistic equals the plain formula on a sample in which every
case is repeated as often as its weight says.

R rows of weights, S subjects, N cases, K methods.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.special import ndtr, ndtri

DRAWS = 2000
LEVEL = 0.95
LIMIT_SD = 1.96  # Bland and Altman's limits
MOST_GROUPS = 2000  # with more subjects, the jackknife leaves out groups of them
BLOCK_ROWS = 250  # rows of weights that are ranked at once, so that they stay in the CPU cache
ROUNDING = 1e-12  # a spread below this share of the data's own is rounding error

Weights = Float[ndarray, "R S"]
Values = Float[ndarray, " R"]
Cases = Float[ndarray, " N"]
Codes = Integer[ndarray, " N"]  # number of each case's subject, from 0


class PairMeans(NamedTuple):
    """Weighted moments of two methods x and y, of d = y − x and of m = (x + y) / 2, per row."""

    n: Values
    mean_x: Values
    mean_y: Values
    percent: Values  # mean of 100 d / m
    var_x: Values  # variances and covariances divide by n
    var_y: Values
    cov_xy: Values
    var_d: Values
    var_m: Values
    cov_dm: Values


def draws(n_subjects: int, seed: int, count: int = DRAWS) -> Weights:
    """Return bootstrap weights (count, S): how often each draw counts each subject; rows sum to S.

    The same seed gives the same draws.
    """
    sampled = np.random.default_rng(seed).integers(n_subjects, size=(count, n_subjects))
    sampled += np.arange(count)[:, None] * n_subjects  # offsets of each draw in the flat count
    counts = np.bincount(sampled.ravel(), minlength=count * n_subjects)
    return counts.reshape(count, n_subjects).astype(float)


def left_out(n_subjects: int, most: int = MOST_GROUPS) -> Weights:
    """Return jackknife weights: each row leaves out one subject.

    With more than `most` subjects, each row leaves out a group of subjects.
    """
    groups = min(n_subjects, most)
    if groups < 2:
        return np.empty((0, n_subjects))
    group = np.arange(n_subjects) % groups
    return (group != np.arange(groups)[:, None]).astype(float)


@lru_cache(maxsize=4)  # all labels of a table use the same weights
def replicates(n_subjects: int, seed: int, count: int = DRAWS) -> Weights:
    """Return read-only weights of the sample (row 0), then `count` draws, then the jackknife."""
    whole = np.ones((1, n_subjects))
    weights = np.concatenate([whole, draws(n_subjects, seed, count), left_out(n_subjects)])
    weights.setflags(write=False)
    return weights


def codes(subjects: object) -> tuple[Codes, int]:
    """Return the subject number of each case, from 0, and the number of subjects.

    Numbers follow the sorted names, so that they do not depend on the order of cases. Names other
    than integers are compared as text.
    """
    names = np.asarray(subjects)
    if names.dtype.kind not in "iu":
        names = names.astype(str)
    known, inverse = np.unique(names, return_inverse=True)
    return inverse, len(known)


def bca(
    value: float, draws: Float[ndarray, " D"], jackknifed: Float[ndarray, " J"]
) -> tuple[float, float]:
    """Return Efron's BCa interval (bias-corrected and accelerated), in the statistic's unit.

    NaN draws are left out; where half or more are NaN, or the statistic itself is, both ends are
    NaN. Equal draws give that value as both ends. The acceleration is 0 where the jackknife has no
    spread. Where the correction has no solution (all draws on one side of the value, or an
    acceleration that reverses the order) the ends are plain percentiles.

    Source: Efron 1987, doi:10.1080/01621459.1987.10478410; ties count half, as in SciPy.
    """
    known = draws[np.isfinite(draws)]
    if not math.isfinite(value) or 2 * len(known) <= len(draws):
        return math.nan, math.nan
    if np.ptp(known) <= ROUNDING * np.abs(known).max():
        return value, value
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    share = (np.mean(known < value) + np.mean(known <= value)) / 2
    if 0 < share < 1:
        shift = ndtri(share) + ndtri(tails)
        rest = 1 - _acceleration(jackknifed) * shift
        if (rest > 0).all():
            tails = ndtr(ndtri(share) + shift / rest)
    low, high = np.quantile(known, tails)
    return float(low), float(high)


def ends(replicated: Values, *, count: int = DRAWS) -> tuple[float, float]:
    """Return the BCa interval of a statistic that was computed for every row of `replicates`.

    Args:
        replicated: the statistic of the sample, of `count` draws, and of the jackknife, in the
            order of `replicates`.
        count: the number of draws that `replicates` was called with.
    """
    sampled, jackknifed = np.split(replicated[1:], [count])
    return bca(float(replicated[0]), sampled, jackknifed)


def weighted_means(
    weights: Weights, values: Float[ndarray, "N M"], subject: Codes
) -> tuple[Values, Float[ndarray, "R M"]]:
    """Return the sum of case weights and each column's weighted mean, for every row of weights.

    Args:
        weights: (R, S), how often each row counts each subject; all cases of a subject share it.
        values: (N, M), without NaN.
        subject: number of each case's subject, from 0.

    Returns:
        Sums (R,) and means (R, M); a row without cases has NaN means.
    """
    columns = np.column_stack([np.ones(len(values)), values])
    per_subject = np.zeros((weights.shape[1], columns.shape[1]))
    np.add.at(per_subject, subject, columns)
    sums = weights @ per_subject
    return sums[:, 0], sums[:, 1:] / sums[:, :1]


def weighted_mean(weights: Weights, values: Cases, subject: Codes) -> Values:
    """Mean over cases, for every row of weights.

    The overall mean is subtracted first and added at the end, so that large volumes keep their
    digits.
    """
    middle = values.mean()
    return middle + weighted_means(weights, (values - middle)[:, None], subject)[1][:, 0]


def pair_means(weights: Weights, x: Cases, y: Cases, subject: Codes) -> PairMeans:
    """Return the moments of two methods; 100 d / m is 0 where both values are 0.

    Source: Bland and Altman 1999, doi:10.1177/096228029900800204 (differences in % of the mean).
    """
    d, m = y - x, (x + y) / 2
    percent = np.divide(100 * d, m, out=np.zeros_like(d), where=m != 0)
    (a, b, e, f), (mean_x, mean_y, _, _) = _centred(x, y, d, m)
    columns = [a, b, a * a, b * b, a * b, e, f, e * e, f * f, e * f, percent]
    n, means = weighted_means(weights, np.column_stack(columns), subject)
    mx, my, xx, yy, xy, md, mm, dd, ff, df, mean_percent = means.T
    return PairMeans(
        n=n,
        mean_x=mean_x + mx,
        mean_y=mean_y + my,
        percent=mean_percent,
        var_x=_variance(xx, mx, a),
        var_y=_variance(yy, my, b),
        cov_xy=xy - mx * my,
        var_d=_variance(dd, md, e),
        var_m=_variance(ff, mm, f),
        cov_dm=df - md * mm,
    )


def pair_statistics(pair: PairMeans) -> dict[str, Values]:
    """Return statistics of agreement of y with x by name, for every row; NaN without spread.

    Differences are y − x; limits of agreement are their mean ± 1.96 SD. `proportional_slope`
    regresses the differences on the mean of both; it is 0 where x and y have equal spread, and
    nonzero also where only their random errors differ. `slope_on_reference` regresses the
    differences on x by least squares; errors of x bias it downwards. `reference_slope` is the slope
    of y on x by Deming regression with equal errors: 0.6 where y spans 0.6 of the spread of x.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30 (ICC, table 4); Lin 1989,
    doi:10.2307/2532051 (CCC); Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8 (limits)
    and 1999, doi:10.1177/096228029900800204 (slope); Linnet 1993, doi:10.1093/clinchem/39.3.424
    (Deming's line, errors in the ratio 1).
    """
    bias = pair.mean_y - pair.mean_x
    both = np.where((pair.var_x > 0) & (pair.var_y > 0), pair.var_x + pair.var_y, 0)
    sample = _ratio(pair.n, pair.n - 1)
    sd = np.sqrt(sample * pair.var_d)
    squares = (2 * sample * pair.var_m, pair.n * bias**2 / 2, sample * pair.var_d / 2)
    r = _ratio(pair.cov_xy, np.sqrt(pair.var_x * pair.var_y))
    return {
        "pearson_r": np.clip(r, -1, 1),
        **icc_statistics(pair.n, 2, *squares),
        "ccc": 1 - _ratio(pair.var_d + bias**2, np.where(both, both + bias**2, 0)),
        "bias": bias,
        "bias_percent": pair.percent,
        "sd_difference": sd,
        "lower_limit": bias - LIMIT_SD * sd,
        "upper_limit": bias + LIMIT_SD * sd,
        "proportional_slope": _ratio(pair.cov_dm, pair.var_m),
        "slope_on_reference": _ratio(pair.cov_xy, pair.var_x) - 1,
        **_deming(pair),
    }


def _deming(pair: PairMeans) -> dict[str, Values]:
    """Deming slope and intercept of y on x with equal errors; NaN without correlation."""
    excess, twice = pair.var_y - pair.var_x, 2 * pair.cov_xy
    root = excess + np.hypot(excess, twice)
    slope = np.divide(root, twice, out=np.full(root.shape, math.nan), where=twice != 0)
    return {
        "reference_slope": slope,
        "reference_intercept": pair.mean_y - slope * pair.mean_x,
    }


def icc_statistics(
    n: Values, k: int, cases: Values, methods: Values, error: Values
) -> dict[str, Values]:
    """ICC(A,1) and ICC(C,1) from the mean squares of cases, methods and residuals.

    Args:
        n: number of cases.
        k: number of methods.
        cases: mean square between cases.
        methods: mean square between methods.
        error: mean square of the residuals.

    Returns:
        `icc_a1` and `icc_c1` of every row; NaN where nothing varies.

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30, table 4.
    """
    spread = cases + (k - 1) * error
    total = np.where(cases + error > 0, spread + k * (methods - error) / n, 0)
    return {"icc_a1": _ratio(cases - error, total), "icc_c1": _ratio(cases - error, spread)}


def all_methods(
    weights: Weights, table: Float[ndarray, "N K"], subject: Codes
) -> dict[str, Values]:
    """ICC(A,1) and ICC(C,1) over all columns of `table`, for every row of weights.

    Args:
        weights: (R, S), how often each row counts each subject.
        table: (N, K), one row per case and one column per method, without NaN.
        subject: number of each case's subject, from 0.

    Returns:
        `icc_a1` (absolute agreement) and `icc_c1` (consistency, which ignores a constant bias).

    Source: McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30.
    """
    k = table.shape[1]
    columns, offsets = _centred(*table.T)
    centred = np.stack(columns, axis=1)
    middle = centred.mean(axis=1)
    rest = centred - middle[:, None]  # deviation from the mean of the case; columns have mean 0
    squares = np.column_stack([middle, middle**2, (rest**2).sum(axis=1), rest])
    n, means = weighted_means(weights, squares, subject)
    sample = _ratio(n, n - 1)
    shifts = means[:, 3:] + np.array(offsets) - np.mean(offsets)
    return icc_statistics(
        n,
        k,
        k * sample * _variance(means[:, 1], means[:, 0], middle),
        n * np.square(shifts).sum(axis=1) / (k - 1),
        sample * _variance(means[:, 2], means[:, 3:], rest) / (k - 1),
    )


def weighted_spearman(weights: Weights, x: Cases, y: Cases, subject: Codes) -> Values:
    """Spearman's rank correlation of every row, in [−1, 1].

    Each row is ranked separately; ties get mean ranks. NaN where x or y does not vary in a row.
    """
    blocks = []
    for start in range(0, len(weights), BLOCK_ROWS):
        block = weights[start : start + BLOCK_ROWS, subject]
        a, b = _centred_ranks(block, x), _centred_ranks(block, y)
        aa, bb, ab = (np.einsum("rn,rn,rn->r", block, *two) for two in ((a, a), (b, b), (a, b)))
        blocks.append(_ratio(ab, np.sqrt(aa * bb)))
    return np.clip(np.concatenate(blocks), -1, 1)


def _centred_ranks(weights: Float[ndarray, "R N"], values: Cases) -> Float[ndarray, "R N"]:
    """Rank of each case minus the mean rank, where case i occurs `weights[i]` times."""
    order = np.argsort(values, kind="stable")
    firsts = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])
    level = np.empty(len(values), dtype=int)  # index of each case's value among distinct values
    level[order] = np.searchsorted(firsts, np.arange(len(values)), side="right") - 1
    tied = np.add.reduceat(weights[:, order], firsts, axis=1)
    # the mean rank is half the total weight; a tied value's rank adds half the weight of its ties
    middle = tied.sum(axis=1, keepdims=True) / 2
    return (np.cumsum(tied, axis=1) - tied / 2 - middle)[:, level]


def _acceleration(jackknifed: Values) -> float:
    known = jackknifed[np.isfinite(jackknifed)]
    if len(known) < 2 or np.ptp(known) <= ROUNDING * np.abs(known).max():
        return 0.0
    deviations = known.mean() - known
    deviations /= np.abs(deviations).max()  # keeps cubes of large volumes in range
    return float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))


def _centred(*columns: Cases) -> tuple[list[Cases], list[float]]:
    """Columns minus their means, and the means; rounding errors of equal values become 0."""
    size = ROUNDING * max(float(np.abs(column).max(initial=0)) for column in columns)
    offsets = [float(column.mean()) for column in columns]
    centred = [column - offset for column, offset in zip(columns, offsets, strict=True)]
    return [np.where(np.abs(one) < size, 0.0, one) for one in centred], offsets


def _variance(mean_square: Values, mean: ndarray, centred: ndarray) -> Values:
    """Mean square about the mean (summed over columns); rounding errors become 0."""
    square = mean**2 if mean.ndim == 1 else np.square(mean).sum(axis=1)
    variance = mean_square - square
    own = np.square(centred).sum() / len(centred)
    return np.where(variance > ROUNDING * own, variance, 0.0)


def _ratio(above: ndarray, below: ndarray) -> Values:
    """Quotient where the divisor is positive, else NaN."""
    below = np.asarray(below, dtype=float)
    return np.divide(above, below, out=np.full(below.shape, math.nan), where=below > 0)
