import math

import pytest

from neurotarget.metrics.outcome_scores import score_outcome
from neurotarget.outcome import Outcome
from neurotarget.types import Case

CASE = Case("c", "s", {})
ILL = Outcome("ill", "binary", ("no", "yes"))
GRADE = Outcome("grade", "classes", ("none", "mild", "severe"))
AGE = Outcome("age", "number", unit="years")


def values(outcome, predicted, code):
    rows = score_outcome(CASE, outcome, predicted, code, split="test")
    assert {row[:3] for row in rows} == {("c", "s", "test")}
    return {(row.label, row.metric): row.value for row in rows}


def test_a_probability_is_scored_against_the_class():
    found = values(ILL, {"ill": 0.8}, 1.0)
    assert found == {
        ("ill", "probability"): 0.8,
        ("ill", "reference_probability"): 1.0,
        ("ill", "failed"): 0.0,
        ("ill", "correct"): 1.0,
        ("ill", "log_loss"): pytest.approx(-math.log(0.8)),
        ("ill", "brier"): pytest.approx(0.04),
    }


def test_a_sure_and_wrong_probability_has_a_finite_loss():
    found = values(ILL, {"ill": 1.0}, 0.0)
    assert found["ill", "log_loss"] == pytest.approx(-math.log(1e-7))
    assert (found["ill", "correct"], found["ill", "brier"]) == (0.0, 1.0)


def test_several_classes_have_a_row_each_and_one_set_of_errors():
    shares = {"grade.none": 0.2, "grade.mild": 0.5, "grade.severe": 0.3}
    found = values(GRADE, shares, 2.0)
    assert found["grade.severe", "reference_probability"] == 1.0
    assert found["grade.mild", "reference_probability"] == 0.0
    assert found["grade", "correct"] == 0.0
    assert found["grade", "brier"] == pytest.approx(0.04 + 0.25 + 0.49)
    assert found["grade", "log_loss"] == pytest.approx(-math.log(0.3))


def test_a_number_has_errors_in_its_unit():
    rows = score_outcome(CASE, AGE, {"age": 41.0}, 45.0)
    assert {(row.metric, row.value, row.unit) for row in rows} == {
        ("number", 41.0, "years"),
        ("reference_number", 45.0, "years"),
        ("failed", 0.0, ""),
        ("error", -4.0, "years"),
        ("error_abs", 4.0, "years"),
    }


def test_a_missing_prediction_failed_and_is_not_correct():
    found = values(ILL, None, 1.0)
    assert (found["ill", "failed"], found["ill", "correct"]) == (1.0, 0.0)
    assert math.isnan(found["ill", "brier"])
    assert ("ill", "probability") not in found


def test_without_a_reference_there_is_only_the_prediction():
    assert values(AGE, {"age": 41.0}, math.nan) == {("age", "number"): 41.0, ("age", "failed"): 0.0}
