"""Self-tests of radiomics studies: they repeat the study's own procedure, and nothing twice."""

import numpy as np
import pytest

from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.radiomic_arms import (
    Material,
    discrimination,
    fit_radiomic_arm,
    left_out_scores,
)
from neurotarget.stats.radiomics.radiomic_folds import draw_case_folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.radiomics_study import RadiomicSettings, analyse_radiomics
from neurotarget.stats.radiomics.self_tests import learning_points, permutation_test

PLAIN = ChainSettings(most=2)


def material(n=40, positive=12):
    random = np.random.default_rng(0)
    y = np.zeros(n)
    y[random.permutation(n)[:positive]] = 1
    image = random.normal(size=(n, 4)) + y[:, None]
    return Material([f"p{one}" for one in range(n)], Outcome(y, np.arange(n)), np.empty((n, 0)),
                    image, [], [f"f{one}" for one in range(4)], np.arange(n) % 4 * 1.0)  # fmt: skip


@pytest.fixture(scope="module")
def arm():
    people = material()
    return fit_radiomic_arm(people, "image", PLAIN, draw_case_folds(people.outcome, 3, 4, 0))


def test_the_last_point_of_the_learning_curve_is_of_the_arm_itself(arm):
    people = material()
    last = learning_points(people, arm, PLAIN, 0)[-1]
    assert last.people == pytest.approx(40 * 2 / 3, abs=0.2)
    assert last.value == discrimination(people.outcome, arm.held.first(3), 0)


def test_the_observed_value_of_the_permutation_test_is_that_of_the_first_draw(arm):
    people, drawn = material(), []

    def draw(outcome, seed):
        drawn.append((outcome, seed))
        return draw_case_folds(outcome, 3, 1, seed)

    found = permutation_test(people, arm, PLAIN, draw, draws=3, seed=5)
    assert found.value == discrimination(people.outcome, arm.held.first(1), 0).value
    assert [seed for _, seed in drawn] == [6, 7, 8]
    assert all(outcome.y.sum() == 12 for outcome, _ in drawn)


def test_permuted_outcomes_are_predicted_with_the_same_sites_left_out(monkeypatch):
    folds = []

    def scores(*given):
        folds.append(given[4])
        return left_out_scores(*given)

    monkeypatch.setattr("neurotarget.stats.radiomics.self_tests.left_out_scores", scores)
    settings = RadiomicSettings(PLAIN, permutations=2, by_site=True)
    analyse_radiomics(material(), settings, site_names=["a", "b", "c", "d"])
    assert len(folds) == 1 + 2 + 3  # leakage, permutations, learning curve
    assert all((fold == np.arange(40) % 4).all() for fold in folds)


def test_support_vectors_of_a_single_positive_case_are_a_reason_and_no_error():
    people = material(30, 6)
    chain = ChainSettings("svm", most=2)
    study = analyse_radiomics(people, RadiomicSettings(chain, repeats=1, permutations=0))
    assert study.scored == ["image"]
    assert study.tables["learning"]["people"].min() > 10
