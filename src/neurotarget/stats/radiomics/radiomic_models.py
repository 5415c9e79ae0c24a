"""Models of features as estimators of scikit-learn, and the penalties to choose from in folds.

N cases, P columns.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC

from neurotarget.stats.survival.cox import NoFitError, fit_cox

Terms = Float[ndarray, "N P"]
RadiomicModel = Literal["logistic", "elastic_net", "svm", "forest", "boosting", "cox", "ridge"]

# values to choose from; larger values regularise linear models and support vectors less
TRIED: Mapping[str, tuple[float, ...]] = {
    "logistic": (0.01, 0.1, 1.0),
    "elastic_net": (0.03, 0.1, 1.0),
    "svm": (0.1, 1.0),
    "forest": (5,),  # fewest cases of a leaf
    "boosting": (0.03, 0.1),  # learning rate
    "cox": (0.01, 0.1, 1.0),
    "ridge": (0.001, 0.01, 0.1, 1.0),
}
TREES = 100
L1_SHARE = 0.5


class RidgeCox(BaseEstimator):
    """Cox's hazards with a ridge penalty, fitted to days and events (N, 2).

    The ridge is 0.01 / strength times the number of events. A penalty per event has the same effect
    in small and large cohorts.
    """

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def fit(self, terms: Terms, target: Float[ndarray, "N 2"]) -> "RidgeCox":
        """Fit the terms that vary; constant terms have no effect.

        Args:
            terms: (N, P), scaled to SD 1 by the chain.
            target: days, and 1 where the event was observed.

        Raises:
            NoFitError: the hazards have no finite coefficients.
        """
        self.used_ = terms.std(axis=0) > 0
        days, event = target.T
        ridge = 0.01 / self.strength * float(event.sum())
        self.cox_ = fit_cox(days, event, terms[:, self.used_], ridge=ridge)
        return self

    def decision_function(self, terms: Terms) -> Float[ndarray, " N"]:
        """Return the log hazard ratio of each case to the average case."""
        return self.cox_.score(terms[:, self.used_])

    def risk(self, terms: Terms, day: float) -> Float[ndarray, " N"]:
        """Return the probability of the event by a day, in the time scale of the fit."""
        return self.cox_.risk(terms[:, self.used_], day)


class SupportVectors(ClassifierMixin, BaseEstimator):
    """Support vector machine with a radial kernel, and probabilities by Platt's scaling in folds.

    Source: Platt 1999, Advances in Large Margin Classifiers, 61-74.
    """

    def __init__(self, strength: float = 1.0, class_weight: str | None = None) -> None:
        self.strength = strength
        self.class_weight = class_weight

    def fit(self, terms: Terms, y: Float[ndarray, " N"]) -> "SupportVectors":
        """Fit the vectors, and the scaling to predictions in three folds if cases suffice.

        Raises:
            NoFitError: a class has fewer than two cases.
        """
        kernel = SVC(C=self.strength, class_weight=self.class_weight)
        folds = int(min(3, np.bincount(y.astype(int)).min()))
        if folds < 2:
            raise NoFitError("support vectors need two cases of each class in a training fold")
        self.scaled_ = CalibratedClassifierCV(kernel, cv=folds, ensemble=False).fit(terms, y)
        self.classes_ = self.scaled_.classes_
        return self

    def predict_proba(self, terms: Terms) -> Float[ndarray, "N 2"]:
        """Return the probabilities (N, 2) of both classes, in the order of `classes_`."""
        return self.scaled_.predict_proba(terms)


def estimator(kind: RadiomicModel, strength: float, *, balance: bool, seed: int) -> BaseEstimator:
    """Return an unfitted model with the penalty `strength`.

    Source: Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634 (ridge); Zou and Hastie 2005,
    doi:10.1111/j.1467-9868.2005.00503.x (elastic net); Cortes and Vapnik 1995,
    doi:10.1007/BF00994018 (support vectors); Breiman 2001, doi:10.1023/A:1010933404324 (forest);
    Friedman 2001, doi:10.1214/aos/1013203451 (boosting).
    """
    weight = "balanced" if balance else None
    if kind == "cox":
        return RidgeCox(strength)
    if kind == "ridge":
        return Ridge(alpha=1 / strength)
    if kind == "svm":
        return SupportVectors(strength, weight)
    if kind == "forest":
        return RandomForestClassifier(
            TREES, min_samples_leaf=int(strength), class_weight=weight, random_state=seed
        )
    if kind == "boosting":
        return HistGradientBoostingClassifier(
            learning_rate=strength, max_iter=100, max_leaf_nodes=4, min_samples_leaf=10,
            class_weight=weight, early_stopping=False, random_state=seed,
        )  # fmt: skip
    if kind == "elastic_net":
        return LogisticRegression(
            C=strength, l1_ratio=L1_SHARE, solver="saga", max_iter=2000, tol=1e-3,
            class_weight=weight, random_state=seed,
        )  # fmt: skip
    return LogisticRegression(C=strength, max_iter=2000, class_weight=weight)


def predicted(model: BaseEstimator, terms: Terms) -> Float[ndarray, " N"]:
    """Return the probability of the positive class, the number, or Cox's log hazard ratio.

    Higher values mean: more likely positive, a larger number, an earlier event.
    """
    if isinstance(model, Ridge):
        return model.predict(terms)
    if hasattr(model, "decision_function") and not hasattr(model, "predict_proba"):
        return model.decision_function(terms)
    return model.predict_proba(terms)[:, 1]
