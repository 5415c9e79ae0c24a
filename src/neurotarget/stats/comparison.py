"""All that a comparison says of its arms, as tables; the page shows them and computes nothing."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from scipy.stats import f

from neurotarget.stats.arm_scores import MEAN, SAME, Scored, score_arms, undefined
from neurotarget.stats.arm_studies import agreement_table, effects_table
from neurotarget.stats.arm_tables import arms_table, cases_table, costs_table, spread_table
from neurotarget.stats.arms import NET, Arms, check_design
from neurotarget.stats.best_arm import best_probabilities
from neurotarget.stats.headline import headline
from neurotarget.stats.mixed import fit_arms, variance_table
from neurotarget.stats.paired import differences_table
from neurotarget.stats.parts import arm_parts_table, of_arms, without_external
from neurotarget.stats.ranks import ranks_table
from neurotarget.types import Target

UNEVEN = 0.01  # p of equal spreads below which one spread for all arms is a poor summary


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tables by name, as they are written to `compare/<name>.tsv`.

    `sentence` says in plain words which arm is best and which cannot be told apart from it.
    `notes` are sentences on what was left out, with counts; `facts` say where the numbers come
    from (experiment, commit, command).
    """

    target: Target
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""


def compare(
    arms: Arms,
    *,
    seed: int = 0,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Comparison:
    """Compute every table of a comparison; the same seed gives the same numbers.

    What a design does not have (seeds, folds, a second arm, volumes) gives rows with a reason.
    `parts` is there where cases are external or scores published. The target's hypotheses are
    put to all cases that were held out, those of unseen sites among them.
    """
    parts, every = arm_parts_table(arms, seed=seed), arms
    arms, more = without_external(every)
    scored = score_arms(arms)
    fits = {label: fit_arms(scored, label, arms.nets) for label in scored.labels}
    differences = differences_table(scored, fits, seed=seed)
    tables = {
        "differences": differences,
        "spread": spread_table(scored),
        "variance": variance_table(fits),
        "ranks": ranks_table(scored, differences),
        "agreement": agreement_table(arms, seed=seed),
        "effects": effects_table(of_arms(every, arms.names)),
        "costs": costs_table(scored),
        "cases": cases_table(scored),
    }
    tables = {"arms": arms_table(scored, tables, seed=seed)} | tables
    tables |= {"parts": parts} if len(parts) else {}
    told = (*notes, *more, *_notes(scored, seed))
    return Comparison(arms.target, tables, told, dict(facts or {}), headline(tables))


def _notes(scored: Scored, seed: int) -> Iterator[str]:
    arms = scored.arms
    yield from check_design(arms)
    yield from undefined(arms)
    cases, nets = len(scored.subjects), list(arms.nets)
    if lacking := cases - len(scored.complete(MEAN, nets)):
        yield (
            f"{lacking} of {cases} cases lack a score by some architecture; they count in the "
            "means of the others, not in ranks and tests of all."
        )
    for arm in (arm for arm in arms.names if arm not in nets):
        own = int(scored.held_out[scored.runs_of(arm)].any(axis=1).sum())
        if own < cases:
            yield (
                f"{arm} was scored on {own} of {cases} cases only, so its mean Dice is not to be "
                "held against those of other arms; its differences to them are."
            )
    if scored.has_repeats:
        yield (
            f"{cases} cases come from {scored.subjects.nunique()} subjects; intervals draw "
            "subjects, and tests take the mean of each."
        )
    _, why = best_probabilities(scored, seed=seed)
    if why and len(nets) > 1:
        yield f"{why[0].upper()}{why[1:]}."
    yield from _uneven(scored)


def _uneven(scored: Scored) -> Iterator[str]:
    """A sentence on the arm whose trainings vary far more than those of the others.

    Source: Cochran 1941, doi:10.1111/j.1469-1809.1941.tb02271.x (largest of several variances).
    """
    runs = scored.arms.runs.loc[list(scored.held_out)]
    runs = runs[runs["kind"] == NET].assign(mean=scored.by_run[MEAN].mean())
    own = runs.groupby(["arm", "fold"])["mean"].mean().unstack("fold")
    apart = runs["mean"] - runs["fold"].map(own.median())  # which one bad arm does not move
    spread = apart.groupby(runs["arm"]).var().dropna()
    if len(spread) < 3:
        return
    worst, k = spread.idxmax(), len(spread)
    others = float(spread.drop(worst).mean())
    freedom = len(apart) / k - 1
    ratio = spread[worst] / max(others, SAME**2)
    if spread[worst] > SAME and k * f.sf(ratio, freedom, (k - 1) * freedom) < UNEVEN:
        yield (
            f"The trainings of {worst} vary far more (SD {math.sqrt(spread[worst]):.3f}) than "
            f"those of the others ({math.sqrt(others):.3f}); as the mixed model has one spread for "
            "all, the others look less certain than they are: compare them without it as well."
        )
