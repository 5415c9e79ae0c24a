"""Arms of a radiomics study: clinical terms, image features, or both, predicted in nested folds.

N cases, R repeats of folds, F image features, M models (one per fold and repeat).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.radiomics.chain import ChainSettings, Columns, FittedChain, fit_chain
from neurotarget.stats.radiomics.radiomic_folds import Folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.survival.concordance import (
    PairShares,
    mean_pairs,
    share,
    share_difference,
)
from neurotarget.stats.survival.cox import NoFitError
from neurotarget.stats.survival.survival_folds import same_fold_pairs

Rows = Float[ndarray, "N K"]
Flags = Bool[ndarray, " N"]


class Material(NamedTuple):
    """Cases with the number of their site, clinical terms, image features by name, and outcome."""

    case_ids: list[str]
    outcome: Outcome
    clinical: Float[ndarray, "N C"]
    image: Float[ndarray, "N F"]
    clinical_names: list[str]
    image_names: list[str]
    site: Float[ndarray, " N"]
    positive_is: str = ""  # column and value of the positive class

    def rows(self, name: str) -> tuple[Columns, Rows]:
        """Return the input of a chain for one set of terms: `clinical`, `image` or `both`.

        Returns:
            Numbers of the clinical and image columns, and the rows: first the site, then clinical
            terms, then image features.
        """
        clinical = self.clinical if name != "image" else self.clinical[:, :0]
        image = self.image if name != "clinical" else self.image[:, :0]
        columns = Columns(clinical.shape[1], image.shape[1])
        return columns, np.column_stack([self.site, clinical, image])

    @property
    def sets(self) -> list[str]:
        """Names of the sets of terms that can be compared."""
        has = {"clinical": self.clinical.shape[1] > 0, "image": self.image.shape[1] > 0}
        named = [name for name, there in has.items() if there]
        return [*named, "both"] if len(named) > 1 else named


class LeftOutScores(NamedTuple):
    """Scores of each case by chains without its person, and the features that those chains chose.

    `reasons` state why chains could not be fitted; the cases of such a fold have NaN.
    """

    fold: Folds
    score: Float[ndarray, "R N"]
    chosen: Bool[ndarray, "M F"]
    reasons: tuple[str, ...] = ()

    def first(self, repeats: int) -> "LeftOutScores":
        """Return the scores of the first repeats only; `chosen` keeps all repeats.

        Tests that refit chains many times need it, as all repeats would take too long.
        """
        return self._replace(fold=self.fold[:repeats], score=self.score[:repeats])

    @property
    def is_complete(self) -> bool:
        """True if every case was predicted in every repeat."""
        return bool(np.isfinite(self.score).all())


class RadiomicArm(NamedTuple):
    """A set of terms with its chain fitted to all cases, and scores of held-out cases.

    Without a fit, `reason` states why.
    """

    name: str
    fit: FittedChain | None
    held: LeftOutScores
    reason: str = ""

    @property
    def is_scored(self) -> bool:
        """True if the chain could be fitted and every case was predicted."""
        return self.fit is not None and self.held.is_complete


def fit_radiomic_arm(
    material: Material, name: str, settings: ChainSettings, fold: Folds
) -> RadiomicArm:
    """Predict every case by chains without its person, and fit a chain to all cases.

    `name` is the set of terms: `clinical`, `image` or `both`. `fold` (R, N) holds the fold of each
    case in each repeat; all cases of a person are in one fold. If the chain of all cases cannot be
    fitted, the arm has the predictions and the reason.
    """
    columns, rows = material.rows(name)
    held = left_out_scores(settings, columns, rows, material.outcome, fold)
    try:
        fit = fit_chain(settings, columns, rows, material.outcome)
    except NoFitError as wrong:
        return RadiomicArm(name, None, held, str(wrong))
    return RadiomicArm(name, fit, held, "; ".join(held.reasons))


def left_out_scores(
    settings: ChainSettings,
    columns: Columns,
    rows: Rows,
    outcome: Outcome,
    fold: Folds,
    kept: Callable[[Flags], Flags] | None = None,
) -> LeftOutScores:
    """Predict the cases of each fold by a chain that was fitted to the other folds.

    `kept` takes the mask of the training cases and returns the mask of the cases to use; None uses
    all training cases. A fold whose chain could not be fitted has NaN and adds a reason.
    """
    score, chosen = np.full(fold.shape, np.nan), []
    reasons: dict[str, None] = {}
    for repeat, folds in enumerate(fold):
        for number in np.unique(folds):
            test = folds == number
            train = kept(~test) if kept else ~test
            try:
                fit = fit_chain(settings, columns, rows[train], outcome.take(train))
            except NoFitError as wrong:
                reasons[str(wrong)] = None
                continue
            score[repeat, test] = fit.predict(rows[test])
            chosen.append(fit.chosen)
    flags = np.array(chosen, dtype=bool).reshape(len(chosen), columns.image)
    return LeftOutScores(fold, score, flags, tuple(reasons))


def held_pairs(outcome: Outcome, held: LeftOutScores) -> PairShares:
    """Return pairs of cases of the same fold, whose scores come from one chain; mean over repeats.

    Folds that are sites may lack a class; their cases are in no pair.
    """
    return same_fold_pairs([outcome.pairs(row) for row in held.score], held.fold)


def discrimination(outcome: Outcome, held: LeftOutScores, seed: int) -> Estimate:
    """AUC or C of held-out cases, with its interval over people.

    Only cases of the same fold are compared, see `held_pairs`.
    """
    return share(held_pairs(outcome, held), seed, outcome.subject)


def pooled_discrimination(outcome: Outcome, held: LeftOutScores) -> float:
    """AUC or C over all pairs, including pairs of cases that different chains predicted.

    Differences between chains affect it, so it may be lower than `discrimination`. It is reported
    as many studies state it.
    """
    return mean_pairs([outcome.pairs(row) for row in held.score]).value


def fold_spread(outcome: Outcome, held: LeftOutScores) -> tuple[float, float]:
    """Mean and SD over folds and repeats of the AUC or C within a fold.

    Folds without a pair are left out; NaN if no fold has a pair. The SD is not a standard error, as
    folds share their training cases.
    """
    values = []
    for score, folds in zip(held.score, held.fold, strict=True):
        for number in np.unique(folds):
            test = folds == number
            values.append(outcome.take(test).pairs(score[test]).value)
    known = [value for value in values if np.isfinite(value)]
    return (float(np.mean(known)), float(np.std(known))) if known else (np.nan, np.nan)


def gain(outcome: Outcome, first: LeftOutScores, second: LeftOutScores, seed: int) -> Estimate:
    """AUC or C of `second` minus that of `first` on the same cases, with its paired interval.

    Positive where `second` is better. Both must have a score of every case.
    """
    pairs = [held_pairs(outcome, held) for held in (first, second)]
    return share_difference(*pairs, seed, outcome.subject)
