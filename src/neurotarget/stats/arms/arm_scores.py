"""Scores of every case by run and by arm: the main score, such as Dice, and further scores.

A case's score is its mean over the labels, then over all runs of an arm that hold the case out. A
missing or empty mask has a Dice and a surface Dice of 0 and a volume error equal to the reference
volume; HD95 has no worst value, so it is undefined. A label that is in neither mask is undefined
and left out. A failed prediction of classes has the worst Brier score.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from neurotarget.metrics.metric_units import name_in
from neurotarget.size_units import AREAS, PIXELS, VOLUMES, SizeUnits
from neurotarget.stats.arms.arms import Arms, listed

MEAN = "mean"  # in place of a label: the mean over the labels
DICE = "dice"
SURFACE_DICE = "surface_dice"
BRIER, LOG_LOSS = "brier", "log_loss"
UNITS = (PIXELS, AREAS, VOLUMES)
SIZE_ERRORS = tuple(name_in("volume_error_abs_mm3", units) for units in UNITS)
HD95S = tuple(name_in("hd95_mm", units) for units in UNITS)
LESS_IS_BETTER = (*SIZE_ERRORS, *HD95S, BRIER, LOG_LOSS, "error_abs")
SAME = 1e-9  # a smaller difference of scores is rounding error


class Scored(NamedTuple):
    """One score as tables with one row per case (index `case_id`), by label, `mean` first.

    `held_out` is True for the cases (rows) on which a run (column) was scored, even if their score
    is undefined.
    """

    arms: Arms
    by_run: Mapping[str, pd.DataFrame]  # one column per run
    by_arm: Mapping[str, pd.DataFrame]  # one column per arm
    held_out: pd.DataFrame
    subjects: pd.Series

    @property
    def labels(self) -> tuple[str, ...]:
        """`mean`, then the labels if there are several."""
        return tuple(self.by_arm)

    @property
    def has_repeats(self) -> bool:
        """True if a subject has several cases."""
        return bool(self.subjects.duplicated().any())

    def runs_of(self, arm: str) -> list[str]:
        """Runs of an arm."""
        runs = self.arms.runs
        return [run for run in runs.index[runs["arm"] == arm] if run in self.held_out]

    def complete(self, label: str, arms: Sequence[str]) -> pd.DataFrame:
        """Return the scores of cases with a score by all of `arms`; columns are the arms."""
        return self.by_arm[label][list(arms)].dropna()

    def per_subject(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the mean over the cases of each subject, since tests assume independence."""
        return table.groupby(self.subjects.reindex(table.index)).mean()


def score_arms(arms: Arms) -> Scored:
    """Return the main score of all runs and arms; duplicates of a run are averaged.

    A target with one label has the table `mean` alone.
    """
    rows = headline_rows(arms)
    by_label = wide(rows, arms)
    by_run = {MEAN: _over_labels(by_label)}
    if len(arms.labels) > 1:
        by_run |= by_label
    return _scored(rows, by_run, arms)


def secondary_scores(arms: Arms) -> dict[str, Scored]:
    """Return the absolute error of sizes, and surface Dice or else HD95, where available.

    Source: Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z (report a boundary score in
    addition to an overlap).
    """
    if arms.headline.metric != DICE:
        return _of_outcomes(arms)
    dice = _of_labels(arms, DICE)
    keys = ["run", "case_id", "label"]
    scores = dice.set_index(keys)[["value"]].rename(columns={"value": DICE})
    scores = scores.groupby(level=keys).mean()
    units = size_units_of(arms)
    size_error, hd95 = (name_in(name, units) for name in ("volume_error_abs_mm3", "hd95_mm"))
    sizes = units.size, f"reference_{units.size}"
    for metric in (*sizes, SURFACE_DICE, hd95):
        scores[metric] = _of_labels(arms, metric).groupby(keys)["value"].mean()
    reference, is_lost = scores[sizes[1]], scores[DICE] == 0
    error = (scores[sizes[0]] - reference).abs()
    scores[size_error] = error.where(error.notna() | ~is_lost, reference)
    for metric, worst in ((SURFACE_DICE, 0.0), (hd95, math.inf)):
        scores[metric] = scores[metric].where(scores[metric].notna() | ~is_lost, worst)
    boundary = hd95 if _of_labels(arms, SURFACE_DICE)["value"].isna().all() else SURFACE_DICE
    by_metric = {}
    for metric in (size_error, boundary):
        values = scores[metric].rename("value").reset_index()
        by_run = _over_labels(wide(values, arms)).replace(math.inf, math.nan)
        if by_run.notna().any(axis=None):
            by_metric[metric] = _scored(dice, {MEAN: by_run}, arms)
    return by_metric


def headline_rows(arms: Arms) -> pd.DataFrame:
    """Return the rows of the main score; failed predictions of classes get the worst score.

    The worst Brier score is 1 for a binary outcome, and 2 over several classes.
    """
    rows = _of_labels(arms, arms.headline.metric)
    if arms.headline.metric != BRIER:
        return rows
    worst = {one.name: 2.0 if one.kind == "classes" else 1.0 for one in arms.target.outcomes}
    failed = _of_labels(arms, "failed")
    keys = ["run", "case_id", "label"]
    lost = set(failed.loc[failed["value"] > 0, keys].itertuples(index=False, name=None))
    is_lost = pd.Series([key in lost for key in rows[keys].itertuples(index=False, name=None)],
                        index=rows.index, dtype=bool)  # fmt: skip
    return rows.assign(value=rows["value"].mask(is_lost, rows["label"].map(worst)))


def _of_outcomes(arms: Arms) -> dict[str, Scored]:
    """Log loss of predicted classes, if known; undefined for failed predictions."""
    rows = _of_labels(arms, LOG_LOSS)
    if arms.headline.metric != BRIER or not rows["value"].notna().any():
        return {}
    return {LOG_LOSS: _scored(headline_rows(arms), {MEAN: _over_labels(wide(rows, arms))}, arms)}


def size_units_of(arms: Arms) -> SizeUnits:
    """Return the units of the masks' sizes, from the rows: pixels, areas or volumes."""
    there = set(arms.scores["metric"])
    return next((units for units in UNITS if f"reference_{units.size}" in there), VOLUMES)


def _of_labels(arms: Arms, metric: str) -> pd.DataFrame:
    is_wanted = (arms.scores["metric"] == metric) & arms.scores["label"].isin(arms.labels)
    return arms.scores[is_wanted].astype({"value": float})


def _scored(rows: pd.DataFrame, by_run: Mapping[str, pd.DataFrame], arms: Arms) -> Scored:
    """Return scores by run and by arm, and the held-out cases, which `rows` define."""
    cases = by_run[MEAN].index
    pairs = rows.drop_duplicates(["case_id", "run"]).assign(value=True)
    held_out = pairs.pivot(index="case_id", columns="run", values="value").notna()
    subjects = rows.drop_duplicates("case_id").set_index("case_id")["subject_id"]
    return Scored(
        arms,
        by_run,
        {label: over_runs(table, arms) for label, table in by_run.items()},
        held_out.reindex(index=cases, columns=by_run[MEAN].columns, fill_value=False),
        subjects.reindex(cases),
    )


def wide(rows: pd.DataFrame, arms: Arms) -> dict[str, pd.DataFrame]:
    """Return rows of one metric as a table of cases × runs for each label."""
    cases = pd.Index(sorted(set(rows["case_id"])), name="case_id")
    known = set(rows["run"])
    runs = [run for run in arms.runs.index if run in known]
    table = rows.astype({"value": float}).pivot_table(
        index="case_id", columns=["label", "run"], values="value", aggfunc="mean", dropna=False
    )
    return {
        label: (table[label] if label in table else pd.DataFrame(dtype=float)).reindex(
            index=cases, columns=runs
        )
        for label in arms.labels
    }


def over_runs(table: pd.DataFrame, arms: Arms) -> pd.DataFrame:
    """Return the mean of each case over the runs of an arm that have a value; one column per arm.

    `table` has one row per case and one column per run. NaN where no run of the arm has a value.
    """
    means = {
        arm: table[[run for run in runs if run in table]].mean(axis=1)
        for arm, runs in arms.runs.groupby("arm", sort=False).groups.items()
    }
    return pd.DataFrame(means, index=table.index)


def mean_of(metric: str, arms: Arms) -> pd.Series:
    """Return the mean of a metric per arm, over labels, runs and cases as for Dice, or NaN.

    Cases without a value are left out, so means of two arms may be over different cases.
    """
    return (
        over_runs(_over_labels(wide(_of_labels(arms, metric), arms)), arms)
        .mean()
        .reindex(list(arms.names))
    )


def undefined(arms: Arms) -> list[str]:
    """Return a sentence on each label whose score is undefined in some cases."""
    rows, score = headline_rows(arms), arms.headline
    why = "neither mask has it" if score.metric == DICE else "there is no prediction"
    sentences = []
    for label, absent in rows[rows["value"].isna()].groupby("label", sort=False):
        cases = sorted(set(absent["case_id"]))
        sentences.append(
            f"{len(absent)} {score.title} values of {label} are undefined, as {why}, and are "
            f"left out: {listed(cases)}."
        )
    return sentences


def _over_labels(by_label: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    tables = list(by_label.values())
    stacked = pd.concat(tables, keys=range(len(tables)))
    return stacked.groupby(level=1).mean()
