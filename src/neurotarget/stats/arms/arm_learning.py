"""Find the arms of a comparison that have not learnt, which are shown without a rank.

An arm has not learnt if at least half of its runs have not learnt. It is doubtful if any of its
runs has not learnt or is doubtful.
"""

import math
from collections.abc import Mapping

import pandas as pd

from neurotarget.stats.arms.arm_scores import Scored, score_arms
from neurotarget.stats.arms.arms import Arms
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.learning import (
    DOUBTFUL,
    LEARNT,
    NOT_LEARNT,
    UNKNOWN,
    Learning,
    Training,
    judge_rows,
    refusals,
)

Learnings = Mapping[str, Learning]  # by arm


def learning_of_arms(arms: Arms) -> dict[str, Learning]:
    """Return the verdict on every arm, from its held-out masks and the columns of `runs`.

    Ensembles of nets are compared with the same trivial masks as the nets. A column that `runs`
    lacks, such as the number of steps, counts as unknown.
    """
    known = arms.runs.get("val_all_foreground_dice", pd.Series(dtype=float)).dropna()
    trivial = float(known.mean()) if len(known) else math.nan
    learnings = {}
    for arm in arms.names:
        runs = arms.runs[arms.runs["arm"] == arm]
        rows = arms.scores[arms.scores["arm"] == arm]
        rows = rows[rows["label"].isin(arms.labels)]
        own = [_judged(rows[rows["run"] == run], line, trivial) for run, line in runs.iterrows()]
        learnings[arm] = _together(
            own, judge_rows(rows, Training(all_foreground_dice=trivial), "run")
        )
    return learnings


def only_learnt(scored: Scored, learnings: Learnings) -> Scored | None:
    """Return the scores without arms that have not learnt; None where no net is left."""
    arms = scored.arms
    able = [arm for arm in arms.names if learnings[arm].verdict != NOT_LEARNT]
    if not set(able) & set(arms.nets):
        return None
    if len(able) == len(arms.names):
        return scored
    return score_arms(arms.only(able))


def refused_arms(arms: Arms, learnings: Learnings) -> dict[tuple[str, int], dict[str, str]]:
    """Return the labels for which an arm allows no conclusion, with the reason, by arm and seed.

    The mapping of an arm and seed is empty if every label can be used.
    """
    rows = arms.scores[arms.scores["label"].isin(arms.labels)]
    masks = failed_masks(rows, ("arm", "seed", "run", "case_id", "label"))
    return {
        (arm, int(seed)): refusals(own, arms.target, learnings[arm], whose=f"{arm} cannot answer")
        for (arm, seed), own in masks.groupby(["arm", "seed"], sort=False)
    }


def _judged(rows: pd.DataFrame, run: pd.Series, trivial: float) -> Learning:
    def number(name: str) -> float:
        value = run.get(name)
        return math.nan if value is None or pd.isna(value) else float(value)

    own = number("val_all_foreground_dice")
    training = Training(
        steps=number("steps"),
        expected_steps=number("expected_steps"),
        dice=number("val_dice"),
        all_foreground_dice=trivial if math.isnan(own) else own,
        time_limit=limit if isinstance(limit := run.get("time_limit"), str) else "",
    )
    return judge_rows(rows, training)


def _together(runs: list[Learning], whole: Learning) -> Learning:
    """Return the verdict on an arm from those on its runs, with the reasons from all its masks."""
    bad = sum(one.verdict == NOT_LEARNT for one in runs)
    weak = sum(one.verdict == DOUBTFUL for one in runs)
    if bad and 2 * bad >= len(runs):
        verdict = NOT_LEARNT
    elif bad or weak:
        verdict = DOUBTFUL
    else:
        verdict = LEARNT if any(one.verdict == LEARNT for one in runs) else UNKNOWN
    reasons = list(whole.reasons)
    if len(runs) > 1 and (bad or weak):
        counts = [f"{n} {what}" for n, what in ((bad, NOT_LEARNT), (weak, DOUBTFUL)) if n]
        reasons.append(f"Of {len(runs)} trainings: {', '.join(counts)}.")
    warned = tuple(dict.fromkeys(line for one in runs for line in one.warnings))
    return Learning(verdict, tuple(reasons), warned)
