"""Results for held-out cases of sites in training (internal) and of other sites (external).

Each row has the value published for this target, if any. Published values come from other scans,
raters and networks, so no test compares them with the study's values.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from scipy.stats import t as student

from neurotarget.hypothesis import Published
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.measured import EXTERNAL, PARTS, Measured
from neurotarget.stats.tables.agreement import NONE
from neurotarget.stats.tables.tables import (
    AGREEMENT_UNITS,
    ALL_LABELS,
    ALL_SCORES,
    agreement_table,
    scores_table,
)
from neurotarget.types import Target

PAIR = ("reference", "predicted")
USUAL = ("dice", "icc_a1", "pearson_r", "bias")  # reported whether published or not
COLUMNS = [
    *("part", "against", "label", "statistic", "value", "low", "high", "interval"),
    *("sd", "p", "unit"),
    *("n", "n_subjects", "n_failed", "published", "published_sd", "source", "reason"),
]
NOT_SCORED = "it was not scored"


class _Part(NamedTuple):
    """Rows of the study's tables for one part, and its cases."""

    scores: pd.DataFrame
    agreement: pd.DataFrame
    cases: pd.Index


def parts_table(
    measured: Measured, agreement: pd.DataFrame, scores: pd.DataFrame, *, seed: int = 0
) -> pd.DataFrame:
    """Return scores and agreement of each part, label and region, with published values.

    Numbers against the reference come from `agreement` and `scores`, the study's tables, with their
    intervals over subjects. Numbers against each further rater follow, over the cases that this
    rater has delineated, with Dice as the only score. `sd` is over cases. `p` is that of r by
    Student's t with the number of subjects as the number of pairs. `n_failed` counts cases in which
    a label failed. A statistic has one row per published value. There are no rows if no case is
    external and the target has no published values.
    """
    if not ((measured.parts == EXTERNAL).any() or measured.target.published):
        return pd.DataFrame(columns=COLUMNS)
    rows = _rows(measured, PAIR[0], agreement, scores)
    for rater in measured.raters if PAIR[1] in measured.values else ():
        own = _against(measured, rater)
        rows += _rows(own, rater, agreement_table(own, seed=seed), scores_table(own))
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(
    measured: Measured, against: str, agreement: pd.DataFrame, scores: pd.DataFrame
) -> list[dict]:
    rows = []
    for part, own in _parts(measured, agreement, scores):
        for label in dict.fromkeys((*measured.labels, ALL_LABELS)):
            names = {"part": part, "against": against, "label": label}
            counts = {"n_failed": _failed(measured, label, own.cases)}
            theirs = _published(measured.target, part, label)
            rows += [
                names | row | counts | published
                for row in _label_rows(measured, own, label, theirs)
                for published in _published_columns(theirs.get(row["statistic"], ()))
            ]
    return rows


def _against(measured: Measured, rater: str) -> Measured:
    """Return the cases of a further rater, with this rater's masks as the reference."""
    values = measured.values[rater].dropna(how="all")
    tables = {PAIR[0]: values, PAIR[1]: measured.values[PAIR[1]].loc[values.index]}
    scores = measured.scores[measured.scores["case_id"].isin(values.index)]
    scores = scores[scores["metric"].isin(["failed", f"dice@{rater}"])]
    return replace(
        measured.only(measured.main.name).with_values(tables),
        target=replace(measured.target, published=()),
        covariates=measured.covariates.loc[values.index, ["subject_id"]],
        scores=scores.assign(metric=scores["metric"].str.partition("@")[0]),
        reference=PAIR[0],
        raters=(),
    )


def _parts(
    measured: Measured, agreement: pd.DataFrame, scores: pd.DataFrame
) -> Iterator[tuple[str, _Part]]:
    """Yield each part of the cohort, where there is a reference."""
    parts = measured.parts
    if PAIR not in measured.pairs:
        return
    strata = {level for stratum, level, _ in measured.strata() if stratum == "part"}
    agreement = agreement[(agreement["first"] == PAIR[0]) & (agreement["second"] == PAIR[1])]
    for part in PARTS.values():
        cases = parts.index[parts == part]
        if part in strata or len(cases) == len(parts):  # all cases may be of one part
            place = ("part", part) if part in strata else ("all", "all")
            of_part = (
                table[(table["stratum"] == place[0]) & (table["level"] == place[1])]
                for table in (scores, agreement)
            )
            yield part, _Part(*of_part, cases)


def _label_rows(
    measured: Measured, own: _Part, label: str, theirs: Mapping[str, Sequence[Published]]
) -> Iterator[dict]:
    """Rows of the statistics that are always reported or have a published value."""
    wanted = (name for name in (*ALL_SCORES, *AGREEMENT_UNITS) if name in {*USUAL, *theirs})
    for statistic in wanted:
        is_score = statistic in ALL_SCORES
        table, column = (own.scores, "metric") if is_score else (own.agreement, "statistic")
        rows = table[(table["label"] == label) & (table[column] == statistic)].to_dict("records")
        nothing = dict.fromkeys(("value", "low", "high", "sd", "p"), math.nan)
        row = {"statistic": statistic} | nothing | {"n": 0, "n_subjects": 0, "unit": ""}
        row |= {"interval": NONE}
        if not rows and statistic in theirs:
            yield row | {"reason": NOT_SCORED}
        for one in rows:
            known = {key: one[key] for key in row if key in one}
            if is_score:
                people = _people(measured, label, statistic, own.cases)
                known |= {"value": one["mean"], "n_subjects": people}
            elif statistic == "pearson_r":
                known["p"] = correlation_p(one["value"], one["n_subjects"])
            yield row | known | {"reason": one["reason"]}


def correlation_p(r: float, n: int) -> float:
    """Return the two-sided p of Pearson's r of `n` independent pairs; NaN for fewer than three.

    An r of ±1 has p 0.

    Source: Student 1908, doi:10.1093/biomet/6.2-3.302.
    """
    if n < 3 or math.isnan(r):
        return math.nan
    if abs(r) >= 1:
        return 0.0
    return 2 * float(student.sf(abs(r) * math.sqrt((n - 2) / (1 - r * r)), n - 2))


def _published_columns(published: Sequence[Published]) -> list[dict]:
    """Columns of each published value, or empty columns without any."""
    columns = [
        {
            "published": one.value,
            "published_sd": math.nan if one.spread is None else one.spread,
            "source": one.source,
        }
        for one in published
    ]
    return columns or [{"published": math.nan, "published_sd": math.nan, "source": ""}]


def _published(target: Target, part: str, label: str) -> dict[str, list[Published]]:
    """Published values of a label in a part, by statistic.

    A value without a label refers to all labels: the mean of their scores, or the sum of their
    sizes.
    """
    by_statistic: dict[str, list[Published]] = {}
    for one in target.published:
        whole = ALL_LABELS if one.what in ALL_SCORES else "total"
        alone = target.label_names[0] if len(target.labels) == 1 else whole
        if one.part == part and (one.label or alone) == label:
            by_statistic.setdefault(one.what, []).append(one)
    return by_statistic


def _failed(measured: Measured, label: str, cases: pd.Index) -> int:
    """Number of cases in which a label failed, or any label of a region or of the target."""
    names = {ALL_LABELS: measured.target.label_names} | measured.measure.parts
    rows = measured.scores
    own = rows[rows["label"].isin(names[label]) & rows["case_id"].isin(cases)]
    return int(failed_masks(own).groupby("case_id").any().sum())


def _people(measured: Measured, label: str, metric: str, cases: pd.Index) -> int:
    """Number of subjects with a score."""
    labels = measured.target.label_names if label == ALL_LABELS else (label,)
    rows = measured.scores
    known = rows[(rows["metric"] == metric) & rows["value"].notna() & rows["label"].isin(labels)]
    scored = cases[cases.isin(known["case_id"])]
    return measured.subjects[scored].nunique()
