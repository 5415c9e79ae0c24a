"""Self-tests of a radiomics study: permuted labels, selection outside the folds, fewer people.

Shapes: N cases, D permutations.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.radiomics.chain import ChainSettings, Columns
from neurotarget.stats.radiomics.radiomic_arms import (
    Flags,
    LeftOutScores,
    Material,
    RadiomicArm,
    discrimination,
    gain,
    held_pairs,
    left_out_scores,
)
from neurotarget.stats.radiomics.radiomic_folds import Folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome

SHARES = (0.4, 0.6, 0.8)  # shares of the people of a training fold
FEWEST_PEOPLE = 10
CURVE_REPEATS = 3


class Permutation(NamedTuple):
    """AUC or C of one draw of folds, the same for permuted outcomes, and the one-sided p.

    `n_failed` permutations, in which a chain could not be fitted, do not count in p.
    """

    value: float
    permuted: Float[ndarray, " D"]
    p: float
    n_failed: int


class Leakage(NamedTuple):
    """AUC or C with features chosen outside and inside the folds, and the difference."""

    outside: Estimate
    inside: Estimate
    difference: Estimate
    chosen: int


class CurvePoint(NamedTuple):
    """AUC or C of held-out cases by chains that were fitted to a number of people."""

    people: float
    value: Estimate


def permutation_test(
    material: Material,
    arm: RadiomicArm,
    settings: ChainSettings,
    drawn: Callable[[Outcome, int], Folds],
    *,
    draws: int,
    seed: int,
) -> Permutation:
    """Repeat the whole procedure with outcomes permuted over people, in one draw of folds each.

    `drawn` returns the folds (1, N) for an outcome and a seed. The observed value is that of the
    arm's first draw; p counts it among the permuted values.

    Source: Ojala and Garriga 2010, Journal of Machine Learning Research 11:1833-1863; Phipson and
    Smyth 2010, doi:10.2202/1544-6115.1585 (p).
    """
    columns, rows = material.rows(arm.name)
    random = np.random.default_rng(seed)
    observed, found = held_pairs(material.outcome, arm.held.first(1)).value, []
    for place in range(1, draws + 1):
        outcome = permuted(material.outcome, random)
        held = left_out_scores(settings, columns, rows, outcome, drawn(outcome, seed + place))
        found.append(held_pairs(outcome, held).value if held.is_complete else np.nan)
    known = np.array([one for one in found if np.isfinite(one)])
    p = float((1 + (known >= observed).sum()) / (1 + len(known)))
    return Permutation(observed, known, p, draws - len(known))


def permuted(outcome: Outcome, random: np.random.Generator) -> Outcome:
    """Exchange the outcomes of people who have equally many cases.

    A person's outcomes stay together. An exchange of single cases would break the correlation
    within people, so that the spread by chance would look too small. A person with a unique number
    of cases keeps their own outcomes.
    """
    order = np.arange(len(outcome.y))
    counts = np.bincount(outcome.subject)
    places = np.argsort(outcome.subject, kind="stable")
    starts = np.cumsum(counts) - counts
    for size in np.unique(counts):
        people = np.flatnonzero(counts == size)
        for own, other in zip(people, random.permutation(people), strict=True):
            order[places[starts[own] : starts[own] + size]] = places[
                starts[other] : starts[other] + size
            ]
    days = None if outcome.days is None else outcome.days[order]
    return outcome._replace(y=outcome.y[order], days=days)


def leakage(
    material: Material, arm: RadiomicArm, settings: ChainSettings, seed: int
) -> Leakage | None:
    """Return the AUC or C if image features are selected on all cases, before the folds.

    `arm` is the arm of image features; its model of all cases gives the selection. Pruning and
    selection use all people; scaling, penalty and model stay within the folds. None where a chain
    cannot be fitted.

    Source: Ambroise and McLachlan 2002, doi:10.1073/pnas.102102699.
    """
    _, rows = material.rows("image")
    inside, chosen = arm.held, arm.fit.chosen
    plain = replace(settings, selection="none", correlation=1.0)
    few = Columns(0, int(chosen.sum()))
    held = left_out_scores(plain, few, rows[:, np.r_[True, chosen]], material.outcome, inside.fold)
    if not (held.is_complete and inside.is_complete):
        return None
    return Leakage(
        discrimination(material.outcome, held, seed),
        discrimination(material.outcome, inside, seed),
        gain(material.outcome, inside, held, seed),
        int(chosen.sum()),
    )


def learning_points(
    material: Material, arm: RadiomicArm, settings: ChainSettings, seed: int
) -> list[CurvePoint]:
    """Return AUC or C of held-out cases by chains fitted to shares of the training people.

    Test folds stay whole. The last point, with all training people, is that of the arm itself.
    Points of fewer than ten people, or with chains that could not be fitted, are left out.
    """
    whole = arm.held.first(CURVE_REPEATS)
    sizes = [len(np.unique(material.outcome.subject[folds != number]))
             for folds in whole.fold for number in np.unique(folds)]  # fmt: skip
    found = [_of_fewer(material, arm.name, settings, whole.fold, share, seed) for share in SHARES]
    return [
        CurvePoint(people, discrimination(material.outcome, held, seed))
        for held, people in [*found, (whole, float(np.mean(sizes)))]
        if people >= FEWEST_PEOPLE and held.is_complete
    ]


def _of_fewer(
    material: Material, name: str, settings: ChainSettings, fold: Folds, share: float, seed: int
) -> tuple[LeftOutScores, float]:
    """Return scores by chains of a share of the training people, and the mean number of people.

    People are sampled within classes.
    """
    columns, rows = material.rows(name)
    outcome, random, sizes = material.outcome, np.random.default_rng(seed), []

    def kept(train: Flags) -> Flags:
        people = _drawn_people(outcome, train, share, random)
        sizes.append(len(people))
        return train & np.isin(outcome.subject, people)

    held = left_out_scores(settings, columns, rows, outcome, fold, kept)
    return held, float(np.mean(sizes))


def _drawn_people(
    outcome: Outcome, train: Flags, share: float, random: np.random.Generator
) -> ndarray:
    is_one = outcome.y > np.median(outcome.y) if outcome.is_number else outcome.y == 1
    positive = np.unique(outcome.subject[train & is_one])
    others = np.setdiff1d(outcome.subject[train], positive)
    return np.concatenate(
        [random.permutation(group)[: round(share * len(group))] for group in (positive, others)]
    )
