"""The chain from features to predictions, fitted as a whole to the cases of a training fold.

A row holds one case: the number of its site, C clinical terms, F image features. All steps learn
from the training cases only: site effects, missing values, pruning, selection, scaling, penalty and
model.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from neurotarget.stats.core.probability_scores import log_losses
from neurotarget.stats.radiomics.feature_steps import ChosenFeatures, SiteEffects
from neurotarget.stats.radiomics.radiomic_folds import draw_case_folds
from neurotarget.stats.radiomics.radiomic_models import TRIED, RadiomicModel, estimator, predicted
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.relevance import Selection
from neurotarget.stats.survival.cox import NoFitError

Rows = Float[ndarray, "N K"]
INNER_FOLDS = 3


@dataclass(frozen=True)
class ChainSettings:
    """Settings of the steps within a training fold; `harmonise` removes site effects by ComBat.

    Attributes:
        most: largest number of image features of a model; clinical terms are not counted.
        correlation: largest absolute rank correlation of two kept features; 1 keeps all.
        balance: weight classes to equal sums.
        seed: of inner folds and of models with random parts.
    """

    model: RadiomicModel = "logistic"
    selection: Selection = "univariate"
    most: int = 10
    correlation: float = 0.9
    harmonise: bool = False
    balance: bool = False
    seed: int = 0


class Columns(NamedTuple):
    """Numbers of clinical terms and of image features in a row, after its site."""

    clinical: int
    image: int


class FittedChain(NamedTuple):
    """Fitted steps and model; `strength` is the penalty that was chosen within the fold."""

    columns: Columns
    steps: Pipeline
    model: BaseEstimator
    strength: float

    def predict(self, rows: Rows) -> Float[ndarray, " N"]:
        """Return the probability of the positive class, the number, or the log hazard ratio.

        `rows` have the columns of the fit: site, clinical terms, image features. Image features may
        be missing (NaN).
        """
        return predicted(self.model, self.steps.transform(rows))

    @property
    def chosen(self) -> Bool[ndarray, " F"]:
        """True for image features that the model uses."""
        flags = np.zeros(self.columns.image, dtype=bool)
        if self.columns.image:
            image = self.steps.named_steps["columns"].named_transformers_["image"]
            flags[image.named_steps["choose"].places_] = True
        return flags


def preparation(settings: ChainSettings, columns: Columns) -> Pipeline:
    """Return the unfitted steps before the model: they keep clinical terms and select features.

    The last step scales both to SD 1.
    """
    clinical = list(range(1, 1 + columns.clinical))
    image = [0, *range(1 + columns.clinical, 1 + sum(columns))]
    parts = [("clinical", "passthrough", clinical)] if clinical else []
    if columns.image:
        chosen = ChosenFeatures(settings.selection, settings.most, settings.correlation)
        steps = [("sites", SiteEffects(settings.harmonise)), ("choose", chosen)]
        parts.append(("image", Pipeline(steps), image))
    return Pipeline([("columns", ColumnTransformer(parts)), ("scale", StandardScaler())])


def fit_chain(
    settings: ChainSettings, columns: Columns, rows: Rows, outcome: Outcome
) -> FittedChain:
    """Choose the penalty in inner folds of these cases, then fit the chain to all these cases.

    Raises:
        NoFitError: no feature varies, or a model has no finite coefficients.
    """
    tried = TRIED[settings.model]
    strength = tried[-1] if len(tried) == 1 else _tuned(settings, columns, rows, outcome)
    steps = _prepared(settings, columns, rows, outcome)
    model = _model(settings, strength, steps.transform(rows), outcome)
    return FittedChain(columns, steps, model, strength)


def _tuned(settings: ChainSettings, columns: Columns, rows: Rows, outcome: Outcome) -> float:
    """Penalty with the least loss in inner folds; among ties the strongest regularisation."""
    tried = TRIED[settings.model]
    losses = np.zeros(len(tried))
    for test in inner_folds(outcome, settings.seed):
        before, after = outcome.take(~test), outcome.take(test)
        steps = _prepared(settings, columns, rows[~test], before)
        x, held = steps.transform(rows[~test]), steps.transform(rows[test])
        for place, strength in enumerate(tried):
            model = _model(settings, strength, x, before)
            losses[place] += _loss(predicted(model, held), after)
    return tried[int(np.argmin(losses))]


def inner_folds(outcome: Outcome, seed: int) -> list[Bool[ndarray, " N"]]:
    """Return one mask of left-out cases per fold; all cases of a person are in one fold."""
    fold: Integer[ndarray, " N"] = draw_case_folds(outcome, INNER_FOLDS, 1, seed)[0]
    return [fold == number for number in np.unique(fold)]


def _prepared(
    settings: ChainSettings, columns: Columns, rows: Rows, outcome: Outcome
) -> Pipeline:  # fmt: skip
    made = preparation(settings, columns)
    made[0].fit(rows, outcome.target)
    x = made[0].transform(rows)
    if not x.shape[1]:
        raise NoFitError("no feature varies in a training fold")
    made[1].fit(x)
    return made


def _model(
    settings: ChainSettings, strength: float, x: Rows, outcome: Outcome
) -> BaseEstimator:  # fmt: skip
    if outcome.is_survival and not outcome.y.any():
        raise NoFitError("no event in a training fold")
    if outcome.is_class and len(np.unique(outcome.y)) < 2:
        raise NoFitError("one class only in a training fold")
    model = estimator(settings.model, strength, balance=settings.balance, seed=settings.seed)
    return model.fit(x, outcome.target)


def _loss(score: Float[ndarray, " N"], outcome: Outcome) -> float:
    """Log loss for classes, mean squared error for numbers, 1 − C for times."""
    if outcome.is_number:
        return float(np.square(score - outcome.y).mean())
    if not outcome.is_survival:
        return float(log_losses(score, outcome.y).mean())
    share = outcome.pairs(score).value
    return 0.5 if np.isnan(share) else 1 - share
