import numpy as np
import pandas as pd
import pytest

from neurotarget.problems import DataError
from neurotarget.stats.cohort.measured import Measured, band_name, from_rows, with_regions
from neurotarget.types import Row, Target

TARGET = Target(
    "two",
    ("t1",),
    {"left": 1, "right": 2},
    (1, 1, 1),
    (8, 8, 8),
    pairs=(("left", "right"),),
)


def row(case_id, label, metric, value):
    return Row(case_id, f"s_{case_id}", "test", label, metric, value, "mm3")


def rows(*more):
    made = [
        row(case_id, label, metric, value)
        for case_id, base in (("a", 100.0), ("b", 200.0))
        for label in ("left", "right")
        for metric, value in (("reference_volume_mm3", base), ("volume_mm3", base + 5))
    ]
    return pd.DataFrame([*made, *more], columns=list(Row._fields))


COVARIATES = pd.DataFrame(
    {"subject_id": ["x", "y"], "age": [30.0, 61.0], "sex": ["F", "M"]},
    index=pd.Index(["a", "c"], name="case_id"),
)


def test_rows_become_volumes_of_two_methods_and_their_sum():
    measured = from_rows(rows(), TARGET, COVARIATES)
    assert measured.methods == ("reference", "predicted")
    assert measured.pairs == (("reference", "predicted"),)
    assert measured.labels == ("left", "right", "total")
    assert measured.values["predicted"].loc["b"].tolist() == [205, 205, 410]


def test_a_case_without_covariates_keeps_its_subject():
    measured = from_rows(rows(), TARGET, COVARIATES)
    assert measured.subjects.tolist() == ["s_a", "s_b"]
    assert measured.covariates["age"].tolist()[0] == 30
    assert np.isnan(measured.covariates["age"].tolist()[1])


def test_a_total_with_an_absent_part_is_absent():
    volumes = pd.DataFrame({"left": [1.0, np.nan], "right": [2.0, 2.0]})
    assert with_regions(volumes, TARGET)["total"].tolist()[0] == 3
    assert with_regions(volumes, TARGET)["total"].isna().tolist() == [False, True]


def test_reference_masks_alone_are_one_method():
    alone = rows()[lambda table: table["metric"] == "reference_volume_mm3"]
    measured = from_rows(alone, TARGET, COVARIATES)
    assert measured.methods == ("reference",)
    assert measured.pairs == ()


def test_two_rows_of_one_score_are_refused():
    with pytest.raises(DataError, match="a: found two rows of volume_mm3 for left"):
        from_rows(rows(row("a", "left", "volume_mm3", 7.0)), TARGET, COVARIATES)


def test_rows_of_another_target_are_refused():
    other = Target("other", ("t1",), {"gland": 1}, (1, 1, 1), (8, 8, 8))
    with pytest.raises(DataError, match=r"labels left, right, wanted those of target other"):
        from_rows(rows(), other, COVARIATES)


def test_strata_are_the_whole_then_each_sex_site_and_age_band():
    covariates = pd.DataFrame(
        {
            "subject_id": list("abcd"),
            "age": [19.9, 20.0, 80.0, np.nan],
            "sex": ["F", "M", "F", None],
            "site": [1.0, 1.0, 2.0, 2.0],
        },
        index=list("abcd"),
    )
    measured = Measured(TARGET, {}, covariates, rows())
    found = {(stratum, level): list(cases) for stratum, level, cases in measured.strata()}
    assert found == {
        ("all", "all"): list("abcd"),
        ("sex", "F"): ["a", "c"],
        ("sex", "M"): ["b"],
        ("site", "1"): ["a", "b"],
        ("site", "2"): ["c", "d"],
        ("age", "0-19"): ["a"],
        ("age", "20-39"): ["b"],
        ("age", "80+"): ["c"],
    }


def test_one_sex_and_one_band_are_no_strata():
    covariates = pd.DataFrame({"subject_id": ["a", "b"], "age": [30.0, 31.0], "sex": ["F", "F"]})
    assert [stratum for stratum, *_ in Measured(TARGET, {}, covariates, rows()).strata()] == ["all"]


def test_an_infinite_volume_counts_as_none():
    found = with_regions(pd.DataFrame({"left": [1.0, np.inf], "right": [2.0, 3.0]}), TARGET)
    assert found["left"].isna().tolist() == [False, True]
    assert found["total"].isna().tolist() == [False, True]


def test_strata_of_long_numbers_keep_their_names():
    covariates = pd.DataFrame({"subject_id": ["a", "b"], "site": [10000001, 10000002]})
    levels = [level for _, level, _ in Measured(TARGET, {}, covariates, rows()).strata()]
    assert levels == ["all", "10000001", "10000002"]


@pytest.mark.parametrize(("low", "name"), [(0, "0-19"), (60, "60-79"), (80, "80+")])
def test_a_band_is_called_after_its_whole_years(low, name):
    assert band_name(low) == name


def in_splits(**splits):
    """Rows of a case a split, named after it."""
    made = [
        Row(case_id, case_id, split, label, metric, 100.0, "mm3")
        for case_id, split in splits.items()
        for label in ("left", "right")
        for metric in ("reference_volume_mm3", "volume_mm3")
    ]
    return from_rows(pd.DataFrame(made, columns=list(Row._fields)), TARGET, COVARIATES)


def test_external_cases_and_those_of_known_sites_are_strata():
    measured = in_splits(a="test", b="external", c="test", d="train")
    found = {level: list(cases) for stratum, level, cases in measured.strata() if stratum == "part"}
    assert found == {"internal": ["a", "c"], "external": ["b"]}
    assert measured.parts.isna().tolist() == [False, False, False, True]


@pytest.mark.parametrize("splits", [{"a": "test"}, {"a": "external"}, {"a": "val", "b": "test"}])
def test_parts_are_no_strata_unless_they_differ(splits):
    assert "part" not in [stratum for stratum, *_ in in_splits(**splits).strata()]
