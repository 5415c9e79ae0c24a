"""Self-tests of a radiomics study: permuted labels, selection outside the folds, fewer people.

N cases.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.radiomics.chain import ChainSettings, Columns, fit_chain
from neurotarget.stats.radiomics.radiomic_arms import (
    LeftOutScores,
    Material,
    discrimination,
    gain,
    held_pairs,
    left_out_scores,
)
from neurotarget.stats.radiomics.radiomic_folds import Folds, draw_case_folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.survival.cox import NoFitError

SHARES = (0.4, 0.6, 0.8, 1.0)  # of the people of a training fold
FEWEST_PEOPLE = 10
CURVE_REPEATS = 3


class Permutation(NamedTuple):
    """AUC or C of one draw of folds, those of permuted outcomes, and the one-sided p."""

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
    """AUC or C of cases left out by chains of so many people."""

    people: float
    value: Estimate


def permutation_test(
    material: Material, name: str, settings: ChainSettings, *, count: int, draws: int, seed: int
) -> Permutation:
    """Repeat everything with outcomes permuted over people, in one draw of folds each.

    `count` is the number of folds. p counts the observed value among the permuted ones.

    Source: Ojala and Garriga 2010, Journal of Machine Learning Research 11:1833-1863; Phipson and
    Smyth 2010, doi:10.2202/1544-6115.1585 (p).
    """
    columns, rows = material.rows(name)
    random = np.random.default_rng(seed)

    def value(outcome: Outcome, place: int) -> float:
        fold = draw_case_folds(outcome, count, 1, seed + place)
        held = left_out_scores(settings, columns, rows, outcome, fold)
        return held_pairs(outcome, held).value if held.is_complete else np.nan

    observed = value(material.outcome, 0)
    found = [value(permuted(material.outcome, random), place) for place in range(1, draws + 1)]
    known = np.array([one for one in found if np.isfinite(one)])
    p = float((1 + (known >= observed).sum()) / (1 + len(known)))
    return Permutation(observed, known, p, draws - len(known))


def permuted(outcome: Outcome, random: np.random.Generator) -> Outcome:
    """Outcomes exchanged between people with equally many cases, so that a person keeps theirs."""
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
    material: Material, inside: LeftOutScores, settings: ChainSettings, seed: int
) -> Leakage | None:
    """What choosing image features on all cases, before the folds, would have claimed.

    Pruning and selection see everybody; scaling, penalty and model stay within the folds. None
    where no chain can be fitted.

    Source: Ambroise and McLachlan 2002, doi:10.1073/pnas.102102699.
    """
    columns, rows = material.rows("image")
    try:
        chosen = fit_chain(settings, columns, rows, material.outcome).chosen
    except NoFitError:
        return None
    kept = np.r_[True, chosen]
    plain = ChainSettings(
        settings.model, "none", settings.most, 1.0, settings.harmonise, settings.balance,
        settings.seed,
    )  # fmt: skip
    few = Columns(0, int(chosen.sum()))
    held = left_out_scores(plain, few, rows[:, kept], material.outcome, inside.fold)
    if not (held.is_complete and inside.is_complete):
        return None
    return Leakage(
        discrimination(material.outcome, held, seed),
        discrimination(material.outcome, inside, seed),
        gain(material.outcome, inside, held, seed),
        int(chosen.sum()),
    )


def learning_points(
    material: Material, name: str, settings: ChainSettings, fold: Folds, seed: int
) -> list[CurvePoint]:
    """AUC or C of cases left out by chains of shares of the other people, each test fold whole."""
    points = []
    for share in SHARES:
        held, people = _of_fewer(material, name, settings, fold[:CURVE_REPEATS], share, seed)
        if people >= FEWEST_PEOPLE and held.is_complete:
            points.append(CurvePoint(people, discrimination(material.outcome, held, seed)))
    return points


def _of_fewer(
    material: Material, name: str, settings: ChainSettings, fold: Folds, share: float, seed: int
) -> tuple[LeftOutScores, float]:
    """Scores by chains of a share of the training people, drawn within classes; and their mean."""
    columns, rows = material.rows(name)
    outcome, random = material.outcome, np.random.default_rng(seed)
    score, sizes, reasons = np.full(fold.shape, np.nan), [], []
    for repeat, folds in enumerate(fold):
        for number in np.unique(folds):
            test = folds == number
            people = _drawn_people(outcome, ~test, share, random)
            train = ~test & np.isin(outcome.subject, people)
            sizes.append(len(people))
            try:
                fit = fit_chain(settings, columns, rows[train], outcome.take(train))
            except NoFitError as wrong:
                reasons.append(str(wrong))
                continue
            score[repeat, test] = fit.predict(rows[test])
    nothing = np.zeros((0, columns.image), dtype=bool)
    return LeftOutScores(fold, score, nothing, [], tuple(reasons)), float(np.mean(sizes))


def _drawn_people(
    outcome: Outcome, train: ndarray, share: float, random: np.random.Generator
) -> ndarray:
    positive = np.unique(outcome.subject[train & (outcome.y == 1)])
    others = np.setdiff1d(outcome.subject[train], positive)
    return np.concatenate(
        [random.permutation(group)[: round(share * len(group))] for group in (positive, others)]
    )
