"""How well volumes tell two groups apart: AUC, Cohen's d and Welch's test, adjusted first.

Everywhere group a stands before b: d is the mean of a minus that of b, and the AUC the chance
that the volume of an a is the larger. One person counts once: several scans of a subject are
averaged. What cannot be estimated says why.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from statsmodels.stats.multitest import multipletests

from neurotarget.stats.contrast import (
    Groups,
    Sample,
    adjusted_sample,
    contrasts,
    groups_of,
    per_subject,
)
from neurotarget.stats.discrimination import (
    ROUNDING,
    TAIL,
    auc,
    cohen_d,
    is_flat,
    weighted_auc,
    weighted_d,
    welch_p,
    widening,
)
from neurotarget.stats.interval import Estimate
from neurotarget.stats.measured import Measured
from neurotarget.stats.resample import DRAWS, draws

COLUMNS = (
    *("label", "method", "covariate", "group_a", "group_b", "adjusted_for", "n_a", "n_b"),
    *("d", "d_low", "d_high", "auc", "auc_low", "auc_high", "p", "q", "reason"),
)
DIFFERENCE_COLUMNS = (
    *("label", "covariate", "group_a", "group_b", "first", "second"),
    *("delta_d", "delta_d_low", "delta_d_high", "delta_auc", "delta_auc_low", "delta_auc_high"),
    *("p", "q", "n", "reason"),
)


class _Delta(NamedTuple):
    value: float
    drawn: Float[ndarray, " D"]


def biomarkers_table(measured: Measured) -> pd.DataFrame:
    """Every label and region × method × contrast: n, d, AUC, Welch's p and q.

    Volumes are adjusted for age, sex and TIV where the cohort has them (see `adjusted_sample`);
    `adjusted_for` says for which of them, and on whom that was fitted. q is Benjamini and
    Hochberg's over the labels of a method and contrast.

    Source: Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    people = {method: per_subject(measured, table) for method, table in measured.volumes.items()}
    blocks = []
    for contrast in contrasts(measured):
        groups = groups_of(measured, contrast)
        for method, volumes in people.items():
            rows = [_row(groups, method, volumes, label) for label in measured.labels]
            blocks.append(_with_q(pd.DataFrame(rows, columns=list(COLUMNS))))
    return _stacked(blocks, COLUMNS)


def biomarker_differences_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Δd and ΔAUC between every two methods (second − first) on the same subjects.

    Percentile intervals from a bootstrap of subjects within each group. The adjustment is that of
    the whole sample; draws are spread out as much as estimated slopes widen a difference of
    means. p is two-sided and of Δd, at least one in the number of draws; q is Benjamini and
    Hochberg's over the labels of a pair and contrast. Of two methods that see the groups differ
    in the expected direction, the one whose d is further from 0 tells them apart better.

    Source: Efron and Tibshirani 1993, doi:10.1201/9780429246593.
    """
    people = {method: per_subject(measured, table) for method, table in measured.volumes.items()}
    blocks = []
    for contrast in contrasts(measured):
        groups = groups_of(measured, contrast)
        weights = _Weights(seed)
        for first, second in measured.pairs:
            pair = {first: people[first], second: people[second]}
            rows = [_difference_row(groups, pair, label, weights) for label in measured.labels]
            blocks.append(_with_q(pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))))
    return _stacked(blocks, DIFFERENCE_COLUMNS)


def _row(groups: Groups, method: str, volumes: pd.DataFrame, label: str) -> tuple:
    sample = adjusted_sample(groups, volumes[[label]])
    a, b = sample.a[:, 0], sample.b[:, 0]
    head = (label, method, *groups.contrast, sample.adjusted_for, len(a), len(b))
    if sample.reason:
        return *head, *(math.nan,) * 8, sample.reason
    d, area, p = (measure(a, b, sample.slopes) for measure in (cohen_d, auc, welch_p))
    reason = "the volumes do not vary within the groups" if math.isnan(p) else sample.note
    return *head, *d[:3], *area[:3], p, math.nan, reason


def _difference_row(
    groups: Groups, pair: dict[str, pd.DataFrame], label: str, weights: "_Weights"
) -> tuple:
    sample = adjusted_sample(
        groups, pd.DataFrame({name: table[label] for name, table in pair.items()})
    )
    n_a, n_b = len(sample.a), len(sample.b)
    if reason := sample.reason or _unvarying(tuple(pair), sample):
        return label, *groups.contrast, *pair, *(math.nan,) * 8, n_a + n_b, reason
    drawn = weights(n_a, n_b)
    d = _delta(cohen_d, partial(weighted_d, slopes=sample.slopes), sample, drawn)
    area = _delta(auc, weighted_auc, sample, drawn)
    ends = (np.nanquantile(delta.drawn, [1 - TAIL, TAIL]) for delta in (d, area))
    (d_low, d_high), (area_low, area_high) = ends
    cells = (d.value, d_low, d_high, area.value, area_low, area_high, _two_sided(d.drawn))
    return label, *groups.contrast, *pair, *cells, math.nan, n_a + n_b, sample.note


def _unvarying(methods: tuple[str, ...], sample: Sample) -> str:
    groups = zip(methods, sample.a.T, sample.b.T, strict=True)
    flat = [method for method, a, b in groups if is_flat(a, b)]
    told = f"the volumes of {' and '.join(flat)} do not vary within the groups"
    return told if flat else ""


def _delta(
    measure: Callable[..., Estimate],
    weighted: Callable[..., ndarray],
    sample: Sample,
    weights: tuple[ndarray, ...],
) -> _Delta:
    """A statistic of the second method minus that of the first, and in each draw."""
    both = list(zip(sample.a.T, sample.b.T, strict=True))
    first, second = (measure(*values, sample.slopes).value for values in both)
    before, after = (weighted(*values, *weights) for values in both)
    drawn = after - before
    middle = np.nanmean(drawn)
    wider = math.sqrt(widening(len(sample.a), len(sample.b), sample.slopes))
    drawn = middle + wider * (drawn - middle)
    # what rounding leaves of two equal numbers is no difference
    value = second - first if abs(second - first) > ROUNDING else 0.0
    return _Delta(value, np.where(np.abs(drawn) > ROUNDING, drawn, 0.0))


class _Weights:
    """Bootstrap weights of two groups, (subjects, draws) each; drawn once for each two sizes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.drawn: dict[tuple[int, int], tuple[ndarray, ...]] = {}

    def __call__(self, n_a: int, n_b: int) -> tuple[ndarray, ...]:
        if (n_a, n_b) not in self.drawn:
            sizes = enumerate((n_a, n_b))  # a seed each: the groups are drawn apart
            found = (draws(n, self.seed + number).T for number, n in sizes)
            self.drawn[n_a, n_b] = tuple(np.ascontiguousarray(weights) for weights in found)
        return self.drawn[n_a, n_b]


def _two_sided(drawn: ndarray) -> float:
    """Twice the share of draws beyond zero, at least one in the number of draws."""
    known = drawn[~np.isnan(drawn)]
    share = min(float((known <= 0).mean()), float((known >= 0).mean()))
    return min(max(2 * share, 1 / DRAWS), 1.0)


def _with_q(table: pd.DataFrame) -> pd.DataFrame:
    tested = table["p"].notna()
    if tested.any():
        table.loc[tested, "q"] = multipletests(table.loc[tested, "p"], method="fdr_bh")[1]
    return table


def _stacked(blocks: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    if not blocks:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(blocks, ignore_index=True)
