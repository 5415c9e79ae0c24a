import numpy as np
import pytest

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.survival.survival_arms import Cohort, usable_horizons
from neurotarget.stats.survival.survival_study import (
    Settings,
    analyse_survival,
    corrected_c,
    gain_verdict,
)

SETTINGS = Settings(folds=3, repeats=2, months=(6, 12, 60))


def cohort(n=90, seed=0, *, image_effect=0.0, censored=True):
    """People whose hazard follows age and, by `image_effect`, a volume; days until death."""
    random = np.random.default_rng(seed)
    age, volume, noise = random.normal(size=(3, n))
    hazard = np.exp(age + image_effect * volume)
    days = np.ceil(400 * random.exponential(size=n) / hazard)
    ends = np.ceil(random.uniform(200, 900, size=n)) if censored else np.full(n, np.inf)
    image = np.column_stack([volume, noise])
    sets = {
        "clinical": (["age"], age[:, None]),
        "image": (["volume", "noise"], image),
        "both": (["age", "volume", "noise"], np.column_stack([age, image])),
    }
    names = [f"case{number}" for number in range(n)]
    return Cohort(names, np.minimum(days, ends), (days <= ends).astype(float), sets)


@pytest.fixture(scope="module")
def study():
    return analyse_survival(cohort(), SETTINGS, other=cohort(60, 1))


def value(table, **wanted):
    rows = table
    for name, one in wanted.items():
        rows = rows[rows[name] == one]
    (row,) = rows.to_dict("records")
    return row


def test_images_without_information_add_nothing(study):
    row = value(study.tables["differences"], terms="both", against="clinical", statistic="c")
    assert row["low"] < 0.02
    assert row["verdict"] in ("no gain that matters", "undecided", "worse")


def test_images_with_information_add():
    found = analyse_survival(cohort(image_effect=2.0), SETTINGS)
    row = value(found.tables["differences"], terms="both", against="clinical", statistic="c")
    assert row["difference"] > 0.05
    assert row["verdict"] == "better"


def test_held_out_scores_are_below_those_of_the_fitted_people(study):
    scores = study.tables["scores"]
    held, apparent = (value(scores, terms="both", statistic=name)["value"]
                      for name in ("c", "c_apparent"))  # fmt: skip
    assert 0.5 < held < apparent
    assert corrected_c(study)[1] < apparent


def test_a_person_has_a_risk_with_an_interval(study):
    risks = study.tables["risks"]
    assert len(risks) == 90
    assert (risks["risk_6m_low"] <= risks["risk_6m_high"]).all()
    assert (risks["risk_6m"] < risks["risk_12m"]).all()
    assert "risk_60m" not in risks


def test_late_horizons_are_left_out_with_a_note(study):
    assert study.plan.horizons_months == (6, 12)
    assert any(note.startswith("Nothing is stated for 60 months") for note in study.notes)


def test_another_cohort_is_scored_without_refitting(study):
    row = value(study.tables["transport"], terms="clinical", statistic="c")
    assert row["n"] == 60
    assert 0.6 < row["value"] < 0.95
    assert set(study.tables["transport_calibration"]["terms"]) == {"clinical", "image", "both"}


def test_days_are_predicted_where_everybody_died():
    people = cohort(24, censored=False)
    found = analyse_survival(people, Settings("linear", (6,), folds=0))
    days = found.tables["days"]
    assert set(days["model"]) == {"linear", "forest", "mean"}
    assert (days["n"] == 24).all()
    mean = value(days, terms="none", model="mean")  # of the other 23 people
    others = (people.days.sum() - people.days) / 23
    assert mean["mse_days2"] == pytest.approx(((people.days - others) ** 2).mean())
    assert any("C is then biased downwards" in note for note in found.notes)
    assert {"predicted_days", "predicted_days_low"} <= set(found.tables["risks"])


def test_the_same_seed_gives_the_same_tables():
    people, plain = cohort(40), Settings(folds=3, repeats=1, months=(6,))
    first, second = (analyse_survival(people, plain).tables for _ in range(2))
    assert all(first[name].equals(second[name]) for name in first)


def test_a_model_that_cannot_be_fitted_is_named():
    people = cohort(30)
    flat = Cohort(*people[:3], {"clinical": (["a", "b"], np.ones((30, 2)) * [[1, 2]] *
                                             np.arange(30)[:, None])})  # fmt: skip
    found = analyse_survival(flat, Settings(folds=3, repeats=1))
    assert found.lead is None
    assert any("depends on the others" in note for note in found.notes)


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((0.001, 0.05), "better"),
        ((-0.05, -0.001), "worse"),
        ((-0.01, 0.01), "no gain that matters"),
        ((-0.01, 0.03), "undecided"),
        ((np.nan, np.nan), "undecided"),
    ],
)
def test_a_verdict_compares_the_interval_with_what_matters(ends, verdict):
    assert gain_verdict(Estimate(sum(ends) / 2, *ends, 50), 0.02) == verdict


def test_a_horizon_needs_people_before_and_beyond():
    days, event = np.arange(1.0, 21) * 30, np.ones(20)
    assert usable_horizons(days, event, (3, 6, 12, 17)) == (6, 12)
