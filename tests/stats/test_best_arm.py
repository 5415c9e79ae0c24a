import math

import numpy as np
import pytest

from neurotarget.stats.arm_scores import score_arms
from neurotarget.stats.best_arm import ONE_TRAINING, TWO_TRAININGS, best_probabilities
from oracles.arms import arms_of, dice_of, simulated, target


def chances(arms, seed=0):
    return best_probabilities(score_arms(arms), seed=seed)


def test_the_better_arm_in_every_case_is_best_for_sure():
    found, why = chances(dice_of({"a": [0.5, 0.6, 0.7], "b": [0.4, 0.5, 0.6]}))
    assert found == {"a": 1, "b": 0}
    assert why == ONE_TRAINING


def test_arms_that_are_the_same_share_every_draw():
    found, _ = chances(dice_of({arm: [0.5, 0.6, 0.7] for arm in "abcd"}))
    assert found == dict.fromkeys("abcd", 0.25)


def test_one_case_against_two_is_counted_by_hand():
    """Case 3 decides for a if it is drawn at least once in three: 1 − (2/3)³ = 19/27."""
    found, _ = chances(dice_of({"a": [0.5, 0.5, 0.9], "b": [0.6, 0.6, 0.5]}))
    assert found["a"] == pytest.approx(19 / 27, abs=0.03)
    assert sum(found.values()) == pytest.approx(1)


def test_trainings_are_drawn_where_there_are_several():
    """One training of two is better than the other arm, whose trainings are alike."""
    rows = [
        (arm, 0, seed, f"c{case}", "front", "dice", value)
        for arm, values in {"a": (0.9, 0.6), "b": (0.7, 0.7)}.items()
        for seed, value in enumerate(values)
        for case in range(5)
    ]
    found, why = chances(arms_of(rows, target("front")))
    assert found["a"] == pytest.approx(0.5, abs=0.03)  # the one or the other, twice
    assert why == TWO_TRAININGS  # two are few
    rows += [(*row[:2], 2, *row[3:]) for row in rows if row[2] == 0]
    assert chances(arms_of(rows, target("front")))[1] == ""


def test_the_spread_of_draws_is_that_of_seeds():
    """Of two seeds a plain bootstrap draws half the variance of their mean."""
    arms = simulated({"a": 0.8, "b": 0.8}, folds=1, seeds=(1, 2), n=200, run_sd=0.02, noise=0)
    scored = score_arms(arms)
    means = scored.by_run["mean"].mean()
    a, b = (means[scored.runs_of(arm)].to_numpy() for arm in "ab")
    ahead = [x > y for x in a for y in b]  # n − 1 of 2: any seed against any
    assert best_probabilities(scored)[0]["a"] == pytest.approx(np.mean(ahead), abs=0.03)


def test_a_seed_is_drawn_with_all_its_folds():
    """One seed of a is 0.03 above b on every fold, the other 0.01 below: b is best in half."""
    rows = [
        (arm, fold, seed, f"c{fold}{case}", "front", "dice", 0.8 + shift)
        for arm, shifts in (("a", (0.03, -0.01)), ("b", (0.0, 0.0)))
        for fold in range(3)
        for seed, shift in enumerate(shifts, start=1)
        for case in range(4)
    ]
    found, _ = chances(arms_of(rows, target("front")))
    assert found["b"] == pytest.approx(0.5, abs=0.04)


def test_folds_with_one_test_set_stand_for_each_other():
    rows = [
        (arm, fold, 1, f"c{case}", "front", "dice", value)
        for arm, values in {"a": (0.9, 0.6), "b": (0.7, 0.7)}.items()
        for fold, value in enumerate(values)
        for case in range(5)
    ]
    assert chances(arms_of(rows, target("front")))[0]["a"] == pytest.approx(0.5, abs=0.03)


def test_each_seed_of_draws_is_repeatable():
    arms = simulated({"a": 0.80, "b": 0.801}, n=30)
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
