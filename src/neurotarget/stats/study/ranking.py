"""Agreement of two methods in the ranking of structures by their discrimination of two groups.

A segmenter that keeps a disease's pattern finds the largest effects where the reference has them.
Cohen's d of each label, adjusted as in `biomarkers`, is correlated over labels between the methods,
by Spearman's rho and Kendall's tau. Intervals are percentiles of a bootstrap of subjects within
each group, the same for all labels. So they hold for other people, not for other structures. Labels
that some subjects lack are left out and counted.

Source: Kendall 1938, doi:10.1093/biomet/30.1-2.81; Efron and Tibshirani 1993,
doi:10.1201/9780429246593.
"""

import math

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import rankdata

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.core.discrimination import TAIL, weighted_d
from neurotarget.stats.core.resample import draws
from neurotarget.stats.study.contrast import (
    Groups,
    adjusted_sample,
    contrasts,
    groups_of,
    per_subject,
)

COLUMNS = (
    *("covariate", "group_a", "group_b", "first", "second", "n_labels", "n_left_out"),
    *("rho", "rho_low", "rho_high", "tau", "tau_low", "tau_high", "n", "reason"),
)
FEWEST_LABELS = 4

Effects = Float[ndarray, "rows labels"]


def ranking_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return rho and tau of d over labels, per contrast and pair of methods.

    Regions (sums of labels) are not ranked. Empty for a target with fewer than four labels.
    """
    labels = [name for name in measured.labels if name in measured.target.label_names]
    if len(labels) < FEWEST_LABELS:
        return pd.DataFrame(columns=list(COLUMNS))
    people = {method: per_subject(measured, table) for method, table in measured.values.items()}
    rows = []
    for contrast in contrasts(measured):
        groups = groups_of(measured, contrast)
        for first, second in measured.pairs:
            pair = {name: people[name] for name in (first, second)}
            rows.append((*contrast, first, second, *_row(groups, pair, labels, seed)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(groups: Groups, pair: dict[str, pd.DataFrame], labels: list[str], seed: int) -> tuple:
    tables = {label: pd.DataFrame({k: v[label] for k, v in pair.items()}) for label in labels}
    samples = {label: adjusted_sample(groups, table) for label, table in tables.items()}
    known = {label: one for label, one in samples.items() if not one.reason}
    sizes = [(len(one.a), len(one.b)) for one in known.values()]
    most = max(sizes, default=(0, 0))
    used = [one for one, size in zip(known.values(), sizes, strict=True) if size == most]
    head = (len(used), len(labels) - len(used))
    if len(used) < FEWEST_LABELS:
        nothing = (math.nan,) * 6
        return *head, *nothing, sum(most), f"fewer than {FEWEST_LABELS} labels of all subjects"
    # the first draw has each subject once: it gives the estimate itself
    weights = [np.vstack([np.ones(n), draws(n, seed + number)]).T for number, n in enumerate(most)]
    first, second = (
        np.stack([weighted_d(s.a[:, k], s.b[:, k], *weights, slopes=s.slopes) for s in used], 1)
        for k in (0, 1)
    )
    cells = [value for statistic in (_rho, _tau) for value in _interval(statistic(first, second))]
    return *head, *cells, sum(most), ""


def _interval(values: Float[ndarray, " rows"]) -> tuple[float, float, float]:
    low, high = np.nanquantile(values[1:], [1 - TAIL, TAIL])
    return float(values[0]), float(low), float(high)


def _rho(first: Effects, second: Effects) -> Float[ndarray, " rows"]:
    """Spearman's rank correlation of each row."""
    x, y = (rankdata(part, axis=1) for part in (first, second))
    x, y = (part - part.mean(axis=1, keepdims=True) for part in (x, y))
    return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))


def _tau(first: Effects, second: Effects) -> Float[ndarray, " rows"]:
    """Kendall's tau-a of each row: concordant minus discordant pairs of labels, as a share."""
    total, count = np.zeros(len(first)), first.shape[1]
    for place in range(count - 1):
        signs = [np.sign(part[:, place + 1 :] - part[:, place, None]) for part in (first, second)]
        total += (signs[0] * signs[1]).sum(axis=1)
    return total / (count * (count - 1) / 2)
