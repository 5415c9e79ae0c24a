"""Arms of a survival study: a set of terms and a model per arm, predicted in folds, with scores.

N people, P terms, R repeats, H horizons in days.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.core.resample import ends, replicates, weighted_mean
from neurotarget.stats.survival.concordance import (
    PairShares,
    draw_count,
    harrell_pairs,
    mean_pairs,
    share,
    share_difference,
    time_auc_pairs,
    uno_pairs,
)
from neurotarget.stats.survival.cox import NoFitError
from neurotarget.stats.survival.survival_errors import brier_parts
from neurotarget.stats.survival.survival_folds import Folds, HeldOut, held_out, same_fold_pairs
from neurotarget.stats.survival.survival_models import FittedModel, ModelKind, fit_model

Cases = Float[ndarray, " N"]

MONTH_DAYS = 365.25 / 12
REFITS, FEW_REFITS, MANY = 200, 50, 600  # fewer of more people, whose intervals are narrow
FEWEST = 5  # fewest events before, and people followed up beyond, a horizon


class Cohort(NamedTuple):
    """People with times, and sets of terms by name: the terms' names, and values (N, P).

    `days` are times to the event or to the end of follow-up; `event` is 1 where the event was
    observed, else 0. All sets have the same people.
    """

    case_ids: Sequence[str]
    days: Cases
    event: Cases
    sets: Mapping[str, tuple[Sequence[str], Float[ndarray, "N P"]]]

    def terms(self, name: str) -> Float[ndarray, "N P"]:
        """Return the values of the terms of a set."""
        return self.sets[name][1]


class Plan(NamedTuple):
    """Plan of a comparison: horizons, folds (R, N), and the seed of fits and intervals."""

    horizons_months: tuple[float, ...]
    fold: Folds
    seed: int

    @property
    def horizons(self) -> Float[ndarray, " H"]:
        """Horizons in days."""
        return np.array(self.horizons_months) * MONTH_DAYS


class Arm(NamedTuple):
    """A model of one set of terms: its fit to all people, and held-out predictions of each person.

    Without a fit, `reason` states why.
    """

    terms: str
    model: ModelKind
    fit: FittedModel | None
    held: HeldOut | None
    reason: str = ""

    @property
    def is_scored(self) -> bool:
        """True if every person has a held-out prediction."""
        return self.held is not None and self.held.is_complete


def fit_arm(cohort: Cohort, terms: str, model: ModelKind, plan: Plan) -> Arm:
    """Fit a model to all people, and predict each person by models without this person.

    If the model cannot be fitted to all people, the arm has neither fit nor predictions. If only
    models of folds fail, the people of these folds have NaN and the arm is not scored.
    """
    x = cohort.terms(terms)
    try:
        fit = fit_model(model, cohort.days, cohort.event, x, seed=plan.seed)
    except NoFitError as wrong:
        return Arm(terms, model, None, None, str(wrong))
    held = held_out(model, cohort.days, cohort.event, x, plan.fold, plan.horizons, seed=plan.seed)
    return Arm(terms, model, fit, held, "; ".join(held.reasons))


def usable_horizons(days: Cases, event: Cases, months: Sequence[float]) -> tuple[float, ...]:
    """Return the horizons, in months and in the given order, that have enough people.

    A horizon needs five events before it and five people followed up beyond it.
    """
    return tuple(
        month for month in months
        if ((days <= month * MONTH_DAYS) & (event == 1)).sum() >= FEWEST
        and (days > month * MONTH_DAYS).sum() >= FEWEST
    )  # fmt: skip


def arm_pairs(cohort: Cohort, arm: Arm, plan: Plan) -> dict[str, PairShares]:
    """Return the pair weights of each discrimination statistic of held-out scores, by name.

    Names are `c` (Harrell's), `c_uno`, `auc_<months>m` at each horizon, and `c_pooled`. `c_pooled`
    uses all pairs. The other statistics use pairs within folds, or all pairs where one person is
    left out at a time.
    """
    days, event, held = cohort.days, cohort.event, arm.held
    pairs = [harrell_pairs(days, event, row) for row in held.score]
    kinds = {"c": pairs, "c_uno": [uno_pairs(days, event, row) for row in held.score]}
    for month, day in zip(plan.horizons_months, plan.horizons, strict=True):
        kinds[f"auc_{month:g}m"] = [
            time_auc_pairs(days, event, row, float(day)) for row in held.score
        ]
    found = {
        name: mean_pairs(rows) if held.leaves_one_out else same_fold_pairs(rows, held.fold)
        for name, rows in kinds.items()
    }
    return found | {"c_pooled": mean_pairs(pairs)}


def arm_brier(cohort: Cohort, arm: Arm, plan: Plan) -> dict[str, Cases]:
    """Return each person's part of the Brier score at each horizon, mean over repeats.

    Keys are `brier_<months>m`; empty for a model that predicts days and no risks.
    """
    found = {}
    for place, (month, day) in enumerate(zip(plan.horizons_months, plan.horizons, strict=True)):
        if np.isfinite(arm.held.risk[place]).all():
            parts = [brier_parts(cohort.days, cohort.event, row, float(day))
                     for row in arm.held.risk[place]]  # fmt: skip
            found[f"brier_{month:g}m"] = np.mean(parts, axis=0)
    return found


def arm_scores(cohort: Cohort, arm: Arm, plan: Plan) -> dict[str, Estimate]:
    """Return held-out discrimination and error of an arm with intervals over people, by statistic.

    Statistics are those of `arm_pairs` (higher is better) and of `arm_brier` (lower is better).
    """
    scores = {name: share(one, plan.seed) for name, one in arm_pairs(cohort, arm, plan).items()}
    for name, parts in arm_brier(cohort, arm, plan).items():
        scores[name] = mean_over_people(parts, plan.seed)
    return scores


def arm_differences(cohort: Cohort, first: Arm, second: Arm, plan: Plan) -> dict[str, Estimate]:
    """Return scores of `second` minus those of `first`, with paired intervals over people.

    The result has the statistics that both arms have. A positive difference of a Brier score is
    worse.
    """
    before, after = (arm_pairs(cohort, arm, plan) for arm in (first, second))
    found = {name: share_difference(before[name], after[name], plan.seed) for name in before}
    first_parts, second_parts = (arm_brier(cohort, arm, plan) for arm in (first, second))
    for name, parts in first_parts.items():
        if name in second_parts:
            found[name] = mean_over_people(second_parts[name] - parts, plan.seed)
    return found


def mean_over_people(parts: Cases, seed: int) -> Estimate:
    """Return the mean over people with its BCa interval, in the unit of `parts`.

    `parts` has one value per person, without NaN.
    """
    n, count = len(parts), draw_count(len(parts))
    means = weighted_mean(replicates(n, seed, count), parts, np.arange(n))
    return Estimate(float(means[0]), *ends(means, count=count), n)


class Refits(NamedTuple):
    """Predictions of each person by models that were fitted to D bootstrap samples.

    `optimism` is C on the sample that a model was fitted to minus C on all people, mean over draws.
    """

    score: Float[ndarray, "D N"]
    days: Float[ndarray, "D N"]
    risk: Float[ndarray, "H D N"]
    optimism: float
    n_failed: int


def refit(cohort: Cohort, arm: Arm, plan: Plan) -> Refits:
    """Fit a model to bootstrap samples of people, and predict all people by each fit.

    Samples to which the model cannot be fitted are left out and counted in `n_failed`. If all fits
    fail, arrays have no draws and the optimism is NaN.

    Source: Harrell et al. 1996, Statistics in Medicine 15:361-387 (optimism).
    """
    x, days, event = cohort.terms(arm.terms), cohort.days, cohort.event
    random, made, gaps = np.random.default_rng(plan.seed), [], []
    count = REFITS if len(days) <= MANY else FEW_REFITS
    for _ in range(count):
        drawn: Integer[ndarray, " N"] = random.integers(len(days), size=len(days))
        try:
            model = fit_model(arm.model, days[drawn], event[drawn], x[drawn], seed=plan.seed)
        except NoFitError:
            continue
        one = model.predict(x, plan.horizons)
        made.append(one)
        own = harrell_pairs(days[drawn], event[drawn], one.score[drawn]).value
        gaps.append(own - harrell_pairs(days, event, one.score).value)
    if not made:
        nothing = np.empty((0, len(days)))
        return Refits(nothing, nothing, np.empty((len(plan.horizons), *nothing.shape)),
                      math.nan, count)  # fmt: skip
    return Refits(
        np.array([one.score for one in made]),
        np.array([one.days for one in made]),
        np.stack([one.risk for one in made], axis=1),
        float(np.nanmean(gaps)),
        count - len(made),
    )
