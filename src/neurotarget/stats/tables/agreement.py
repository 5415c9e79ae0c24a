"""Agreement of methods over the same cases, with an interval chosen for each statistic.

Intervals have closed forms if every subject has one case and values look normal (Shapiro and Wilk's
p of each method and of the differences is 0.2 or more): Student's t for the bias, chi-square for
the SD of the differences, Carkeet's for the limits of agreement, Fisher's for r, McGraw and Wong's
for the ICCs. Otherwise, and for statistics without a closed form, subjects are resampled: by a
studentised bootstrap for SD and limits, by a jackknife with Student's t for r, ICC(C,1), CCC and
regression lines, and by BCa for Spearman's rho. `tests/oracles/coverage.py` measures the coverage
of each; `experiments/verdicts/coverage.md` has the table.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.core.interval import (
    FEWEST,
    Ends,
    MeanSquares,
    fisher_interval,
    icc_a1_interval,
    icc_c1_interval,
    is_normal,
    limit_interval,
    mean_interval,
    sd_interval,
)
from neurotarget.stats.core.resample import (
    DRAWS,
    all_methods,
    ends,
    left_out,
    pair_means,
    pair_statistics,
    replicates,
    weighted_spearman,
)
from neurotarget.stats.core.studentised import bootstrap_t, jackknife_t

T, CHI_SQUARE, CARKEET, FISHER = "t", "chi-square", "Carkeet", "Fisher"
MCGRAW_WONG, EFFECTIVE = "McGraw\N{EN DASH}Wong", "McGraw\N{EN DASH}Wong, effective n"
BOOTSTRAP_T, JACKKNIFE_T, BCA, NONE = "bootstrap-t", "jackknife-t", "BCa", "none"
SPREAD = ("sd_difference", "lower_limit", "upper_limit")
COEFFICIENTS = ("pearson_r", "icc_a1_fixed", "icc_c1", "ccc")  # jackknifed in Fisher's z
LINES = ("proportional_slope", "slope_on_reference", "reference_slope", "reference_intercept")
SURE = 1e-12  # an error of Fisher's z below this is rounding error

Table = Float[ndarray, "N K"]
Codes = Integer[ndarray, " N"]
Replicated = Mapping[str, Float[ndarray, " R"]]  # the sample, then without each subject


class Statistic(NamedTuple):
    """A statistic, its interval and the kind of interval; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan
    interval: str = NONE


def agreement_values(table: Table, subject: Codes, n_subjects: int) -> dict[str, Statistic]:
    """Return all statistics of two methods, or the ICCs of three or more, without intervals.

    Args:
        table: (N, K), one row per case and one column per method, without NaN.
        subject: number of each case's subject, from 0.
        n_subjects: number of subjects.

    Returns:
        Statistics by the names in `tables.AGREEMENT_UNITS`.
    """
    statistics = _replicated(table, subject, np.ones((1, n_subjects)))
    return {name: Statistic(float(values[0])) for name, values in statistics.items()}


def agreement_intervals(
    table: Table, subject: Codes, n_subjects: int, *, seed: int
) -> dict[str, Statistic]:
    """Return all statistics of two methods, or the ICCs of three or more, with intervals.

    Differences are second − first. The interval of `icc_a1` treats the methods as a random factor,
    which makes it wide with few methods. `icc_a1_fixed` is the same number with an interval that
    treats the methods as fixed.

    Args:
        table: (N, K), one row per case and one column per method, without NaN; three cases or more.
        subject: number of each case's subject, from 0.
        n_subjects: number of subjects.
        seed: random seed of the resampled intervals.
    """
    weights = np.concatenate([np.ones((1, n_subjects)), left_out(n_subjects)])
    replicated = _replicated(table, subject, weights)
    is_single = len(table) == n_subjects
    is_plain = is_single and all(map(is_normal, [*table.T, *_differences(table).T]))
    ends_of = _iccs(table, replicated, is_plain=is_plain)
    if table.shape[1] == 2:
        is_simple = is_single and is_normal(_differences(table)[:, 0])
        ends_of |= _differing(table, subject, n_subjects, seed, is_simple=is_simple)
        rank = replicates(n_subjects, seed)
        ends_of["spearman_rho"] = (ends(weighted_spearman(rank, *table.T, subject)), BCA)
        r = float(replicated["pearson_r"][0])
        if is_plain:
            ends_of["pearson_r"] = (fisher_interval(r, len(table)), FISHER)
    for name in (*COEFFICIENTS, *LINES):
        if name in replicated and name not in ends_of:
            kind = "z" if name in COEFFICIENTS else ""
            ends_of[name] = (jackknife_t(replicated[name], kind), JACKKNIFE_T)
    return {
        name: _statistic(float(values[0]), *ends_of[name]) for name, values in replicated.items()
    }


def _statistic(value: float, ends_of: Ends, interval: str) -> Statistic:
    if not (math.isfinite(value) and all(map(math.isfinite, ends_of))):
        return Statistic(value)
    return Statistic(value, *ends_of, interval)


def _replicated(table: Table, subject: Codes, weights: ndarray) -> dict[str, ndarray]:
    """Return every statistic for every row of weights; Spearman's rho for the first row only."""
    if table.shape[1] > 2:
        statistics = all_methods(weights, table, subject)
        return {"icc_a1": statistics["icc_a1"], "icc_a1_fixed": statistics["icc_a1"]} | statistics
    statistics = pair_statistics(pair_means(weights, *table.T, subject))
    ranks = weighted_spearman(weights[:1], *table.T, subject)
    return statistics | {"icc_a1_fixed": statistics["icc_a1"], "spearman_rho": ranks}


def _differences(table: Table) -> Float[ndarray, "N others"]:
    """Differences of every method from the first."""
    return table[:, 1:] - table[:, :1]


def _differing(
    table: Table, subject: Codes, n_subjects: int, seed: int, *, is_simple: bool
) -> dict[str, tuple[Ends, str]]:
    """Intervals of bias, of the SD of the differences and of the limits."""
    x, y = table.T
    difference, both = y - x, x + y
    percent = np.divide(200 * difference, both, out=np.zeros_like(both), where=both != 0)
    intervals = {
        "bias": (mean_interval(difference, subject, n_subjects), T),
        "bias_percent": (mean_interval(percent, subject, n_subjects), T),
    }
    if not is_simple:
        samples = replicates(n_subjects, seed)[1 : DRAWS + 1]  # the same for all labels
        ends = bootstrap_t(difference, subject, samples)
        return intervals | {name: (ends[name], BOOTSTRAP_T) for name in SPREAD}
    n, mean, sd = len(x), float(difference.mean()), float(difference.std(ddof=1))
    limits = {
        name: (limit_interval(mean, sd, n, is_upper=name == "upper_limit"), CARKEET)
        for name in SPREAD[1:]
    }
    return intervals | limits | {"sd_difference": (sd_interval(sd, n), CHI_SQUARE)}


def _iccs(table: Table, replicated: Replicated, *, is_plain: bool) -> dict[str, tuple[Ends, str]]:
    """Intervals of ICC(A,1), and of ICC(C,1) where its closed form holds.

    Otherwise the closed form of ICC(A,1) is used with an effective number of cases: that of
    independent normal cases for which ICC(C,1) would have the jackknife's error.
    """
    n, k = table.shape
    middle = table.mean(axis=1)
    rest = (table - middle[:, None]) - (table.mean(axis=0) - middle.mean())
    size = float(np.abs(table).max())
    rest[np.abs(rest) < SURE * size] = 0  # rounding errors of equal columns
    squares = MeanSquares(
        cases=k * float(middle.var(ddof=1)),
        methods=float(table.mean(axis=0).var(ddof=1)),
        error=float(np.square(rest).sum()) / ((n - 1) * (k - 1)),
        k=k,
    )
    if not squares.cases + squares.error > 0:
        return {"icc_a1": ((math.nan, math.nan), NONE)}
    if is_plain:
        return {
            "icc_a1": (icc_a1_interval(squares, n), MCGRAW_WONG),
            "icc_c1": (icc_c1_interval(squares, n), MCGRAW_WONG),
        }
    effective = _effective(replicated["icc_c1"], n, k)
    return {"icc_a1": (icc_a1_interval(squares, effective), EFFECTIVE)}


def _effective(replicated: Float[ndarray, " R"], n: int, k: int) -> float:
    """Effective number of cases, from the jackknife's error of Fisher's z of ICC(C,1).

    Source: Fisher 1925, Statistical Methods for Research Workers, chapter 7 (z and its variance).
    """
    people = len(replicated) - 1
    with np.errstate(all="ignore"):
        z = np.log((1 + (k - 1) * replicated[1:]) / (1 - replicated[1:])) / 2
    if not np.isfinite(z).all():
        return float(people)
    variance = (people - 1) * float(z.var())
    if variance <= SURE:
        return float(people)
    return float(np.clip(2 + k / (2 * (k - 1) * variance), FEWEST, n))
