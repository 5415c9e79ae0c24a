import numpy as np
import pytest

from neurotarget.data.cases.case_outcomes import check_splits, outcome_codes, with_outcomes
from neurotarget.types import Case, Target

OUTCOMES = {
    "diagnosis": {"kind": "binary", "classes": ["healthy", "ill"]},
    "age": {"kind": "number", "unit": "years"},
}
TARGET = Target("person", ["t1"], {}, [1] * 3, [8] * 3, outcomes=OUTCOMES)


def case(name, **values):
    return Case(name, name, {"t1": "scan.nii.gz"}, covariates=values)


def people(*diagnoses, ages=None):
    ages = ages or [40.0 + place for place in range(len(diagnoses))]
    pairs = zip(diagnoses, ages, strict=True)
    return [case(f"p{i}", diagnosis=one, age=age) for i, (one, age) in enumerate(pairs)]


def test_codes_are_those_of_the_covariates():
    codes = outcome_codes(case("a", diagnosis="ill", age=61.5), TARGET)
    np.testing.assert_array_equal(codes, np.array([1.0, 61.5], np.float32))


def test_columns_are_found_under_another_spelling():
    assert outcome_codes(case("a", Diagnosis="ill", Age=50.0), TARGET).tolist() == [1.0, 50.0]


def test_cases_without_an_outcome_are_left_out_and_counted():
    cases = people("ill", None, "healthy", "ill", ages=[50.0, 51.0, None, 53.0])
    kept, problems = with_outcomes(cases, TARGET)
    assert [one.case_id for one in kept] == ["p0", "p3"]
    assert [one.level for one in problems] == ["warning", "warning"]
    assert "no diagnosis of 1 of 4 cases (p1)" in problems[0].found


def test_a_value_that_is_no_class_is_refused_with_the_nearest():
    _, problems = with_outcomes(people("ill", "helthy"), TARGET)
    (one,) = [item for item in problems if item.level == "error"]
    assert one.case_id == "p1"
    assert "'helthy' is none of the classes healthy, ill" in one.found
    assert "did you mean healthy?" in one.todo


def test_a_column_that_is_absent_is_named_once():
    cases = [case("a", diagnosys="ill", age=1.0), case("b", diagnosys="healthy", age=2.0)]
    kept, problems = with_outcomes(cases, TARGET)
    assert len(kept) == 2
    (one,) = problems
    assert "no diagnosis, which outcome diagnosis reads" in one.found
    assert one.todo == "rename the column diagnosys"


def test_all_cases_without_an_outcome_are_an_error():
    _, problems = with_outcomes(people(None, None), TARGET)
    assert problems[-1].level == "error"
    assert "no case with all outcomes among 2" in problems[-1].found


@pytest.mark.parametrize(
    ("split", "level"), [("train", "error"), ("val", "warning"), ("test", "warning")]
)
def test_one_value_in_a_split_is_reported(split, level):
    cases = people("ill", "ill", "healthy", "ill")
    rest = "val" if split == "train" else "train"
    splits = {"p0": split, "p1": split, "p2": rest, "p3": rest}
    (problem,) = check_splits(cases, TARGET, splits)
    assert problem.level == level
    assert f"diagnosis ill in all 2 of the {split} cases" in problem.found


def test_times_need_an_event_of_0_or_1_and_are_not_negative():
    outcome = {"survival": {"kind": "time_to_event", "column": "days", "event": "died"}}
    target = Target("person", ["t1"], {}, [1] * 3, [8] * 3, outcomes=outcome)
    cases = [
        case("a", days=-3.0, died=1.0),
        case("b", days=3.0, died=2.0),
        case("c", days=3.0, died=0.0),
    ]
    _, problems = with_outcomes(cases, target)
    assert [one.found for one in problems] == ["days = -3", "died = 2"]


def test_a_class_that_training_never_sees_is_refused():
    grade = {"grade": {"kind": "classes", "classes": ["none", "mild", "severe"]}}
    target = Target("person", ["t1"], {}, [1] * 3, [8] * 3, outcomes=grade)
    cases = [case("a", grade="none"), case("b", grade="mild"), case("c", grade="severe")]
    (problem,) = check_splits(cases, target, {"a": "train", "b": "train", "c": "test"})[:1]
    assert "no case of grade severe in the train cases" in problem.found
