from dataclasses import replace

import numpy as np
import pytest

from neurotarget.phantom.dentate.plan import GROUPS, QSMPlan, QSMSubject
from neurotarget.physics.qsm import QSM


def regression(people: list[QSMSubject], values: np.ndarray) -> np.ndarray:
    """Control's value at 40 years, Friedreich's and MS's difference, slope of age."""
    rows = [
        [1.0, person.group == "friedreich", person.group == "ms", person.age - 40]
        for person in people
    ]
    return np.linalg.lstsq(np.array(rows, dtype=float), values, rcond=None)[0]


@pytest.fixture(scope="module")
def crowd() -> list[QSMSubject]:
    return QSMPlan(num_cases=12_000).subjects()


def test_many_people_show_what_is_planted(crowd):
    planted = QSMPlan().planted()
    volumes = np.array([sum(person.dentate_mm3) for person in crowd])
    means = np.array([np.mean(person.dentate_ppm) for person in crowd])
    control, friedreich, ms, age = regression(crowd, volumes)
    assert control == pytest.approx(1600, abs=10)
    assert friedreich == pytest.approx(planted["friedreich_volume"], abs=14)
    assert ms == pytest.approx(planted["multiple_sclerosis_volume"], abs=14)
    assert age == pytest.approx(0, abs=0.5)
    control, friedreich, ms, age = regression(crowd, means)
    assert control == pytest.approx(0.152, abs=0.001)
    assert friedreich == pytest.approx(planted["friedreich_susceptibility"], abs=0.001)
    assert ms == pytest.approx(0, abs=0.001)
    assert age == pytest.approx(planted["susceptibility_age_slope"], abs=5e-5)


def test_a_small_cohort_shows_what_is_planted():
    people = QSMPlan().subjects()
    _, friedreich, ms, _ = regression(people, np.array([sum(p.dentate_mm3) for p in people]))
    assert friedreich == pytest.approx(-480, abs=25)
    assert ms == pytest.approx(-130, abs=25)
    means = np.array([np.mean(person.dentate_ppm) for person in people])
    _, friedreich, _, age = regression(people, means)
    assert friedreich == pytest.approx(0.025, abs=0.003)
    assert age == pytest.approx(0.0008, abs=0.00025)


def test_left_and_right_correlate_within_a_group(crowd):
    controls = np.array([person.dentate_mm3 for person in crowd if person.group == "control"])
    assert np.corrcoef(controls.T)[0, 1] == pytest.approx(0.8, abs=0.02)
    assert controls.sum(axis=1).std() == pytest.approx(170, abs=5)
    assert np.ptp(controls.mean(axis=0)) < 5
    low, high = np.quantile(controls, [0.01, 0.99])
    assert 560 < low < high < 1040
    assert controls.min() > 450


def test_default_plan_gives_friedreich_thirty_percent_less():
    planted = QSMPlan().planted()
    assert planted == {
        "friedreich_volume": -480.0,
        "multiple_sclerosis_volume": -130.0,
        "friedreich_susceptibility": 0.025,
        "susceptibility_age_slope": 0.0008,
    }


def test_every_planted_value_can_be_changed():
    plan = QSMPlan(friedreich_mm3=-100, ms_mm3=0, friedreich_ppm=0.01, ppm_per_year=0.001)
    assert list(plan.planted().values()) == [-100.0, 0.0, 0.01, 0.001]
    assert plan.expected_mm3("friedreich") == 1500
    assert plan.expected_ppm("friedreich", 50) == pytest.approx(0.152 + 0.01 + 0.01)


def test_groups_sexes_and_sites_are_balanced():
    people = QSMPlan().subjects()
    cells = [(person.group, person.sex, person.site) for person in people]
    sites = [site.name for site in QSMPlan().sites]
    assert {cell: cells.count(cell) for cell in cells} == {
        (group, sex, site): 2 for group in GROUPS for sex in "FM" for site in sites
    }
    ages = {group: [p.age for p in people if p.group == group] for group in GROUPS}
    assert np.ptp([np.mean(ages[group]) for group in GROUPS]) < 2
    assert len({person.case_id for person in people}) == 60


def test_shares_say_how_many_are_in_a_group():
    people = QSMPlan(num_cases=11, shares={"control": 3, "ms": 1}).subjects()
    groups = [person.group for person in people]
    assert {group: groups.count(group) for group in GROUPS} == {
        "control": 8,
        "friedreich": 0,
        "ms": 3,
    }


def test_the_seed_determines_the_people():
    assert QSMPlan(seed=3).subjects() == QSMPlan(seed=3).subjects()
    assert QSMPlan(seed=3).subjects() != QSMPlan(seed=4).subjects()


def test_any_change_of_plan_changes_its_key():
    plan = QSMPlan()
    site = replace(plan.sites[0], chain=QSM(inversion="tkd"))
    others = [
        replace(plan, num_cases=59),
        replace(plan, sites=(site,)),
        replace(plan, rater_2=replace(plan.rater_2, habit_mm=0.2)),
    ]
    assert len({plan.key, *(other.key for other in others)}) == 4
    assert QSMPlan().key == plan.key


def test_plan_reads_plain_values():
    sites = [
        {
            "name": "a",
            "spacing_mm": [1, 1, 2],
            "extent_mm": [180, 230, 220],
            "te_s": [0.01, 0.02],
            "field_t": 1.5,
            "chain": {"background": "sharp", "inversion": "tkd"},
        }
    ]
    plan = QSMPlan(num_cases=3, sites=sites, rater_1={"wave_mm": 0.1})
    assert plan.sites[0].chain == QSM(background="sharp", inversion="tkd")
    assert plan.sites[0].te_s == (0.01, 0.02)
    assert plan.rater_1.wave_mm == 0.1
    assert {person.site for person in plan.subjects()} == {"a"}


SITE = {"name": "a", "spacing_mm": [1, 1, 1], "extent_mm": [180, 230, 220]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_cases": 0}, "num_cases must be at least 1"),
        ({"age_range": (60, 30)}, "age_range must rise"),
        ({"share_women": 1.5}, "share_women must lie in 0 to 1"),
        ({"shares": {"control": 0}}, "not all 0"),
        ({"side_correlation": -1}, "side_correlation must lie"),
        ({"sites": ()}, "needs at least one site"),
        ({"sites": (SITE, SITE)}, "needs site names that differ"),
        ({"spread_mm3": 500}, "smallest dentates less than 50 mm³"),
        ({"chi_ppm": 0.02}, "a susceptibility below 0"),
        ({"sites": [SITE | {"te_s": [0.02, 0.01]}]}, "site a: te_s is .* wanted rising times"),
        ({"sites": [SITE | {"field_t": 0}]}, "site a: field_t is 0"),
        ({"sites": [SITE | {"chain": {"inversion": "x"}}]}, "wanted l2 or tkd or tv"),
    ],
)
def test_an_impossible_plan_is_refused(values: dict, message: str):
    with pytest.raises(ValueError, match=message):
        QSMPlan(**values)
