import math

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.cohort.failures import (
    CASE_COLUMNS,
    COLUMNS,
    DEFINITIONS,
    OF_MASKS,
    failed_cases_table,
    failures_table,
)
from neurotarget.stats.cohort.measured import Measured, from_rows, of_volumes, with_regions
from neurotarget.types import Row, Target

pytestmark = pytest.mark.filterwarnings("error")

RANGE = {"left": (150, 1400), "right": (150, 1400)}


def target(**known):
    settings = {"pairs": [("left", "right")], "volume_range_mm3": RANGE} | known
    return Target("glands", ["t1"], {"left": 1, "right": 2}, [1] * 3, [8] * 3, **settings)


def scored(cases, subjects=None, **known):
    """A study from the metrics of each case, label by label; metrics without a value are good."""
    well = {
        **{"volume_mm3": 600, "reference_volume_mm3": 620, "dice": 0.9, "failed": 0},
        **{"pieces": 1, "touches_edge": 0, "swapped": 0},
        **{"reference_pieces": 1, "reference_touches_edge": 0, "reference_swapped": 0},
    }
    rows = [
        Row(case, (subjects or {}).get(case, case), "test", label, metric, value, "")
        for case, labels in cases.items()
        for label in ("left", "right")
        for metric, value in (well | labels.get(label, {})).items()
    ]
    covariates = pd.DataFrame(index=pd.Index(list(cases), name="case_id"))
    return from_rows(pd.DataFrame(rows), target(**known), covariates)


def only_volumes(volumes, reference=None, **known):
    """A study of tables of volumes, without scores; `volumes` of both labels by method."""
    goal = target(**known)
    tables = {
        method: with_regions(pd.DataFrame(dict.fromkeys(("left", "right"), values)), goal)
        for method, values in volumes.items()
    }
    index = next(iter(tables.values())).index
    covariates = pd.DataFrame({"subject_id": index}, index=index)
    return Measured(
        goal, of_volumes(tables), covariates, pd.DataFrame(columns=Row._fields), reference
    )


def rates(study, method="predicted"):
    found = failures_table(study)
    found = found[found["method"] == method].set_index("definition")
    return {name: (row["n_failed"], row["n"]) for name, row in found.iterrows()}


def test_each_definition_finds_its_case():
    study = scored(
        {
            "lost": {"left": {"volume_mm3": math.nan, "dice": 0, "failed": 1}},
            "empty": {"right": {"volume_mm3": 0, "dice": 0, "failed": 1}},
            "poor": {"left": {"dice": 0.04}, "right": {"dice": 0.5}},
            "half": {"left": {"dice": 0.4999}, "right": {"dice": 0.1}},
            "large": {"left": {"volume_mm3": 1530}},
            "cut": {"left": {"touches_edge": 1}, "right": {"pieces": 3}},
            "crossed": {label: {"swapped": 1} for label in ("left", "right")},
            "well": {},
        }
    )
    assert rates(study) == {
        "failed": (3, 8),  # lost, empty and hardly a voxel right, but not what is poor alone
        "crash_or_empty": (2, 8),
        "dice_below_0.1": (3, 8),
        "swapped": (1, 8),
        "dice_below_0.5": (4, 8),
        "implausible_size": (2, 8),  # the empty one as well
        "touches_edge": (1, 8),
        "unusual_pieces": (1, 8),
    }
    assert set(rates(study, "reference").values()) == {(0, 8)}
    failed = failed_cases_table(study)
    assert list(failed["severity"]) == sorted(failed["severity"], reverse=True)
    assert "well" not in set(failed["case_id"])
    crossed = failed[failed["case_id"] == "crossed"]
    assert list(crossed["label"]) == ["left", "right"]


def test_failed_cases_are_described_the_worst_first():
    study = scored(
        {
            "a": {"left": {"dice": 0.3}},
            "b": {"left": {"dice": 0.04}},
            "c": {"left": {"volume_mm3": 1530.4}, "right": {"volume_mm3": 90}},
            "d": {"left": {"volume_mm3": 0, "failed": 1, "dice": 0}},
            "e": {"left": {"volume_mm3": math.nan, "failed": 1, "dice": 0}},
            "f": {"right": {"pieces": 4}},
        }
    )
    failed = failed_cases_table(study)
    lines = [tuple(row) for row in failed[["case_id", "definition", "detail"]].to_numpy()]
    assert lines == [
        ("d", "crash_or_empty", "empty, the reference has 620 mm³"),
        ("e", "crash_or_empty", "no mask"),
        ("d", "dice_below_0.1", "Dice 0.00"),
        ("e", "dice_below_0.1", "Dice 0.00"),
        ("b", "dice_below_0.1", "Dice 0.04"),
        ("d", "dice_below_0.5", "Dice 0.00"),
        ("e", "dice_below_0.5", "Dice 0.00"),
        ("b", "dice_below_0.5", "Dice 0.04"),
        ("a", "dice_below_0.5", "Dice 0.30"),
        ("d", "implausible_size", "0 mm³, plausible are 150–1400"),
        ("c", "implausible_size", "1530 mm³, plausible are 150–1400"),
        ("c", "implausible_size", "90 mm³, plausible are 150–1400"),
        ("f", "unusual_pieces", "4 pieces"),
    ]
    volumes = failed[failed["definition"] == "implausible_size"]
    assert list(volumes["value"]) == [0, 1530.4, 90]
    assert set(volumes["unit"]) == {"mm3"}
    assert set(failed["method"]) == {"predicted"}


@pytest.mark.parametrize(
    ("failed", "n", "low", "high"), [(0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
)
def test_the_interval_is_wilsons(failed, n, low, high):
    # Newcombe 1998, table I, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E
    cases = {
        f"c{number}": {"left": {"dice": 0.2}} if number < failed else {} for number in range(n)
    }
    found = failures_table(scored(cases)).set_index("definition").loc["dice_below_0.5"]
    assert found["rate"] == failed / n
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=5e-5)


def test_repeated_scans_of_a_subject_add_no_certainty():
    cases = {
        f"c{number}": {"left": {"dice": 0.2}} if number % 4 == 0 else {} for number in range(40)
    }
    once = failures_table(scored({name: cases[name] for name in list(cases)[:20]})).iloc[4]
    subjects = {f"c{number}": f"s{number % 20}" for number in range(40)}
    twice = failures_table(scored(cases, subjects)).iloc[4]
    assert (once["n"], twice["n"], twice["n_failed"]) == (20, 40, 10)
    assert (twice["rate"], twice["low"], twice["high"]) == tuple(once[["rate", "low", "high"]])


def test_reference_masks_are_checked_by_definitions_that_need_no_reference():
    study = scored(
        {
            "blank": {"left": {"reference_volume_mm3": 0, "volume_mm3": 0, "dice": math.nan}},
            "split": {"left": {"reference_pieces": 2}, "right": {"reference_touches_edge": 1}},
            "small": {"left": {"reference_volume_mm3": 20}},
            "mixed": {"left": {"reference_swapped": 1}},
        }
    )
    assert rates(study, "reference") == {
        "crash_or_empty": (1, 4),
        "swapped": (1, 4),
        "implausible_size": (1, 4),
        "touches_edge": (1, 4),
        "unusual_pieces": (1, 4),
    }
    # empty where the reference is empty too is right
    assert rates(study)["crash_or_empty"] == (0, 4)
    assert rates(study)["implausible_size"] == (0, 4)


def test_reference_masks_alone_are_checked():
    rows = [
        Row(f"c{number}", f"c{number}", "", label, metric, value, "")
        for number in range(3)
        for label in ("left", "right")
        for metric, value in (("reference_volume_mm3", 500 + number), ("reference_pieces", number))
    ]
    covariates = pd.DataFrame(index=[f"c{number}" for number in range(3)])
    found = failures_table(from_rows(pd.DataFrame(rows), target(), covariates))
    assert set(found["method"]) == {"reference"}
    by_name = found.set_index("definition")
    assert tuple(by_name.loc["unusual_pieces", ["n_failed", "n"]]) == (1, 3)
    assert by_name.loc["touches_edge", "reason"] == "no scores of masks"


def test_when_every_prediction_crashed_all_cases_are_counted():
    crashed = {"volume_mm3": math.nan, "failed": 1, "dice": 0, "pieces": math.nan}
    study = scored({name: {"left": crashed, "right": crashed} for name in "abc"})
    assert study.methods == ("reference",)
    assert rates(study)["crash_or_empty"] == (3, 3)


def test_usual_volumes_are_those_of_the_reference():
    usual = [600, 620, 640, 580, 560, 610, 590, 600, 615, 585]
    study = only_volumes({"truth": usual, "ours": [*usual[:9], 900]}, "truth", volume_range_mm3={})
    assert rates(study, "ours")["implausible_size"] == (1, 10)
    sd = float(np.std(usual, ddof=1))
    words = (
        f"900 mm³, usual (mean ± 3 SD of the reference's) are {600 - 3 * sd:.0f}–{600 + 3 * sd:.0f}"
    )
    assert set(failed_cases_table(study)["detail"]) == {words}
    fewer = only_volumes({"truth": usual[1:], "ours": usual[1:]}, "truth", volume_range_mm3={})
    row = failures_table(fewer).query("definition == 'implausible_size'").iloc[0]
    assert row["n"] == 0
    assert row["reason"] == "no plausible range, and fewer than 10 volumes for a usual range"


def test_a_table_of_volumes_without_masks_is_checked_for_volumes():
    study = only_volumes({"first": [500.0, 510, math.nan], "second": [500.0, 1600, 40]}, pairs=[])
    found = failures_table(study).set_index(["method", "definition"])
    assert tuple(found.columns) == COLUMNS[2:]
    assert tuple(found.loc[("first", "crash_or_empty"), ["n_failed", "n"]]) == (0, 2)
    assert tuple(found.loc[("first", "implausible_size"), ["n_failed", "n"]]) == (0, 2)
    assert tuple(found.loc[("second", "implausible_size"), ["n_failed", "n"]]) == (2, 3)
    assert found.loc[("first", "dice_below_0.5"), "reason"] == "no scores of masks"
    assert found.loc[("first", "swapped"), "reason"] == "the target has no pairs of left and right"
    silent = found[found["n"] == 0]
    assert (silent["reason"] != "").all()
    assert silent[["rate", "low", "high"]].isna().all(axis=None)


def test_a_mask_that_one_of_several_raters_has_not_drawn_is_no_crash():
    study = only_volumes({"anna": [600, 610, 620], "bela": [600, math.nan, 0]})
    assert rates(study, "bela")["crash_or_empty"] == (1, 2)
    against = only_volumes({"anna": [600, 610, 620], "bela": [600, math.nan, 0]}, "anna")
    assert rates(against, "bela")["crash_or_empty"] == (2, 3)


def test_a_label_that_a_method_never_had_is_no_crash():
    study = only_volumes({"first": [500.0, 510, 520]})
    study.values["first"]["right"] = math.nan
    assert rates(study, "first")["crash_or_empty"] == (0, 3)
    study.values["first"]["left"] = math.nan
    row = failures_table(study).iloc[0]
    assert (row["n"], row["reason"]) == (0, "no volumes by first")


def test_constant_volumes_are_all_usual():
    assert rates(only_volumes({"a": [0.1 + 0.2] * 12}, volume_range_mm3={}), "a")[
        "implausible_size"
    ] == (0, 0)


def test_the_table_is_empty_if_nothing_failed():
    failed = failed_cases_table(scored({"a": {}, "b": {}}))
    assert failed.empty
    assert tuple(failed.columns) == CASE_COLUMNS


def test_definitions_are_sentences_in_order_of_severity():
    assert [one.severity for one in OF_MASKS] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert all(one.description.endswith(".") for one in DEFINITIONS)


def test_a_structure_that_extends_into_ignored_voxels_is_not_called_too_small_or_in_pieces():
    part = {"volume_mm3": 60, "reference_volume_mm3": 62, "pieces": 2}
    cut = {"left": part | {"reference_borders_on_ignored": 1}}
    found = rates(scored({"a": cut, "b": {}}))
    assert found["implausible_size"] == found["unusual_pieces"] == (0, 2)
    found = rates(scored({"a": {"left": part}, "b": {}}))
    assert found["implausible_size"] == found["unusual_pieces"] == (1, 2)


def test_masks_of_another_number_of_pieces_than_expected_are_listed():
    cases = {
        "well": {"left": {"pieces": 2}, "right": {"pieces": 7}},
        "merged": {"left": {"pieces": 1}},
        "specks": {"left": {"pieces": 5}},
        "empty": {"left": {"pieces": 0, "volume_mm3": 0, "dice": 0}},
    }
    for labels in cases.values():
        labels.setdefault("left", {})["reference_pieces"] = 2
    study = scored(cases, pieces={"left": 2, "right": "any"})
    assert rates(study)["unusual_pieces"] == (2, 4)
    found = failed_cases_table(study)
    found = found[found["definition"] == "unusual_pieces"]
    assert found[["case_id", "label", "detail"]].to_numpy().tolist() == [
        ["specks", "left", "5 pieces, normally 2"],
        ["merged", "left", "1 piece, normally 2"],
    ]
    lesions = failures_table(scored(cases, pieces={"left": None, "right": None}))
    reasons = lesions[lesions["definition"] == "unusual_pieces"]["reason"]
    assert set(reasons) == {"the target expects no number of pieces"}
