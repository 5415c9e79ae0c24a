"""Numbers as outcomes: errors of people left out, by formulas, and nothing without a signal."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score

from neurotarget.stats.core.resample import replicates
from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.number_errors import weighted_errors
from neurotarget.stats.radiomics.radiomic_arms import Material
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.radiomics_study import RadiomicSettings, analyse_radiomics


def study(strength, n=80):
    random = np.random.default_rng(0)
    age, image = random.normal(size=(n, 1)), random.normal(size=(n, 20))
    y = 50 + 4 * age[:, 0] + strength * image[:, 3] + 2 * random.normal(size=n)
    material = Material([str(one) for one in range(n)], Outcome(y, np.arange(n), is_number=True),
                        age, image, ["age"], [f"f{one}" for one in range(20)], np.zeros(n),
                        "score")  # fmt: skip
    settings = RadiomicSettings(ChainSettings("ridge", most=3), folds=4, repeats=2, permutations=9)
    return analyse_radiomics(material, settings)


def errors(made):
    return made.tables["errors"].set_index(["terms", "statistic"])["value"]


def test_errors_are_those_of_scikit_learn():
    random = np.random.default_rng(1)
    y = random.normal(70, 9, 30)
    score = y + random.normal(0, 4, (1, 30))
    outcome = Outcome(y, np.arange(30), is_number=True)
    r2, mae, slope, intercept = (float(one[0]) for one in
                                 weighted_errors(replicates(30, 0), outcome, score))  # fmt: skip
    assert r2 == pytest.approx(r2_score(y, score[0]))
    assert mae == pytest.approx(mean_absolute_error(y, score[0]))
    assert (slope, intercept) == pytest.approx(tuple(np.polyfit(score[0], y, 1)))


def test_a_feature_that_drives_the_number_is_found_and_adds_to_age():
    made = study(4.0)
    found = errors(made)
    assert found["both", "r2"] > found["clinical", "r2"] + 0.2
    assert found["both", "mae"] < found["the mean of all", "mae"] * 0.6
    assert found["both", "slope"] == pytest.approx(1, abs=0.2)
    gains = made.tables["differences"].set_index(["terms", "against"])
    assert gains.loc[("both", "clinical"), "low"] > 0
    assert made.tables["alone"].set_index("feature")["claim"].dropna().to_dict() == {"f3": 1}
    assert made.permuted.p == pytest.approx(0.1)
    assert made.statistic == "c"


def test_without_a_signal_images_are_no_better_than_the_mean():
    found = errors(study(0.0))
    assert found["image", "r2"] < 0.1
    assert found["clinical", "r2"] > 0.5


def test_pairs_of_numbers_are_in_the_order_of_their_predictions():
    outcome = Outcome(np.array([1.0, 2.0, 2.0, 5.0]), np.arange(4), is_number=True)
    assert outcome.pairs(np.array([0.0, 1.0, 3.0, 4.0])).value == 1
    assert outcome.pairs(np.array([4.0, 3.0, 1.0, 0.0])).value == 0
    assert outcome.take(np.array([0, 3])).is_number
