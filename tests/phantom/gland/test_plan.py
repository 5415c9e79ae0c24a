from dataclasses import replace

import numpy as np
import pytest

from neurotarget.phantom.gland.plan import Plan


def fit(plan: Plan) -> np.ndarray:
    """Intercept, sex difference, age slope and residual SD of the volumes of simulated people."""
    people = plan.subjects()
    design = [[1.0, person.sex == "F", person.age] for person in people]
    volumes = np.array([person.planted_mm3 for person in people])
    coefficients, _, _, _ = np.linalg.lstsq(np.array(design, dtype=float), volumes, rcond=None)
    residuals = volumes - np.array(design, dtype=float) @ coefficients
    return np.array([*coefficients, residuals.std()])


def test_many_people_show_what_is_planted():
    plan = Plan(num_cases=40_000)
    _, gap, slope, spread = fit(plan)
    assert plan.planted() == {"sex_difference": 70.0, "age_slope": -3.0, "spread": 115.0}
    assert gap == pytest.approx(70, abs=4)  # 3.5 standard errors
    assert slope == pytest.approx(-3, abs=0.13)
    assert spread == pytest.approx(115, abs=2)


def test_every_planted_value_can_be_changed():
    plan = Plan(num_cases=20_000, sex_gap_mm3=0, slope_mm3_per_decade=10, spread_mm3=20)
    assert fit(plan)[1:] == pytest.approx([0, 1, 20], abs=1)
    assert plan.planted() == {"sex_difference": 0.0, "age_slope": 1.0, "spread": 20.0}


def test_volumes_are_flat_before_the_slope_begins():
    plan = Plan(age_range=(10, 40))
    assert plan.expected_mm3(12, "F") == plan.expected_mm3(25, "F") == 705
    assert plan.expected_mm3(35, "M") == 705 - 70 - 30
    assert -3 < plan.planted()["age_slope"] < 0


def test_sexes_sites_and_ages_are_balanced():
    people = Plan(num_cases=40).subjects()
    groups = [(person.sex, person.site) for person in people]
    assert {group: groups.count(group) for group in set(groups)} == {
        (sex, site): 10 for sex in "FM" for site in ("north", "south")
    }
    women = [person.age for person in people if person.sex == "F"]
    men = [person.age for person in people if person.sex == "M"]
    assert np.mean(women) == pytest.approx(np.mean(men), abs=2)
    assert len({person.case_id for person in people}) == 40


def test_the_seed_determines_the_people():
    assert Plan(seed=3).subjects() == Plan(seed=3).subjects()
    assert Plan(seed=3).subjects() != Plan(seed=4).subjects()


def test_any_change_of_plan_changes_its_key():
    plan = Plan()
    site = replace(plan.sites[0], noise=0.01)
    others = [replace(plan, num_cases=95), replace(plan, seed=2), replace(plan, sites=(site,))]
    assert len({plan.key, *(other.key for other in others)}) == 4
    assert Plan().key == plan.key


def test_plan_reads_plain_values():
    sites = [{"name": "a", "spacing_mm": [1, 1, 2], "extent_mm": [180, 230, 220], "axes": "LAS"}]
    plan = Plan(num_cases=3, age_range=[30, 40], sites=sites, tiv_ml={"F": 1400, "M": 1500})
    assert plan.sites[0].spacing_mm == (1.0, 1.0, 2.0)
    assert {person.site for person in plan.subjects()} == {"a"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_cases": 0}, "num_cases must be at least 1"),
        ({"age_range": (60, 30)}, "age_range must rise"),
        ({"share_women": 1.5}, "share_women must lie in 0 to 1"),
        ({"sites": ()}, "needs at least one site"),
        ({"spread_mm3": 400}, "smallest glands less than 100 mm³"),
        ({"sites": [{"name": "a", "spacing_mm": [1, 1], "extent_mm": [1, 1, 1]}]}, "site a"),
        (
            {"sites": [{"name": "a", "spacing_mm": [1] * 3, "extent_mm": [9] * 3, "axes": "RRS"}]},
            "wanted one like RAS",
        ),
    ],
)
def test_an_impossible_plan_is_refused(values: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Plan(**values)
