import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg

from neurotarget.phantom.tumour.glioma_plan import LOW, GliomaPlan, Survival


def test_people_of_a_plan_are_the_same_each_time():
    plan = GliomaPlan(num_cases=6)
    assert plan.subjects() == plan.subjects()
    assert plan.subjects() != GliomaPlan(num_cases=6, seed=2).subjects()
    assert len({person.case_id for person in plan.subjects()}) == 6


def test_low_grade_tumours_do_not_take_up_contrast_agent():
    people = GliomaPlan(num_cases=40).subjects()
    assert sum(person.grade == LOW for person in people) == 10
    assert all((person.enhancing_ml == 0) == (person.grade == LOW) for person in people)
    assert all(person.enhancing_ml <= person.core_ml for person in people)


def test_a_cox_model_recovers_the_planted_hazards():
    plan = GliomaPlan(num_cases=3000)
    people = plan.subjects()
    known = np.array(
        [
            [
                person.age / 10,
                np.log2(person.core_ml),
                person.distance_mm / 10,
                person.resection == "GTR",
                person.grade == LOW,
            ]
            for person in people
        ],
        dtype=float,
    )
    table = pd.DataFrame(people)
    fitted = PHReg(table["survival_days"], known, status=table["event"], ties="efron").fit()
    off_by_se = (fitted.params - np.array([*plan.planted().values()])) / fitted.bse
    assert np.abs(off_by_se).max() < 3
    assert 0.6 < table["event"].mean() < 0.95


def test_impossible_plans_are_named_together():
    with pytest.raises(ValueError, match=r"share_low_grade must lie.*follow_up_days must rise"):
        GliomaPlan(share_low_grade=2.0, survival=Survival(follow_up_days=(500.0, 400.0)))
