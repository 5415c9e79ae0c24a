"""Steps of a pipeline that prepare image features: sites, missing values, pruning, selection.

Each step is a transformer of scikit-learn that is fitted to the cases of a training fold. N cases,
F features.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn.base import BaseEstimator, TransformerMixin

from neurotarget.stats.core.combat import Combat
from neurotarget.stats.radiomics.relevance import SELECTIONS, unlike

Features = Float[ndarray, "N F"]
ROUNDING = 1e-10  # a spread below this share of the values is rounding error


class SiteEffects(TransformerMixin, BaseEstimator):
    """Remove the offset and spread of each site from features by ComBat.

    The first column holds the number of each case's site and is removed. The effect of a new site
    is estimated from its own cases, without their outcome; a new site with a single case stays
    unchanged.
    """

    def __init__(self, harmonise: bool = True) -> None:
        self.harmonise = harmonise

    def fit(self, values: Features, target: ndarray | None = None) -> "SiteEffects":  # noqa: ARG002
        """Estimate the effects of the sites with two cases or more, without the outcome.

        With fewer than two such sites `transform` changes nothing.

        Raises:
            DataError: the values do not suffice for ComBat.
        """
        self.combat_ = None
        sites, features = values[:, 0], values[:, 1:]
        use = np.isin(sites, _repeated(sites))
        if self.harmonise and len(np.unique(sites[use])) > 1:
            self.combat_ = Combat.fit(features[use], _names(sites[use]))
        return self

    def transform(self, values: Float[ndarray, "N G"]) -> Features:
        """Return the features without site effects and without the column of sites."""
        sites, features = values[:, 0], values[:, 1:].copy()
        if self.combat_ is None:
            return features
        names, combat = _names(sites), self.combat_
        new = np.isin(sites, _repeated(sites)) & ~np.isin(names, list(combat.sites))
        if new.any():
            combat = combat.adapt(features[new], names[new])
        known = np.isin(names, list(combat.sites))
        if known.any():
            features[known] = combat.transform(features[known], names[known])
        return features


class ChosenFeatures(TransformerMixin, BaseEstimator):
    """Fill gaps with medians, drop constant and correlated features, then select the strongest.

    `correlation` is the largest absolute rank correlation that two kept features may have; 1 keeps
    all. `places_` are the kept columns.
    """

    def __init__(
        self, selection: str = "univariate", most: int = 10, correlation: float = 0.9
    ) -> None:
        self.selection = selection
        self.most = most
        self.correlation = correlation

    def fit(self, values: Features, target: ndarray) -> "ChosenFeatures":
        """Learn medians and the columns to keep.

        A feature without a finite value is filled with 0 and dropped, as it does not vary. `target`
        is the target of the estimators: class, number, or days and event (N, 2).
        """
        whole = np.isfinite(values)
        self.medians_ = np.median(values, axis=0)
        for place in np.flatnonzero(~whole.all(axis=0)):
            known = values[whole[:, place], place]
            self.medians_[place] = np.median(known) if len(known) else 0.0
        filled = self._filled(values)
        spread, size = filled.std(axis=0), np.abs(filled).max(axis=0, initial=0.0)
        places = np.flatnonzero(spread > ROUNDING * size)
        if len(places) and self.correlation < 1:
            places = places[unlike(filled[:, places], self.correlation)]
        if len(places) > self.most and self.selection != "none":
            found = SELECTIONS[self.selection](filled[:, places], target, self.most)
            places = np.sort(places[found])
        self.places_ = places
        return self

    def transform(self, values: Features) -> Float[ndarray, "N K"]:
        """Return the kept columns, with gaps filled by medians of the training cases."""
        return self._filled(values)[:, self.places_]

    def _filled(self, values: Features) -> Features:
        return np.where(np.isfinite(values), values, self.medians_)


def _repeated(sites: Float[ndarray, " N"]) -> Float[ndarray, " S"]:
    codes, counts = np.unique(sites, return_counts=True)
    return codes[counts > 1]


def _names(sites: Float[ndarray, " N"]) -> ndarray:
    return np.array([str(int(site)) for site in sites], dtype=object)
