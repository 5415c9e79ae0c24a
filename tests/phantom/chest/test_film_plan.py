from dataclasses import replace

import numpy as np
import pytest

from neurotarget.phantom.chest.film_plan import ChestPlan, RealFilm

LARGE = ChestPlan(num_cases=4000)


def test_sizes_and_frequency_are_those_of_siim():
    percents = np.array([one.percent for one in LARGE.subjects()])
    found = np.quantile(percents[percents > 0], [0.05, 0.25, 0.5, 0.75, 0.95])
    assert found == pytest.approx([0.13, 0.40, 0.84, 1.78, 4.6], rel=0.03)
    assert (percents > 0).mean() == pytest.approx(0.222, abs=0.001)


def test_air_is_on_normal_films_alone_and_drains_are_mostly_with_it():
    people = LARGE.subjects()
    assert {one.group for one in people if one.percent} == {"normal"}
    assert {one.finding for one in people if one.percent} == {"pneumothorax"}
    with_air = np.mean([one.tube == "drain" for one in people if one.percent])
    without = np.mean([one.tube == "drain" for one in people if not one.percent])
    assert (with_air, without) == pytest.approx((0.35, 0.06), abs=0.04)


def test_equal_plans_have_equal_people_and_other_films_another_key():
    plan = ChestPlan(num_cases=20)
    assert plan.subjects() == ChestPlan(num_cases=20).subjects()
    films = (RealFilm("a", "x", "normal", 5), RealFilm("b", "x", "tuberculosis", 5))
    real = replace(plan, canvases=films)
    assert real.key != plan.key
    assert [(one.case_id, one.canvas) for one in real.subjects()] == [
        ("film1", "a"),
        ("film2", "b"),
    ]


def test_impossible_plans_are_listed():
    with pytest.raises(ValueError, match=r"num_cases must .*; shares must .*correct the plan"):
        ChestPlan(num_cases=0, share_askew=2)
