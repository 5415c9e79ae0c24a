"""Checklists METRICS and CLEAR: items that the program can answer, and items for the authors.

Source: Kocak et al. 2024, doi:10.1186/s13244-023-01572-w (METRICS, 30 items with weights); Kocak et
al. 2023, doi:10.1186/s13244-023-01415-8 (CLEAR, 58 items); both CC BY 4.0.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from neurotarget.number_text import number
from neurotarget.report.radiomics.radiomics_methods import as_text
from neurotarget.report.text.assets import asset_table
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.sentences import capital

YES, NO, AUTHORS, NOT_APPLICABLE = "yes", "no", "authors", "not applicable"
STUDY = "study"
GRADES = ((0.2, "very low"), (0.4, "low"), (0.6, "moderate"), (0.8, "good"))  # below

# topics of `study_sentences` that answer an item; an item of NEGATIVE is answered "no" without them
OF_METRICS: Mapping[int, tuple[str, ...]] = {
    4: ("centres",),
    11: ("preprocessing", "resampling", "discretisation"),
    12: ("software",),
    13: ("parameters",),
    14: ("robust",),
    15: ("redundancy",),
    16: ("size",),
    18: ("partition",),
    20: ("metrics",),
    21: ("uncertainty",),
    22: ("calibration",),
    24: ("comparison",),
    25: ("simple",),
    26: ("partition",),
    27: ("external",),
}
NEGATIVE: Mapping[int, str] = {
    14: "no second mask was given (second=)",
    15: "correlated features were kept",
    16: "fewer than ten cases of the rarer class for each term of a model",
    22: "not assessed; `neurotarget survival` does for risks",
    24: "no clinical terms were given (clinical=)",
    25: "no simple model was fitted for comparison",
    27: "no other cohort was given (external=)",
}
# what holds of every study here; C2 is only known to the authors
CONDITIONS = {"C1": True, "C3": True, "C4": True, "C5": False}
OF_CLEAR: Mapping[int, tuple[str, ...]] = {
    15: ("partition",),
    17: ("clinical",),
    18: ("outcome",),
    21: ("preprocessing",),
    22: ("resampling",),
    23: ("discretisation",),
    24: ("image_types",),
    25: ("software",),
    26: ("classes",),
    27: ("count",),
    28: ("parameters",),
    29: ("missing",),
    30: ("imbalance",),
    31: ("robust",),
    32: ("scaling",),
    33: ("redundancy", "reduction"),
    34: ("algorithm",),
    35: ("tuning",),
    36: ("sites",),
    37: ("algorithm", "tuning"),
    38: ("partition", "external"),
    39: ("metrics", "calibration"),
    40: ("uncertainty",),
    41: ("comparison",),
    42: ("comparison",),
    43: ("explained",),
    46: ("explained",),
    47: ("metrics",),
    48: ("comparison",),
}


class MetricsScore(NamedTuple):
    """Least and largest score of METRICS that the filled-in items allow, as shares of 1."""

    least: float
    most: float
    n_open: int


def metrics_table(sentences: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per item of METRICS, with its weight, the answer and the reason.

    Args:
        sentences: those of `study_sentences`, which answer items with yes.

    Returns:
        Columns `item`, `section`, `topic`, `weight` (share of 1), `answer` (yes, no, authors or not
        applicable) and `text`, which is "" where the authors must answer.
    """
    rows = []
    for item, known in enumerate(asset_table("radiomics_checklists")["metrics"], start=1):
        text = as_text(sentences, OF_METRICS.get(item, ()))
        answer = YES if text else NO if item in NEGATIVE else AUTHORS
        if not all(CONDITIONS.get(name, True) for name in known.get("conditions", ())):
            answer = NOT_APPLICABLE
        if answer == AUTHORS and item == 23 and sentences["contrasts"].startswith("one "):
            answer, text = YES, f"{capital(sentences['contrasts'])}."
        text = f"{capital(NEGATIVE[item])}." if answer == NO else text
        rows.append((item, known["section"], known["name"], known["weight"], answer, text))
    return pd.DataFrame(rows, columns=["item", "section", "topic", "weight", "answer", "text"])


def clear_table(sentences: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per item of CLEAR; `filled_by` is the study, with a text, or the authors.

    `sentences` are those of `study_sentences`; items without one have the text "".
    """
    rows = []
    for item, known in enumerate(asset_table("radiomics_checklists")["clear"], start=1):
        text = as_text(sentences, OF_CLEAR.get(item, ()))
        who = STUDY if text else AUTHORS
        rows.append((item, known["section"], known["name"], who, text))
    return pd.DataFrame(rows, columns=["item", "section", "topic", "filled_by", "text"])


def metrics_score(table: pd.DataFrame) -> MetricsScore:
    """Return bounds of the fulfilled share of the weights of all applicable items.

    Both stay bounds if an open item turns out not to apply.

    `table` is that of `metrics_table`. The least score counts open items as no, the largest as yes.
    """
    weights = table.groupby("answer")["weight"].sum()
    yes, no, is_open = (float(weights.get(name, 0.0)) for name in (YES, NO, AUTHORS))
    whole = yes + no + is_open
    n_open = int((table["answer"] == AUTHORS).sum())
    return MetricsScore(yes / whole, (yes + is_open) / whole, n_open)


def grade(score: float) -> str:
    """Return the grade of METRICS for a share of 1, from very low to excellent.

    Source: Kocak et al. 2024, doi:10.1186/s13244-023-01572-w.
    """
    return next((name for below, name in GRADES if score < below), "excellent")


def checklist_sentences(metrics: pd.DataFrame, clear: pd.DataFrame) -> list[str]:
    """Return a sentence on each checklist: its answered items, and the range of the score."""
    one = metrics_score(metrics)
    filled = int((clear["filled_by"] == STUDY).sum())
    least, most = (number(100 * value, 1) for value in (one.least, one.most))
    return [
        f"METRICS: what is filled in gives {least} % ({grade(one.least)}); with the "
        f"{counted(one.n_open, 'item')} left to the authors it can reach {most} % "
        f"({grade(one.most)}).",
        f"CLEAR: {filled} of {len(clear)} items are filled in, {len(clear) - filled} are left to "
        "the authors.",
    ]
