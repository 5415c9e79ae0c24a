"""Discrimination of two groups by a quantity: adjusted AUC, Cohen's d and Welch's test.

d is the mean of group a minus that of b, and `auc_raw` the chance that a value of a is larger than
one of b. `auc` is oriented so that values above 0.5 agree with the hypothesis: where this expects
smaller values in a, `auc` is the chance that a value of a is smaller. Without a hypothesis the
medians of the first method decide the direction (see `auc_of`); then the expected AUC without a
difference is a little above 0.5. One person counts once: several scans of a subject are averaged.
Rows without an estimate give the reason.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurotarget.quantity import plural_of
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import key
from neurotarget.stats.core.discrimination import (
    ROUNDING,
    TAIL,
    auc,
    auc_difference,
    cohen_d,
    is_flat,
    weighted_d,
    welch_p,
    widening,
)
from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.core.multiple_tests import corrected
from neurotarget.stats.core.resample import DRAWS, draws
from neurotarget.stats.study.contrast import (
    Groups,
    Sample,
    adjusted_sample,
    contrasts,
    groups_of,
    per_subject,
)

COLUMNS = (
    *("label", "method", "covariate", "group_a", "group_b", "adjusted_for", "n_a", "n_b"),
    *("d", "d_low", "d_high", "auc", "auc_low", "auc_high", "auc_raw", "auc_of"),
    *("p", "q", "reason"),
)
DIFFERENCE_COLUMNS = (
    *("label", "covariate", "group_a", "group_b", "first", "second"),
    *("delta_d", "delta_d_low", "delta_d_high", "delta_auc", "delta_auc_low", "delta_auc_high"),
    *("auc_of", "p", "q", "n", "reason"),
)
CLAIMED = "as claimed"


class _Side(NamedTuple):
    """Group with the expected larger values: `sign` is 1 for a, −1 for b, by the given `basis`."""

    sign: int
    basis: str


def biomarkers_table(measured: Measured) -> pd.DataFrame:
    """Return n, d, AUC, Welch's p and q by label or region, method and contrast.

    Values are adjusted for age, sex and, for volumes, TIV where the cohort has them (see
    `adjusted_sample`). `adjusted_for` lists these covariates and the subjects that their slopes
    were fitted on. q is Benjamini and Hochberg's over the labels of a method and contrast.

    Source: Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    people = {method: per_subject(measured, table) for method, table in measured.values.items()}
    blocks = []
    for contrast in contrasts(measured):
        groups = groups_of(measured, contrast)
        sides = _sides(measured, groups, people)
        for method, values in people.items():
            rows = [_row(groups, method, values, label, sides[label]) for label in measured.labels]
            blocks.append(pd.DataFrame(rows, columns=list(COLUMNS)))
    return _stacked(blocks, COLUMNS)


def biomarker_differences_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return Δd and ΔAUC between the methods of each pair (second − first) on the same subjects.

    ΔAUC has the orientation of AUC and DeLong's interval. Δd has a percentile interval from a
    bootstrap of subjects within each group. Slopes of the adjustment are not estimated again in
    each draw; instead draws are widened by as much as estimated slopes widen a difference of means.
    p is the two-sided p of Δd and at least 1 / draws; q is Benjamini and Hochberg's over the labels
    of a pair and contrast. If both methods find the expected direction, the method with the larger
    |d| discriminates better.

    Source: Efron and Tibshirani 1993, doi:10.1201/9780429246593.
    """
    people = {method: per_subject(measured, table) for method, table in measured.values.items()}
    blocks = []
    for contrast in contrasts(measured):
        groups = groups_of(measured, contrast)
        sides = _sides(measured, groups, people)
        for first, second in measured.pairs:
            pair = {first: people[first], second: people[second]}
            rows = [
                _difference_row(groups, pair, label, seed, sides[label])
                for label in measured.labels
            ]
            blocks.append(pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS)))
    return _stacked(blocks, DIFFERENCE_COLUMNS)


def _sides(measured: Measured, groups: Groups, people: dict[str, pd.DataFrame]) -> dict[str, _Side]:
    """Orientation of AUC by label; the same for all methods."""
    _, group_a, group_b = groups.contrast
    claimed = _claimed(measured, groups)
    sides = {}
    for label in measured.labels:
        sign, whose = claimed, CLAIMED
        if not sign:
            first = next(iter(people))
            sample = adjusted_sample(groups, people[first][[label]])
            difference = 0.0 if sample.reason else float(np.median(sample.a) - np.median(sample.b))
            sign, whose = -1 if difference < 0 else 1, f"by the medians of {first}"
        larger, smaller = (group_a, group_b) if sign > 0 else (group_b, group_a)
        sides[label] = _Side(sign, f"{larger} larger than {smaller}, {whose}")
    return sides


def _claimed(measured: Measured, groups: Groups) -> int:
    """Sign of a minus b by the hypotheses on the contrast; 0 without any, or if two disagree."""
    covariate, *pair = groups.contrast
    names = [key(name) for name in pair]
    signs = set()
    for one in measured.target.hypotheses:
        if (
            one.groups
            and one.measure == measured.main.name
            and key(one.covariate) == key(covariate)
        ):
            claimed = [key(name) for name in one.groups]
            signs.add({tuple(names): 1, tuple(names[::-1]): -1}.get(tuple(claimed), 0) * one.sign)
    signs.discard(0)
    return signs.pop() if len(signs) == 1 else 0


def _oriented(area: Estimate, sign: int) -> tuple[float, float, float]:
    """Return an AUC and its ends as the chance that the expected group has the larger value."""
    if sign > 0:
        return area[:3]
    return 1 - area.value, 1 - area.high, 1 - area.low


def _row(groups: Groups, method: str, values: pd.DataFrame, label: str, side: _Side) -> tuple:
    sample = adjusted_sample(groups, values[[label]])
    a, b = sample.a[:, 0], sample.b[:, 0]
    head = (label, method, *groups.contrast, sample.adjusted_for, len(a), len(b))
    if sample.reason:
        return *head, *(math.nan,) * 7, "", *(math.nan,) * 2, sample.reason
    d, area, p = (measure(a, b, sample.slopes) for measure in (cohen_d, auc, welch_p))
    flat = f"the {plural_of(groups.measure)} do not vary within the groups"
    reason = flat if math.isnan(p) else sample.note
    ends = _oriented(area, side.sign)
    return *head, *d[:3], *ends, area.value, side.basis, p, math.nan, reason


def _difference_row(
    groups: Groups, pair: dict[str, pd.DataFrame], label: str, seed: int, side: _Side
) -> tuple:
    sample = adjusted_sample(
        groups, pd.DataFrame({name: table[label] for name, table in pair.items()})
    )
    n_a, n_b = len(sample.a), len(sample.b)
    if reason := sample.reason or _unvarying(groups, tuple(pair), sample):
        nothing = (*(math.nan,) * 6, "", *(math.nan,) * 2)
        return label, *groups.contrast, *pair, *nothing, n_a + n_b, reason
    d, in_draws = _delta(sample, _weights(n_a, n_b, seed))
    low, high = np.nanquantile(in_draws, [1 - TAIL, TAIL])
    area = auc_difference(*zip(sample.a.T, sample.b.T, strict=True), sample.slopes)
    ends = sorted(side.sign * end for end in area[1:3])
    cells = (d, low, high, side.sign * area.value, *ends, side.basis, _two_sided(in_draws))
    return label, *groups.contrast, *pair, *cells, math.nan, n_a + n_b, sample.note


def _unvarying(groups: Groups, methods: tuple[str, ...], sample: Sample) -> str:
    by_method = zip(methods, sample.a.T, sample.b.T, strict=True)
    flat = [method for method, a, b in by_method if is_flat(a, b)]
    reason = (
        f"the {plural_of(groups.measure)} of {' and '.join(flat)} do not vary within the groups"
    )
    return reason if flat else ""


def _delta(sample: Sample, weights: tuple[ndarray, ...]) -> tuple[float, Float[ndarray, " D"]]:
    """Cohen's d of the second method minus that of the first, and in each draw."""
    both = list(zip(sample.a.T, sample.b.T, strict=True))
    first, second = (cohen_d(*values, sample.slopes).value for values in both)
    before, after = (weighted_d(*values, *weights, slopes=sample.slopes) for values in both)
    differences = after - before
    middle = np.nanmean(differences)
    wider = math.sqrt(widening(len(sample.a), len(sample.b), sample.slopes))
    differences = middle + wider * (differences - middle)
    # a difference within rounding error is 0
    value = second - first if abs(second - first) > ROUNDING else 0.0
    return value, np.where(np.abs(differences) > ROUNDING, differences, 0.0)


@lru_cache(maxsize=8)  # labels and methods mostly have the same subjects
def _weights(n_a: int, n_b: int, seed: int) -> tuple[ndarray, ...]:
    """Bootstrap weights of two groups, (subjects, draws) each."""
    sizes = enumerate((n_a, n_b))  # one seed per group, as the groups are independent
    return tuple(np.ascontiguousarray(draws(n, seed + number).T) for number, n in sizes)


def _two_sided(differences: ndarray) -> float:
    """Twice the share of draws beyond zero, at least 1 / draws."""
    known = differences[~np.isnan(differences)]
    share = min(float((known <= 0).mean()), float((known >= 0).mean()))
    return min(max(2 * share, 1 / DRAWS), 1.0)


def _stacked(blocks: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Join all blocks to one table, with q over the labels of each block."""
    if not blocks:
        return pd.DataFrame(columns=list(columns))
    tables = [block.assign(q=corrected(block["p"].to_numpy(float), "fdr_bh")) for block in blocks]
    return pd.concat(tables, ignore_index=True)
