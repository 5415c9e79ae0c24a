import math

import pytest

from neurotarget.outcome import Outcome
from neurotarget.problems import DataError
from neurotarget.types import Target

BINARY = {"kind": "binary", "classes": ["healthy", "ill"]}
GRADE = {"kind": "classes", "classes": ["none", "mild", "severe"], "is_ordered": True}


def target(**outcomes):
    return Target("person", ["t1"], {}, [1] * 3, [8] * 3, outcomes=outcomes)


def test_a_binary_outcome_has_one_label_and_the_second_class_is_positive():
    (one,) = target(diagnosis=BINARY).outcomes
    assert (one.labels, one.quantity, one.column) == (("diagnosis",), "probability", "diagnosis")
    assert [one.code(value) for value in ("healthy", "Ill", None)] == pytest.approx(
        [0.0, 1.0, math.nan], nan_ok=True
    )


def test_each_of_several_classes_has_a_label():
    (one,) = target(grade=GRADE).outcomes
    assert one.labels == ("grade.none", "grade.mild", "grade.severe")
    assert one.code("severe") == 2.0


def test_a_number_keeps_its_value_and_unit():
    (one,) = target(brain_age={"kind": "number", "column": "age", "unit": "years"}).outcomes
    assert (one.code("41.5"), one.unit, one.columns) == (41.5, "years", ("age",))
    with pytest.raises(ValueError, match="'old' is no number"):
        one.code("old")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kind": "yes"}, "kind: found 'yes', wanted binary, classes, number, time_to_event"),
        ({"kind": "binary", "classes": ["ill"]}, "found ill, wanted two, the positive one second"),
        ({"kind": "classes", "classes": ["a", "b"]}, "wanted three or more"),
        ({"kind": "binary", "classes": ["ill", "ILL"]}, "wanted distinct names"),
        ({"kind": "number", "classes": ["a", "b"]}, "for a number, wanted none"),
        ({"kind": "time_to_event", "unit": "days"}, "event: found no column"),
        ({"kind": "number", "event": "died"}, "event: found 'died' for a number, wanted none"),
        ({**BINARY, "unit": "years"}, "unit: found 'years' for a binary, wanted none"),
        ({"classes": ["a", "b"]}, "found no kind"),
        ({"kind": "number", "units": "years"}, "found the keys units"),
        ({**BINARY, "column": "label"}, r"the columns \['label'\] of files, ids or splits"),
        ({**BINARY, "column": "t1"}, r"the columns \['t1'\] of files, ids or splits"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields, why):
    with pytest.raises(DataError, match=why):
        target(diagnosis=fields)


def test_a_target_needs_labels_or_outcomes():
    with pytest.raises(DataError, match="found none and no outcomes, wanted at least one of them"):
        target()


def test_an_outcome_and_a_label_have_different_names():
    with pytest.raises(DataError, match=r"found \['gland'\], which are also labels"):
        Target("t", ["t1"], {"gland": 1}, [1] * 3, [8] * 3, outcomes={"gland": BINARY})


def test_parsed_outcomes_are_kept():
    one = Outcome("age", "number", unit="years")
    assert Target("t", ["t1"], {}, [1] * 3, [8] * 3, outcomes=(one,)).outcomes == (one,)
