"""Separate results for internal and external cases of every arm of a comparison."""

from dataclasses import replace

import pandas as pd

from neurotarget.stats.arms.arms import Arms
from neurotarget.stats.cohort.measured import EXTERNAL, from_rows
from neurotarget.stats.tables.parts import COLUMNS, parts_table
from neurotarget.stats.tables.tables import agreement_table, scores_table

ARM_COLUMNS = ["arm", "seed", *COLUMNS]
KEYS = ["case_id", "subject_id", "split", "label", "metric", "unit"]


def arm_parts_table(arms: Arms, *, seed: int = 0) -> pd.DataFrame:
    """Return `parts_table` of every arm and seed; scores of several folds are averaged.

    Without a column `split` in the scores there are no rows.
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
            parts = parts_table(measured, agreement, scores, seed=seed)
            tables.append(parts.assign(arm=arm, seed=training))
    filled = [table for table in tables if len(table)]
    whole = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=ARM_COLUMNS)
    return whole[ARM_COLUMNS]


def without_external(arms: Arms) -> tuple[Arms, list[str]]:
    """Return the arms with internal cases only, and a note on the external cases.

    Every fold scores the same external cases, so their scores are not independent between folds.
    Where all cases are external (leave-one-site-out), they stay. Arms without internal cases, such
    as an ensemble of folds, are removed.
    """
    known = arms.scores["split"] if "split" in arms.scores else pd.Series(dtype=object)
    is_external = (known == EXTERNAL).reindex(arms.scores.index, fill_value=False)
    if not is_external.any() or is_external.all():
        return arms, []
    scores = arms.scores[~is_external]
    runs = arms.runs[arms.runs.index.isin(scores["run"])]
    number = arms.scores.loc[is_external, "case_id"].nunique()
    cases = "1 external case is" if number == 1 else f"{number} external cases are"
    note = (
        f"{cases} excluded from means, ranks and tests of arms, and included in the table of "
        "internal and external cases, and in hypotheses with the mean over the folds."
    )
    return replace(arms, scores=scores, runs=runs), [note]
