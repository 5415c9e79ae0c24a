"""Association of each image feature with the outcome, corrected for the number of tests.

N people, F features, K claimed features. All people are used: these are tests, not held-out scores.
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import rankdata
from scipy.stats import t as student
from sklearn.isotonic import IsotonicRegression

from neurotarget.stats.core.multiple_tests import corrected
from neurotarget.stats.radiomics.radiomic_arms import Material
from neurotarget.stats.radiomics.radiomics_outcome import residuals

LEVEL = 0.05
MOST_CLAIMS = 10
FEWEST_SHOWN = 10

Values = Float[ndarray, "N F"]


def single_features(material: Material) -> pd.DataFrame:
    """Return one row per feature that is significant or among the ten strongest, ordered by p.

    `p` is that of the partial rank correlation with the residuals of a model without terms;
    `p_holm` is corrected for all features. A feature with a `claim` number is the strongest given
    the features claimed before, with the same correction. Other significant features add nothing
    to the claimed ones; `alike` is their largest absolute rank correlation with a claimed feature.
    A person counts once, with the first row; gaps are filled with medians.

    Source: Conover and Iman 1981, doi:10.1080/00031305.1981.10479327 (ranks); Holm 1979,
    Scandinavian Journal of Statistics 6:65.
    """
    _, first = np.unique(material.outcome.subject, return_index=True)
    outcome = material.outcome.take(first)
    values = _filled(material.image[first])
    ranks, rest = _centred(rankdata(values, axis=0)), _centred(residuals(outcome.target)[:, None])
    p = partial_p(ranks, rest, np.zeros((len(first), 0)))
    holm = corrected(p)
    claims = _claims(ranks, rest)
    shown = np.flatnonzero(holm <= LEVEL)
    strongest = np.argsort(p, kind="stable")
    shown = {*shown.tolist(), *claims, *strongest[:FEWEST_SHOWN].tolist()}
    size = np.sqrt(np.square(ranks).sum(axis=0))
    plain = ranks / np.where(size > 0, size, 1.0)
    alike = np.abs(plain.T @ plain[:, claims])
    rows = [
        {
            "feature": material.image_names[place],
            "value": outcome.pairs(values[:, place]).value,
            "p": float(p[place]),
            "p_holm": float(holm[place]),
            "claim": claims.index(place) + 1 if place in claims else np.nan,
            "alike": float(alike[place].max()) if claims else np.nan,
        }
        for place in strongest.tolist()
        if place in shown
    ]
    return pd.DataFrame(rows)


def partial_p(
    ranks: Values, rest: Float[ndarray, "N 1"], given: Float[ndarray, "N K"]
) -> Float[ndarray, " F"]:
    """Two-sided p of the partial correlation of each feature with `rest`, adjusted for `given`.

    All inputs are centred. A feature that `given` explains has p 1; if `given` explains `rest`, all
    features have p 1.
    """
    n, k = given.shape
    q = np.linalg.qr(given)[0] if k else given
    own, other = ranks - q @ (q.T @ ranks), (rest - q @ (q.T @ rest))[:, 0]
    left = np.sqrt(np.square(other).sum())
    if left <= 1e-6 * np.sqrt(np.square(rest).sum()):
        return np.ones(ranks.shape[1])
    size = np.sqrt(np.square(own).sum(axis=0))
    whole = np.sqrt(np.square(ranks).sum(axis=0))
    known: Bool[ndarray, " F"] = size > 1e-6 * np.maximum(whole, 1e-300)
    r = np.zeros(ranks.shape[1])
    r[known] = own[:, known].T @ other / (size[known] * left)
    freedom = n - 2 - k
    t = r * np.sqrt(freedom / np.maximum(1 - r**2, 1e-15))
    return 2 * student.sf(np.abs(t), freedom)


def _claims(ranks: Values, rest: Float[ndarray, "N 1"]) -> list[int]:
    """Return features in the order of their claims, each adjusted for the features before.

    The adjustment uses the ranks of the earlier features as straight lines and as monotone curves.
    Where a feature separates a binary outcome, a line alone leaves a residual whose shape other
    features would correlate with.
    """
    claims: list[int] = []
    given = np.zeros((len(ranks), 0))
    while len(claims) < min(MOST_CLAIMS, ranks.shape[1], len(ranks) // 10):
        p = partial_p(ranks, rest, given)
        p[claims] = 1.0
        best = int(np.argmin(p))
        if p[best] * (ranks.shape[1] - len(claims)) > LEVEL:
            break
        claims.append(best)
        curve = IsotonicRegression(increasing="auto").fit_transform(ranks[:, best], rest[:, 0])
        given = np.column_stack([given, ranks[:, best], _centred(curve[:, None])])
    return claims


def _filled(values: Values) -> Values:
    there = np.isfinite(values)
    medians = [np.median(column[kept]) if kept.any() else 0.0
               for column, kept in zip(values.T, there.T, strict=True)]  # fmt: skip
    return np.where(there, values, medians)


def _centred(values: Values) -> Values:
    return values - values.mean(axis=0)
