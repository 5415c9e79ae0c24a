import numpy as np
import pytest

from neurotarget.report.drawing.figure import svg_text
from neurotarget.report.survival.hazards_figure import hazards_figure
from neurotarget.report.survival.survival_curves import curves_figure
from neurotarget.stats.survival.survival_arms import Cohort
from neurotarget.stats.survival.survival_tables import hazards_table


@pytest.fixture
def people():
    random = np.random.default_rng(0)
    days = np.ceil(500 * random.exponential(size=50))
    terms = np.column_stack([random.normal(60, 10, 50), random.integers(0, 2, 50)])
    event = (random.random(50) < 0.7).astype(float)
    return Cohort([str(one) for one in range(50)], days, event, {"clinical": (["age", "m"], terms)})


def test_the_numbers_at_risk_are_below_each_curve(people):
    group = (np.arange(50) >= 20).astype(int)
    text = svg_text(curves_figure("curve", people, group, ["small", "large"]))
    for part in ("at risk", "small", "large", ">20<", ">30<", "months"):
        assert part in text


def test_numbers_are_shown_per_sd_and_categories_as_they_are(people):
    hazards, _ = hazards_table(people)
    text = svg_text(hazards_figure(hazards, "clinical"))
    assert "age, per SD (" in text
    assert ">m<" in text
    assert hazards_figure(hazards, "image") is None
