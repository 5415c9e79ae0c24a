"""Models of survival that are fitted to some people and predict other people.

N people, P terms. Cox's model uses all people; linear regression and the random forest predict days
and need an observed event of every person.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.ensemble import RandomForestRegressor

from neurotarget.stats.survival.cox import Cox, NoFitError, fit_cox

Cases = Float[ndarray, " N"]
Terms = Float[ndarray, "N P"]
ModelKind = Literal["cox", "linear", "forest"]

TREES = 25  # as Weninger's submission to BraTS 2018


class Predicted(NamedTuple):
    """Score of each person (higher is worse), days, and risks at H horizons; NaN if unknown."""

    score: Float[ndarray, " M"]
    days: Float[ndarray, " M"]
    risk: Float[ndarray, "H M"]


class FittedModel(NamedTuple):
    """A model of the terms that vary among the training people; constant terms have no effect."""

    used: Bool[ndarray, " P"]
    cox: Cox | None = None
    coefficients: Float[ndarray, " Q"] | None = None  # intercept first
    forest: RandomForestRegressor | None = None

    def predict(self, terms: Float[ndarray, "M P"], horizons: Float[ndarray, " H"]) -> Predicted:
        """Predict people by their terms; `horizons` are in days.

        Cox's model gives scores and risks. Other models give days, and minus the days as the score.
        Predictions that a model does not give are NaN. `terms` has all columns of the fit.
        """
        x, nothing = terms[:, self.used], np.full(len(terms), np.nan)
        no_risk = np.full((len(horizons), len(terms)), np.nan)
        if self.cox is not None:
            risks = [self.cox.risk(x, float(day)) for day in horizons]
            return Predicted(self.cox.score(x), nothing, np.array(risks).reshape(no_risk.shape))
        if self.forest is not None:
            days = self.forest.predict(x)
        else:
            days = self.coefficients[0] + x @ self.coefficients[1:]
        return Predicted(-days, days, no_risk)


def fit_model(
    kind: ModelKind, days: Cases, event: Cases, terms: Terms, *, seed: int = 0
) -> FittedModel:
    """Fit Cox's hazards, least squares on days, or a random forest of 25 trees on days.

    Source: Breiman 2001, doi:10.1023/A:1010933404324 (forest); `cox` for the hazards.

    Raises:
        NoFitError: the model has no finite coefficients, or a model of days gets people without the
            event.
    """
    used = terms.std(axis=0) > 0
    x = terms[:, used]
    if kind == "cox":
        return FittedModel(used, cox=fit_cox(days, event, x))
    if not (event == 1).all():
        raise NoFitError("predicted days need the event of every person")
    if kind == "forest":
        if not x.shape[1]:
            raise NoFitError("no term varies")
        forest = RandomForestRegressor(TREES, random_state=seed)
        return FittedModel(used, forest=forest.fit(x, days))
    columns = np.column_stack([np.ones(len(x)), x])
    found, _, rank, _ = np.linalg.lstsq(columns, days, rcond=None)
    if rank < columns.shape[1]:
        raise NoFitError("a term depends on the others")
    return FittedModel(used, coefficients=found)
