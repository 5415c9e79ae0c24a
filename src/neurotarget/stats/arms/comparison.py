"""Compute every table of a comparison; the page shows them without further computation."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from scipy.stats import f

from neurotarget.stats.arms.arm_learning import learning_of_arms, only_learnt
from neurotarget.stats.arms.arm_parts import arm_parts_table, without_external
from neurotarget.stats.arms.arm_scores import (
    MEAN,
    SAME,
    Scored,
    score_arms,
    secondary_scores,
    undefined,
)
from neurotarget.stats.arms.arm_studies import agreement_table, effects_table
from neurotarget.stats.arms.arm_tables import arms_table, cases_table, costs_table, spread_table
from neurotarget.stats.arms.arms import NET, Arms, check_design
from neurotarget.stats.arms.best_arm import best_probabilities
from neurotarget.stats.arms.discrimination_differences import discrimination_differences_table
from neurotarget.stats.arms.headline import headline
from neurotarget.stats.arms.main_score import DICE_HEADLINE, Headline
from neurotarget.stats.arms.mixed import MixedFit, fit_arms, training_overlap, variance_table
from neurotarget.stats.arms.paired import COLUMNS as DIFFERENCE_COLUMNS
from neurotarget.stats.arms.paired import compared_pairs, differences_table
from neurotarget.stats.arms.ranks import COLUMNS as RANK_COLUMNS
from neurotarget.stats.arms.ranks import ranks_table
from neurotarget.types import Target

UNEVEN = 0.01  # p of equal spreads, below which the model's single spread does not fit


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tables of a comparison by name, as they are written to `compare/<name>.tsv`.

    `sentence` names the best arm and the arms that cannot be distinguished from it, by the score
    `headline`. `notes` are sentences on left-out data, with counts; `facts` are the origin of the
    numbers (experiment, commit, command).
    """

    target: Target
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    headline: Headline = DICE_HEADLINE


def compare(
    arms: Arms,
    *,
    seed: int = 0,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Comparison:
    """Compute every table of a comparison; the same seed gives the same numbers.

    Missing parts of a design (seeds, folds, a second arm, volumes) give rows with a reason. There
    is a table `parts` where cases are external or scores published, and
    `discrimination_differences` where classes were predicted. Arms that have not learnt are
    shown without rank, difference and probability of being best. The target's hypotheses are tested
    on all held-out cases, including those of external sites.
    """
    parts, every = arm_parts_table(arms, seed=seed), arms
    arms, more = without_external(every)
    scored, learnings = score_arms(arms), learning_of_arms(arms)
    ranked = only_learnt(scored, learnings)
    fits = _fits(ranked)
    tables = {
        **_rankings(ranked, fits, seed),
        "spread": spread_table(scored),
        "agreement": agreement_table(arms, seed=seed),
        "effects": effects_table(every.only(arms.names), learnings),
        "costs": costs_table(scored),
        "cases": cases_table(scored),
    }
    chances, why = (
        best_probabilities(
            fits[MEAN],
            ranked.arms.nets,
            seed=seed,
            is_higher_better=arms.headline.is_higher_better,
        )
        if ranked
        else ({}, "")
    )
    tables = {"arms": arms_table(scored, tables, learnings, chances, seed=seed)} | tables
    tables |= {"parts": parts} if len(parts) else {}
    areas = discrimination_differences_table(arms)
    tables |= {"discrimination_differences": areas} if len(areas) else {}
    all_notes = (
        *notes,
        *more,
        *_notes(scored, ranked, why),
        *_on_folds(fits),
        *(f"{arm}: {line}" for arm, one in learnings.items() for line in one.warnings),
    )
    score = arms.headline
    sentence = headline(tables, score)
    return Comparison(arms.target, tables, all_notes, dict(facts or {}), sentence, score)


def _fits(ranked: Scored | None) -> dict[str, MixedFit]:
    """Fit the mixed model of the nets per label; empty if no net has learnt."""
    if ranked is None:
        return {}
    return {label: fit_arms(ranked, label, ranked.arms.nets) for label in ranked.labels}


def _rankings(
    ranked: Scored | None, fits: Mapping[str, MixedFit], seed: int
) -> dict[str, pd.DataFrame]:
    """Return the tables that compare arms with each other; without rows if no net has learnt."""
    if ranked is None:
        empty = {"differences": DIFFERENCE_COLUMNS, "ranks": RANK_COLUMNS}
        tables = {name: pd.DataFrame(columns=columns) for name, columns in empty.items()}
        return {**tables, "variance": variance_table({})}
    pairs = compared_pairs(ranked)
    blocks = [differences_table(ranked, fits, pairs=pairs, seed=seed)]
    for metric, scored in secondary_scores(ranked.arms).items():
        fit = {MEAN: fit_arms(scored, MEAN, ranked.arms.nets)}
        blocks.append(differences_table(scored, fit, metric=metric, pairs=pairs, seed=seed))
    differences = pd.concat([block for block in blocks if len(block)] or blocks, ignore_index=True)
    return {
        "differences": differences,
        "variance": variance_table(dict(fits)),
        "ranks": ranks_table(ranked, differences),
    }


def _on_folds(fits: Mapping[str, MixedFit]) -> Iterator[str]:
    """A sentence on folds that share training data, and the correction for it."""
    fit = fits.get(MEAN)
    if fit is None or not fit.has_runs or fit.n_folds < 2:
        return
    shared = f"The {fit.n_folds} folds share training data, so they are not independent trainings"
    if fit.shares_training:
        yield (
            f"{shared}: as only folds show the spread between trainings, the variance of a "
            f"difference is multiplied by {training_overlap(fit.n_folds):.2g} (Nadeau and Bengio "
            "2003, doi:10.1023/A:1024068626366)."
        )
    else:
        yield (
            f"{shared}; the intervals of the mixed model come from seeds and do not cover other "
            "training data."
        )


def _notes(scored: Scored, ranked: Scored | None, why: str) -> Iterator[str]:
    arms = scored.arms
    yield from check_design(arms)
    yield from undefined(arms)
    cases, nets = len(scored.subjects), list(arms.nets)
    nets_ranked = list(ranked.arms.nets) if ranked else []
    if ranked and (lacking := cases - len(ranked.complete(MEAN, nets_ranked))):
        yield (
            f"{lacking} of {cases} cases lack a score by some architecture; they count in the "
            "means of other architectures, but not in ranks and tests of all."
        )
    for arm in (arm for arm in arms.names if arm not in nets):
        own = int(scored.held_out[scored.runs_of(arm)].any(axis=1).sum())
        if own < cases:
            yield (
                f"{arm} was scored on {own} of {cases} cases only, so do not compare its mean "
                f"{arms.headline.title} with those of other arms; its differences from other arms "
                "are on shared cases."
            )
    if scored.has_repeats:
        yield (
            f"{cases} cases come from {scored.subjects.nunique()} subjects; intervals resample "
            "subjects, and tests use the mean of each subject."
        )
    if why and len(nets_ranked) > 1:
        yield f"{why[0].upper()}{why[1:]}."
    if ranked:
        yield from _uneven(ranked)


def _uneven(scored: Scored) -> Iterator[str]:
    """Yield a sentence on an arm whose trainings vary far more than those of other arms.

    Source: Cochran 1941, doi:10.1111/j.1469-1809.1941.tb02271.x (largest of several variances).
    """
    runs = scored.arms.runs.loc[list(scored.held_out)]
    runs = runs[runs["kind"] == NET].assign(mean=scored.by_run[MEAN].mean())
    own = runs.groupby(["arm", "fold"])["mean"].mean().unstack("fold")
    deviations = runs["mean"] - runs["fold"].map(
        own.median()
    )  # the median is robust to one bad arm
    spread = deviations.groupby(runs["arm"]).var().dropna()
    if len(spread) < 3:
        return
    worst, k = spread.idxmax(), len(spread)
    others = float(spread.drop(worst).mean())
    freedom = len(deviations) / k - 1
    ratio = spread[worst] / max(others, SAME**2)
    if spread[worst] > SAME and k * f.sf(ratio, freedom, (k - 1) * freedom) < UNEVEN:
        yield (
            f"The trainings of {worst} vary far more (SD {math.sqrt(spread[worst]):.3f}) than "
            f"those of other arms ({math.sqrt(others):.3f}). As the mixed model has one spread for "
            f"all, other arms look less certain than they are: compare them without {worst}, too."
        )
