"""Skill of a network's predicted outcomes compared with guessing."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurotarget.stats.core.discrimination import auc

GUESSED_AUROC = 0.5


class Skill(NamedTuple):
    """Skill over all outcomes: 0 for guessing, 1 for perfect predictions; NaN if unknown.

    `may_be_guessing` is True if the interval of every AUROC includes 0.5, or no R² is above 0.
    """

    value: float
    may_be_guessing: bool
    n: int  # predictions with a reference
    sentence: str


def outcome_skill(rows: pd.DataFrame) -> Skill | None:
    """Return the skill of the predictions in rows.csv; None if no outcome was predicted.

    The skill is 2 AUROC − 1 of a class (against all other classes), and R² against the mean of the
    references of a number; both are averaged over labels.
    """
    parts = [*_classes(rows), *_numbers(rows)]
    if not parts:
        return None
    known = [one for one in parts if not math.isnan(one.value)]
    if not known:
        return Skill(math.nan, False, 0, "")
    value = float(np.mean([one.value for one in known]))
    sentence = " ".join(dict.fromkeys(one.sentence for one in known))
    return Skill(value, all(one.may_be_guessing for one in known), known[0].n, sentence)


def _classes(rows: pd.DataFrame) -> Iterator[Skill]:
    for label, both in _pairs(rows, "probability"):
        is_positive = both["reference"].to_numpy() > 0
        found = auc(
            *(both.loc[mask, "predicted"].to_numpy() for mask in (is_positive, ~is_positive))
        )
        text = (
            f"The AUROC of {label} in {len(both)} held-out predictions is {found.value:.2f} "
            f"[{found.low:.2f}, {found.high:.2f}]; guessing has {GUESSED_AUROC:g}."
        )
        yield Skill(2 * found.value - 1, not found.low > GUESSED_AUROC, len(both), text)


def _numbers(rows: pd.DataFrame) -> Iterator[Skill]:
    for label, both in _pairs(rows, "number"):
        spread = float(both["reference"].var(ddof=0))
        error = float((both["predicted"] - both["reference"]).pow(2).mean())
        skill = 1 - error / spread if spread > 0 else math.nan
        text = (
            f"The predictions of {label} explain {100 * max(skill, 0):.0f} % of the variance of "
            f"{len(both)} held-out references; their mean explains none."
        )
        yield Skill(skill, not skill > 0, len(both), text)


def _pairs(rows: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each label with its predictions and references, where both are known."""
    if "metric" not in rows:
        return
    keys = [name for name in ("run", "case_id") if name in rows]
    columns = {metric: "predicted", f"reference_{metric}": "reference"}
    own = rows[rows["metric"].isin(columns)]
    for label, part in own.groupby("label", sort=False):
        wide = part.pivot_table(index=keys, columns="metric", values="value", aggfunc="mean")
        if {*columns} <= {*wide}:
            yield str(label), wide.rename(columns=columns)[[*columns.values()]].dropna()
