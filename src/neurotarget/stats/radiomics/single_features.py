"""Which image features go with the outcome, after correction for all that were tested.

N people, F features, K claimed features. Everybody is used: these are tests, and no scores.
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
    """One row per feature that goes with the outcome or is among the ten strongest, by p.

    `p` is of the partial rank correlation with the residuals of a model without terms, `p_holm`
    corrected for all features. A feature with a `claim` is the strongest given those claimed
    before, corrected alike; the others that go with the outcome add nothing to them, and `alike` is
    the largest absolute rank correlation with a claimed one. A person counts once, with the first
    row; gaps are filled with medians.

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

    All are centred. A feature that `given` explain has p 1, as have all where `rest` is explained.
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
    """Features in the order in which they are claimed, each adjusted for those before.

    Those before count as straight lines of their ranks and as monotone curves: of a binary outcome
    that a feature separates, a line leaves a remainder, with which others go by its shape alone.
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
