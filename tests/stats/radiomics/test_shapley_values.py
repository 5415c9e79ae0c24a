"""SHAP values: the term that drives the outcome has the largest, and linear ones are exact."""

import numpy as np
import pytest

from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.radiomic_arms import Material, fit_radiomic_arm
from neurotarget.stats.radiomics.radiomic_folds import draw_case_folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.shapley_values import shap_table

pytest.importorskip("shap", reason="the extra shap is not installed")


def explained(model, n=60):
    random = np.random.default_rng(0)
    image = random.normal(size=(n, 5))
    number = 3 * image[:, 2] - 1 * image[:, 0] + 0.5 * random.normal(size=n)
    is_number = model == "ridge"
    y = number if is_number else (number > 0).astype(float)
    material = Material([str(one) for one in range(n)], Outcome(y, np.arange(n), None, is_number),
                        np.empty((n, 0)), image, [], [f"f{one}" for one in range(5)],
                        np.zeros(n))  # fmt: skip
    fold = draw_case_folds(material.outcome, 3, 1, 0)
    arm = fit_radiomic_arm(material, "image", ChainSettings(model), fold)
    return shap_table(material, arm, 0).set_index("term"), arm, material


@pytest.mark.parametrize("model", ["logistic", "forest"])
def test_the_strongest_term_comes_first_with_its_direction(model):
    table, _, _ = explained(model)
    assert table.index[0] == "f2"
    assert table.loc["f2", "direction"] > 0.8
    assert table.loc["f0", "direction"] < -0.5
    assert (table["people"] == 60).all()


def test_values_of_a_linear_model_are_its_coefficients_times_the_deviations():
    table, arm, material = explained("ridge")
    terms = arm.fit.steps.transform(material.rows("image")[1])
    exact = np.abs(arm.fit.model.coef_ * (terms - terms.mean(axis=0))).mean(axis=0)
    assert table["shap"].sort_index().to_numpy() == pytest.approx(exact, rel=1e-6)
