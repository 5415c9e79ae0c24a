"""Held-out cases of sites that were trained on (internal) and of others (external), apart.

Beside each number of ours stands what others have published for this target. Theirs are of other
scans, raters and networks, so nothing here tests one against the other.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from scipy.stats import t as student

from neurotarget.hypothesis import Published
from neurotarget.stats.arms.arms import Arms
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.measured import EXTERNAL, PARTS, Measured, from_rows
from neurotarget.stats.study.agreement import NONE
from neurotarget.stats.study.tables import (
    AGREEMENT_UNITS,
    ALL_LABELS,
    SCORE_UNITS,
    agreement_table,
    scores_table,
)
from neurotarget.types import Target

PAIR = ("reference", "predicted")
USUAL = ("dice", "icc_a1", "pearson_r", "bias")  # told whether they are published or not
COLUMNS = [
    *("part", "against", "label", "statistic", "value", "low", "high", "interval"),
    *("sd", "p", "unit"),
    *("n", "n_subjects", "n_failed", "published", "published_sd", "source", "reason"),
]
ARM_COLUMNS = ["arm", "seed", *COLUMNS]
KEYS = ["case_id", "subject_id", "split", "label", "metric", "unit"]
NOT_SCORED = "it was not scored"


class _Part(NamedTuple):
    """Rows of the study's tables that belong to one part, and its cases."""

    scores: pd.DataFrame
    agreement: pd.DataFrame
    cases: pd.Index


def parts_table(
    measured: Measured, agreement: pd.DataFrame, scores: pd.DataFrame, *, seed: int = 0
) -> pd.DataFrame:
    """Scores and agreement of each part, label and region, with what is published for them.

    The numbers against the reference are those of `agreement` and `scores`, the study's tables,
    with their intervals over subjects; those against each further rater follow, over the cases
    that this rater has drawn, with Dice alone as the score. `sd` is over cases. `p` is that of r
    by Student's t on as many pairs as there are subjects, so scans of one person do not count as
    several people. `n_failed` counts cases in which a label failed. A statistic that several have
    published has a row for each. No rows where no case is external and nothing is published.
    """
    if not ((measured.parts == EXTERNAL).any() or measured.target.published):
        return pd.DataFrame(columns=COLUMNS)
    rows = _rows(measured, PAIR[0], agreement, scores)
    for rater in measured.raters if PAIR[1] in measured.volumes else ():
        own = _against(measured, rater)
        rows += _rows(own, rater, agreement_table(own, seed=seed), scores_table(own))
    return pd.DataFrame(rows, columns=COLUMNS)


def arm_parts_table(arms: Arms, *, seed: int = 0) -> pd.DataFrame:
    """`parts_table` of every arm and seed of a comparison; scores of several folds are averaged.

    No rows where the scores do not say their split.
    """
    if "split" not in arms.scores:
        return pd.DataFrame(columns=ARM_COLUMNS)
    known, tables = pd.DataFrame(index=pd.Index([], name="case_id")), []
    for arm in arms.names:
        for training, rows in arms.scores[arms.scores["arm"] == arm].groupby("seed"):
            means = rows.groupby(KEYS, sort=False)["value"].mean().reset_index()
            measured = from_rows(means, arms.target, known)
            agreement = agreement_table(measured, seed=seed)
            scores = scores_table(measured)
            found = parts_table(measured, agreement, scores, seed=seed)
            tables.append(found.assign(arm=arm, seed=training))
    found = [table for table in tables if len(table)]
    whole = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=ARM_COLUMNS)
    return whole[ARM_COLUMNS]


def without_external(arms: Arms) -> tuple[Arms, list[str]]:
    """Arms on the cases of sites that were trained on, and a note on the others.

    Every fold scores the same external cases, so folds that share them are no samples of their
    own. Where all cases are external, one site left out after the other, they stay. Arms without
    any other case go, such as an ensemble of folds.
    """
    known = arms.scores["split"] if "split" in arms.scores else pd.Series(dtype=object)
    is_external = (known == EXTERNAL).reindex(arms.scores.index, fill_value=False)
    if not is_external.any() or is_external.all():
        return arms, []
    scores = arms.scores[~is_external]
    runs = arms.runs[arms.runs.index.isin(scores["run"])]
    number = arms.scores.loc[is_external, "case_id"].nunique()
    cases = "1 external case counts" if number == 1 else f"{number} external cases count"
    told = (
        f"{cases} in no mean, rank or test of arms, but in the table of internal and external, and "
        "in the hypotheses: by the mean of the volumes that the folds of a seed give."
    )
    return replace(arms, scores=scores, runs=runs), [told]


def of_arms(arms: Arms, names: Sequence[str]) -> Arms:
    """The same with some of the arms alone."""
    scores, runs = (table[table["arm"].isin(names)] for table in (arms.scores, arms.runs))
    return replace(arms, scores=scores, runs=runs)


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
                names | row | counts | beside
                for row in _label_rows(measured, own, label, theirs)
                for beside in _beside(theirs.get(row["statistic"], ()))
            ]
    return rows


def _against(measured: Measured, rater: str) -> Measured:
    """The cases that a further rater has drawn, with these masks in place of the reference."""
    drawn = measured.volumes[rater].dropna(how="all")
    scores = measured.scores[measured.scores["case_id"].isin(drawn.index)]
    scores = scores[scores["metric"].isin(["failed", f"dice@{rater}"])]
    return replace(
        measured,
        target=replace(measured.target, published=()),
        volumes={PAIR[0]: drawn, PAIR[1]: measured.volumes[PAIR[1]].loc[drawn.index]},
        covariates=measured.covariates.loc[drawn.index, ["subject_id"]],
        scores=scores.assign(metric=scores["metric"].str.partition("@")[0]),
        reference=PAIR[0],
        raters=(),
        means={},
    )


def _parts(
    measured: Measured, agreement: pd.DataFrame, scores: pd.DataFrame
) -> Iterator[tuple[str, _Part]]:
    """Each part that is there, where there is a reference."""
    parts = measured.parts
    if PAIR not in measured.pairs:
        return
    strata = {level for stratum, level, _ in measured.strata() if stratum == "part"}
    agreement = agreement[(agreement["first"] == PAIR[0]) & (agreement["second"] == PAIR[1])]
    for part in PARTS.values():
        cases = parts.index[parts == part]
        if part in strata or len(cases) == len(parts):  # those of all cases tell of one part
            place = ("part", part) if part in strata else ("all", "all")
            of_part = (
                table[(table["stratum"] == place[0]) & (table["level"] == place[1])]
                for table in (scores, agreement)
            )
            yield part, _Part(*of_part, cases)


def _label_rows(
    measured: Measured, own: _Part, label: str, theirs: Mapping[str, Sequence[Published]]
) -> Iterator[dict]:
    """A row for each statistic that is usual or published."""
    wanted = (name for name in (*SCORE_UNITS, *AGREEMENT_UNITS) if name in {*USUAL, *theirs})
    for statistic in wanted:
        is_score = statistic in SCORE_UNITS
        table, column = (own.scores, "metric") if is_score else (own.agreement, "statistic")
        found = table[(table["label"] == label) & (table[column] == statistic)].to_dict("records")
        nothing = dict.fromkeys(("value", "low", "high", "sd", "p"), math.nan)
        row = {"statistic": statistic} | nothing | {"n": 0, "n_subjects": 0, "unit": ""}
        row |= {"interval": NONE}
        if not found and statistic in theirs:
            yield row | {"reason": NOT_SCORED}
        for one in found:
            known = {key: one[key] for key in row if key in one}
            if is_score:
                people = _people(measured, label, statistic, own.cases)
                known |= {"value": one["mean"], "n_subjects": people}
            elif statistic == "pearson_r":
                known["p"] = correlation_p(one["value"], one["n_subjects"])
            yield row | known | {"reason": one["reason"]}


def correlation_p(r: float, n: int) -> float:
    """Two-sided p of Pearson's r of `n` independent pairs; NaN of fewer than three.

    Source: Student 1908, doi:10.1093/biomet/6.2-3.302.
    """
    if n < 3 or math.isnan(r):
        return math.nan
    if abs(r) >= 1:
        return 0.0
    return 2 * float(student.sf(abs(r) * math.sqrt((n - 2) / (1 - r * r)), n - 2))


def _beside(published: Sequence[Published]) -> list[dict]:
    """Columns of each published value; of none, empty ones."""
    told = [
        {
            "published": one.value,
            "published_sd": math.nan if one.spread is None else one.spread,
            "source": one.source,
        }
        for one in published
    ]
    return told or [{"published": math.nan, "published_sd": math.nan, "source": ""}]


def _published(target: Target, part: str, label: str) -> dict[str, list[Published]]:
    """What is published of a label in a part, by statistic.

    A value without a label is about all labels: the mean of their scores, their sum's volumes.
    """
    found: dict[str, list[Published]] = {}
    for one in target.published:
        whole = ALL_LABELS if one.what in SCORE_UNITS else "total"
        alone = target.label_names[0] if len(target.labels) == 1 else whole
        if one.part == part and (one.label or alone) == label:
            found.setdefault(one.what, []).append(one)
    return found


def _failed(measured: Measured, label: str, cases: pd.Index) -> int:
    """Cases in which a label failed; of a region or of all labels, any of them."""
    names = {label: (label,), ALL_LABELS: measured.target.label_names} | measured.target.regions
    rows = measured.scores
    own = rows[rows["label"].isin(names[label]) & rows["case_id"].isin(cases)]
    return int(failed_masks(own).groupby("case_id").any().sum())


def _people(measured: Measured, label: str, metric: str, cases: pd.Index) -> int:
    """Subjects of the cases that have a score."""
    labels = measured.target.label_names if label == ALL_LABELS else (label,)
    rows = measured.scores
    known = rows[(rows["metric"] == metric) & rows["value"].notna() & rows["label"].isin(labels)]
    scored = cases[cases.isin(known["case_id"])]
    return measured.subjects[scored].nunique()
