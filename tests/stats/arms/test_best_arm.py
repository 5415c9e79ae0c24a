import math

import numpy as np
import pytest
from scipy.stats import t

from neurotarget.stats.arms.arm_scores import score_arms
from neurotarget.stats.arms.best_arm import FEW_TRAININGS, best_probabilities
from neurotarget.stats.arms.mixed import MixedFit, fit_arms
from oracles.arms import dice_of, read_arms, simulated, target


def chances(arms, seed=0):
    fit = fit_arms(score_arms(arms), "mean", arms.nets)
    return best_probabilities(fit, arms.nets, seed=seed)


def fit_of(means, error=0.01, freedom=6.0, **more):
    more = {"has_runs": True, "n_cases": 30, "n_folds": 1, "n_seeds": 2} | more
    return MixedFit(means, error, freedom, **more)


def test_two_arms_whose_interval_just_excludes_0_have_a_chance_of_95_percent():
    """Any further and the interval of the pair, and a chance above 95 %, go together."""
    edge = 0.01 * t.ppf(0.975, 6)
    found, why = best_probabilities(fit_of({"a": 0.8 + edge, "b": 0.8}), "ab")
    assert found["a"] == pytest.approx(0.95, abs=0.006)
    assert sum(found.values()) == pytest.approx(1)
    assert why == ""


def test_arms_that_chance_alone_would_part_are_as_good_as_each_other():
    found, _ = best_probabilities(fit_of({"a": 0.805, "b": 0.80, "c": 0.80}), "abc")
    assert found == pytest.approx(dict.fromkeys("abc", 1 / 3))


def test_arms_far_apart_leave_no_doubt():
    found, _ = best_probabilities(fit_of({"a": 0.9, "b": 0.5}), "ab")
    assert found["a"] > 0.999


def test_arms_that_differ_by_a_constant_leave_none_either():
    means = {"a": 0.8, "b": 0.8, "c": 0.7}
    found, _ = best_probabilities(fit_of(means, error=0.0), "abc")
    assert found == {"a": 0.5, "b": 0.5, "c": 0}


@pytest.mark.parametrize("design", [{"folds": 1}, {"folds": 2}])
def test_one_training_gives_no_chance_and_says_why(design):
    found, why = chances(simulated({"a": 0.5, "b": 0.9}, **design))
    assert all(math.isnan(chance) for chance in found.values())
    assert why == FEW_TRAININGS
    assert "two seeds or three folds" in why


@pytest.mark.parametrize("name", ["arms_s1f3.csv", "arms_s2f3.csv"])
def test_three_folds_or_two_seeds_give_chances(statistics, name):
    found, why = chances(read_arms(statistics / name, target("front")))
    assert why == ""
    assert sum(found.values()) == pytest.approx(1)
    assert found["tiny"] < 0.001


def test_each_seed_of_draws_is_repeatable():
    arms = simulated({"a": 0.80, "b": 0.82}, seeds=(1, 2), n=30)
    assert chances(arms, 1) == chances(arms, 1)
    assert chances(arms, 1) != chances(arms, 2)


def test_a_net_without_another_is_not_best():
    found, why = chances(dice_of({"a": [0.5, 0.9]}))
    assert np.isnan(found["a"])
    assert why == ""


def test_without_cases_nobody_is_best():
    found, why = chances(dice_of({"a": [np.nan, 0.5], "b": [0.5, np.nan]}))
    assert all(math.isnan(chance) for chance in found.values())
    assert why == "no case has a score by all arms"
