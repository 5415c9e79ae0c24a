"""Selection of features by the outcome: univariate statistics, mRMR, and the path of a LASSO.

N cases, F features. All functions but `unlike` use the outcome, so call them in training folds
only.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.stats import rankdata
from sklearn.linear_model import lars_path

from neurotarget.stats.radiomics.radiomics_outcome import parts, residuals

Features = Float[ndarray, "N F"]
Target = Float[ndarray, "N ..."]
Places = Integer[ndarray, " K"]
Selection = Literal["univariate", "mrmr", "lasso", "none"]

LEAST_CORRELATION = 0.001  # smaller mean correlations would make the quotient arbitrary


def relevance(features: Features, target: Target) -> Float[ndarray, " F"]:
    """Strength of each feature alone: F for classes or a number, the score test for a hazard.

    Larger is stronger, in either direction; 0 for a feature that does not vary.

    Source: Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x (score test, here with Breslow's ties).
    """
    days, y = parts(target)
    return _class_f(features, y) if days is None else _cox_score(features, days, y)


def univariate(features: Features, target: Target, most: int) -> Places:
    """Return the indices of up to `most` features that are strongest alone, the strongest first.

    They may be correlated; apply `unlike` first.
    """
    return np.argsort(-relevance(features, target), kind="stable")[:most]


def mrmr(features: Features, target: Target, most: int) -> Places:
    """Return the indices of features that are strong and little correlated with each other.

    Each next feature has the largest quotient of its strength and its mean absolute correlation
    with the features chosen before.

    Source: Ding and Peng 2005, doi:10.1142/S0219720005001004; quotient with F and correlation:
    Zhao et al. 2019, doi:10.1109/DSAA.2019.00059.
    """
    strength = relevance(features, target)
    chosen = [int(np.argmax(strength))]
    alike = np.zeros(features.shape[1])
    plain = _unit(features)
    while len(chosen) < min(most, features.shape[1]):
        alike += np.abs(plain.T @ plain[:, chosen[-1]])
        quotient = strength / np.maximum(alike / len(chosen), LEAST_CORRELATION)
        quotient[chosen] = -np.inf
        chosen.append(int(np.argmax(quotient)))
    return np.array(chosen)


def lasso(features: Features, target: Target, most: int) -> Places:
    """Return the indices of the nonzero features where the path of a LASSO first has `most`.

    The LASSO is fitted to the residuals of a model without terms, so it serves classes and times.

    Source: Efron et al. 2004, doi:10.1214/009053604000000067 (path).
    """
    plain = _unit(features)
    _, _, path = lars_path(plain, residuals(target), method="lasso", max_iter=8 * most)
    sizes = (path != 0).sum(axis=0)
    fits = np.flatnonzero(sizes <= most)
    step = int(fits[np.argmax(sizes[fits])])
    strength = np.abs(path[:, step])
    places = np.argsort(-strength, kind="stable")[: int(sizes[step])]
    return places if len(places) else univariate(features, target, 1)


SELECTIONS: dict[str, Callable[[Features, Target, int], Places]] = {
    "univariate": univariate,
    "mrmr": mrmr,
    "lasso": lasso,
}


def unlike(features: Features, most: float) -> Places:
    """Return the indices of features whose pairwise absolute rank correlations are at most `most`.

    Of a pair with a higher correlation, the feature with the larger mean correlation with all
    features is dropped. The outcome is not used.

    Source: Kuhn 2008, doi:10.18637/jss.v028.i05 (findCorrelation).
    """
    plain = _unit(rankdata(features, axis=0))
    alike = np.abs(plain.T @ plain)
    np.fill_diagonal(alike, 0.0)
    keep = np.ones(len(alike), dtype=bool)
    for place in np.argsort(-alike.mean(axis=0), kind="stable"):
        keep[place] = not (alike[place, keep] > most).any()
    return np.flatnonzero(keep)


def _unit(features: Features) -> Features:
    centred = features - features.mean(axis=0)
    size = np.sqrt(np.square(centred).sum(axis=0))
    return centred / np.where(size > 0, size, 1.0)


def _class_f(features: Features, y: Float[ndarray, " N"]) -> Float[ndarray, " F"]:
    """Analysis of variance of two classes."""
    r2 = np.square(_unit(features).T @ _unit(y[:, None])[:, 0])
    return r2 / np.maximum(1 - r2, 1e-12) * (len(y) - 2)


def _cox_score(
    features: Features, days: Float[ndarray, " N"], event: Float[ndarray, " N"]
) -> Float[ndarray, " F"]:
    order = np.argsort(-days, kind="stable")  # longest time first: cumulative sums are over at risk
    times, happened, x = days[order], event[order] == 1, (features - features.mean(axis=0))[order]
    ends = np.searchsorted(-times, -times, side="right") - 1
    count = np.arange(1, len(x) + 1)[ends][happened][:, None]
    mean = np.cumsum(x, axis=0)[ends][happened] / count
    square = np.cumsum(x**2, axis=0)[ends][happened] / count
    slope = (x[happened] - mean).sum(axis=0)
    spread = (square - mean**2).sum(axis=0)
    return np.divide(slope**2, spread, out=np.zeros(len(slope)), where=spread > 0)
