"""The page of a fusion of series: AUROC of each series, their mean and the fusion, and weights."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.number_text import DASH, number
from neurotarget.report.sections.plain_page import Body, Grid, Head, Section, headings, render_page
from neurotarget.report.text.numbers import counted

PUBLISHED = {  # of the fusion, Bien et al. 2018, doi:10.1371/journal.pmed.1002699
    "abnormal": "0.937 [0.895, 0.980]",
    "acl": "0.965 [0.938, 0.993]",
    "meniscus": "0.847 [0.780, 0.914]",
}
QUESTION = (
    "How well do the series of an exam together detect each finding, and which of them matters?"
)
SCORES = (
    "Each exam is scored by weights that were fitted to the exams of other people; the plain mean "
    "is over the series that the exam has. Intervals are DeLong's."
)
OF_MRNET = " MRNet's values are of other exams; generated knees cannot be compared with them."
WEIGHTS = (
    "The fusion shrinks its weights to equal ones, as far as cross-validation allows within one "
    "standard error. Weights that are hardly shrunk have bootstrap intervals over people; a series "
    "matters more or less than others only if its interval excludes an equal share."
)


def fusion_html(
    scores: pd.DataFrame,
    weights: pd.DataFrame,
    *,
    facts: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """Return the page of `series_fusion.fuse_runs`.

    MRNet's published values are shown only if a finding has one of its names.

    Args:
        scores: one row per finding and score (each series, their mean, the fusion): `label`,
            `score`, `n`, `n_positive`, `auroc` with `low` and `high`; the fusion's rows also have
            `gain` with `gain_low` and `gain_high`, its AUROC minus that of the mean.
        weights: one row per finding and series: `label`, `series`, `weight`, `free_weight` with
            `low` and `high`, `n_lacking` (exams without the series) and `penalty`, infinite for
            equal weights.
        facts: origin of the numbers, by name.
        notes: sentences on what was left out.
    """
    is_knee = scores["label"].isin(PUBLISHED).any()
    theirs = ["MRNet's, of 120 exams"] if is_knee else []
    columns = headings(["Finding", "Score"], ["Exams", "With it", "AUROC [95 %]", *theirs])
    rows = [_score(row)[: len(columns)] for row in scores.to_dict("records")]
    lead = SCORES + (OF_MRNET if is_knee else "")
    areas = Section(
        "scores", "AUROC", lead, [Grid("AUROC by series", columns, rows)], _gains(scores)
    )
    kinds = headings(
        ["Finding", "Series"], ["Weight", "Hardly shrunk [95 %]", "Exams without it", "Penalty"]
    )
    listed = [_weight(row) for row in weights.to_dict("records")]
    table = Section("weights", "Weights", WEIGHTS, [Grid("Weights of the series", kinds, listed)])
    count = counted(scores["label"].nunique(), "finding")
    cohort = f"{count}, {counted(int(scores['n'].max()), 'exam')}."
    head = Head("Fusion of series", "Fusion", QUESTION, cohort, _answer(scores))
    return render_page(head, Body([], {}, notes, facts, known=()), [areas, table], target="fusion")


def _score(row: Mapping) -> list[str]:
    theirs = PUBLISHED.get(row["label"], DASH) if row["score"] == "fusion" else DASH
    return [
        *(row["label"], row["score"], str(row["n"]), str(row["n_positive"])),
        *(_interval(row["auroc"], row["low"], row["high"]), theirs),
    ]


def _weight(row: Mapping) -> list[str]:
    penalty = "∞" if math.isinf(row["penalty"]) else number(row["penalty"], 1)
    free = _interval(row["free_weight"], row["low"], row["high"], 2)
    return [
        row["label"], row["series"], number(row["weight"], 2), free, str(row["n_lacking"]), penalty,
    ]  # fmt: skip


def _gains(scores: pd.DataFrame) -> list[str]:
    rows = scores[scores["score"] == "fusion"].to_dict("records")
    return [
        f"{row['label']}: fusion minus mean "
        f"{_interval(row['gain'], row['gain_low'], row['gain_high'])} in AUROC."
        for row in rows
    ]


def _answer(scores: pd.DataFrame) -> str:
    rows = scores[scores["score"] == "fusion"].to_dict("records")
    parts = [f"{row['label']} {_interval(row['auroc'], row['low'], row['high'])}" for row in rows]
    return f"AUROC of the fusion: {', '.join(parts)}."


def _interval(value: float, low: float, high: float, digits: int = 3) -> str:
    if math.isnan(value):
        return DASH
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"
