"""SHAP values of the terms of a model, if the package `shap` is installed (extra `shap`).

They describe the model of all people; they are no held-out scores.
"""

from importlib.util import find_spec

import numpy as np
import pandas as pd

from neurotarget.stats.radiomics.radiomic_arms import Material, RadiomicArm
from neurotarget.stats.radiomics.radiomic_models import predicted
from neurotarget.stats.radiomics.radiomics_tables import terms_of

MOST_PEOPLE = 200  # most people whose predictions are explained and averaged
ORDERS = 5  # permutations of the terms, each forwards and backwards


def has_shap() -> bool:
    """Return True if the package `shap` is installed."""
    return find_spec("shap") is not None


def shap_table(material: Material, arm: RadiomicArm, seed: int) -> pd.DataFrame:
    """Return the mean absolute SHAP value of each term of a set's model, the largest first.

    Values are in the unit of the prediction: a probability, a number or a log hazard ratio.
    `direction` is their rank correlation with the term, NaN without spread. Of larger cohorts, a
    random sample of 200 people is explained. Needs the package `shap`.

    Source: Lundberg and Lee 2017, arXiv:1705.07874.
    """
    import shap

    _, rows = material.rows(arm.name)
    terms = arm.fit.steps.transform(rows)
    drawn = np.random.default_rng(seed).permutation(len(terms))[:MOST_PEOPLE]
    few = terms[np.sort(drawn)]
    explain = shap.PermutationExplainer(
        lambda values: predicted(arm.fit.model, values),
        shap.maskers.Independent(few, max_samples=MOST_PEOPLE),
        seed=seed,
    )
    evaluations = ORDERS * (2 * few.shape[1] + 1)
    values = np.asarray(explain(few, max_evals=evaluations, silent=True).values, dtype=float)
    table = pd.DataFrame(
        {
            "term": terms_of(material, arm.fit),
            "shap": np.abs(values).mean(axis=0),
            "direction": [
                pd.Series(own).corr(pd.Series(term), method="spearman")
                for own, term in zip(values.T, few.T, strict=True)
            ],
            "people": len(few),
        }
    )
    return table.sort_values("shap", ascending=False, kind="stable").reset_index(drop=True)
