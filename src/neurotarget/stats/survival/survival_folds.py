"""Predictions of people by models that were fitted without them, in repeated folds.

R repeats, N people, H horizons. All fits use the training folds only.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.survival.concordance import (
    PairShares,
    mean_pairs,
    within,
)
from neurotarget.stats.survival.cox import NoFitError
from neurotarget.stats.survival.survival_models import ModelKind, fit_model

Cases = Float[ndarray, " N"]
Terms = Float[ndarray, "N P"]
Folds = Integer[ndarray, "R N"]


class HeldOut(NamedTuple):
    """Held-out predictions of each repeat; NaN where the model of a fold could not be fitted."""

    fold: Folds
    score: Float[ndarray, "R N"]
    days: Float[ndarray, "R N"]
    risk: Float[ndarray, "H R N"]
    reasons: tuple[str, ...]  # distinct reasons why models could not be fitted

    @property
    def is_complete(self) -> bool:
        """True if every person was predicted in every repeat."""
        return bool(np.isfinite(self.score).all())

    @property
    def leaves_one_out(self) -> bool:
        """True if each fold is one person."""
        return len(np.unique(self.fold[0])) == self.fold.shape[1]


def draw_folds(event: Cases, count: int, repeats: int, seed: int) -> Folds:
    """Return random folds of equal size with equal numbers of events; 0 folds leave one person out.

    Sizes and numbers of events differ by one at most. Leaving one person out is not random, so it
    has one repeat, whatever `repeats` is.
    """
    n = len(event)
    if count == 0:
        return np.arange(n)[None, :]
    random = np.random.default_rng(seed)
    drawn = np.empty((repeats, n), dtype=int)
    for repeat in drawn:
        order = np.concatenate([random.permutation(np.flatnonzero(event == kind))
                                for kind in (1, 0)])  # fmt: skip
        repeat[order] = np.arange(n) % count
    return drawn


def held_out(
    kind: ModelKind,
    days: Cases,
    event: Cases,
    terms: Terms,
    fold: Folds,
    horizons: Float[ndarray, " H"],
    *,
    seed: int = 0,
) -> HeldOut:
    """Predict the people of each fold by a model that was fitted to the other folds.

    Args:
        kind: kind of model.
        days: times to the event or to the end of follow-up.
        event: 1 where the event was observed, else 0.
        terms: (N, P), without NaN.
        fold: (R, N), the fold of each person in each repeat.
        horizons: days by which risks are predicted.
        seed: random seed of the random forest.

    Returns:
        Predictions; NaN, with a reason in `reasons`, for folds whose model could not be fitted.
    """
    score, predicted = np.full(fold.shape, np.nan), np.full(fold.shape, np.nan)
    risk = np.full((len(horizons), *fold.shape), np.nan)
    reasons: dict[str, None] = {}
    for repeat, folds in enumerate(fold):
        for number in np.unique(folds):
            test = folds == number
            try:
                model = fit_model(kind, days[~test], event[~test], terms[~test], seed=seed)
            except NoFitError as wrong:
                reasons[str(wrong)] = None
                continue
            made = model.predict(terms[test], horizons)
            score[repeat, test], predicted[repeat, test] = made.score, made.days
            risk[:, repeat, test] = made.risk
    return HeldOut(fold, score, predicted, risk, tuple(reasons))


def same_fold_pairs(pairs: list[PairShares], fold: Folds) -> PairShares:
    """Return the pairs of people of the same fold, whose scores come from one model.

    Weights are means over repeats. Pairs across folds compare models: leaving out a person with a
    long time lowers the mean of the training people, so held-out means run against the truth, and
    leave-one-out C of a model without information is 0 and not 0.5.

    Source: Airola et al. 2011, doi:10.1016/j.csda.2010.11.018.
    """
    return mean_pairs(
        [within(one, np.equal.outer(row, row)) for one, row in zip(pairs, fold, strict=True)]
    )
