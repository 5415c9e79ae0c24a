import math

import numpy as np
import pytest

from neurotarget.metrics.case import measure_case, score_case
from neurotarget.metrics.rater_rows import Further
from neurotarget.types import Case, Target

TARGET = Target(
    "nuclei",
    ("t1", "qsm"),
    {"left": 1, "right": 2},
    (1, 1, 1),
    (4, 4, 4),
    pairs=(("left", "right"),),
    units={"qsm": "ppm"},
)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])  # voxels of 2 mm³
CASE = Case("c", "s", {})


def drawn(left, right=range(0)):
    """A map of 12 × 3 × 3 voxels; labels are columns of four voxels at these places along I."""
    classes = np.zeros((12, 3, 3), dtype=np.uint8)
    for number, places in enumerate((left, right), start=1):
        classes[list(places), 1:, 1:] = number
    return classes


def score(truth, pred, **beside):
    rows = score_case(
        CASE,
        truth,
        pred,
        TARGET,
        affine=AFFINE,
        spacing_mm=(1.0, 1.0, 2.0),
        further=Further(**beside),
    )
    return {(row.label, row.metric): row for row in rows}


def value(found, label, metric):
    return found[label, metric].value


def test_a_rater_is_scored_as_counted_by_hand():
    found = score(
        drawn(range(4), range(6, 8)),
        drawn(range(1, 5), range(6, 8)),
        raters={"rater2": drawn(range(2, 6), range(6, 10))},
    )
    assert value(found, "left", "dice") == pytest.approx(3 / 4)
    assert value(found, "left", "dice@rater2") == pytest.approx(3 / 4)
    assert value(found, "left", "rater_dice@rater2") == pytest.approx(2 / 4)
    assert value(found, "right", "dice@rater2") == pytest.approx(2 * 2 / 6)
    assert value(found, "right", "reference_volume_mm3@rater2") == 4 * 4 * 2
    assert found["right", "reference_volume_mm3@rater2"].unit == "mm3"


def test_a_rater_who_has_swapped_left_and_right_is_found():
    good, crossed = drawn(range(4), range(6, 9)), drawn(range(6, 9), range(4))
    found = score(good, good, raters={"again": good, "rater2": crossed})
    for label in ("left", "right"):
        assert value(found, label, "reference_swapped@again") == 0
        assert value(found, label, "reference_swapped@rater2") == 1
        assert value(found, label, "reference_swapped") == 0
    rows = score_case(
        CASE, good, good, TARGET, affine=AFFINE, spacing_mm=(1.0, 1.0, 2.0), oriented=False,
        further=Further({"rater2": crossed}),
    )  # fmt: skip
    assert "reference_swapped@rater2" not in {row.metric for row in rows}


def test_further_raters_are_put_against_each_other():
    found = score(
        drawn(range(4)),
        drawn(range(4)),
        raters={"again": drawn(range(4)), "rater2": drawn(range(2, 6))},
    )
    assert value(found, "left", "rater_dice@again") == 1
    assert value(found, "left", "rater_dice@again@rater2") == pytest.approx(1 / 2)
    assert math.isnan(value(found, "right", "rater_dice@again@rater2"))  # nobody has drawn it


def test_means_are_taken_inside_every_mask():
    scan = np.zeros((12, 3, 3), dtype=np.float32)
    scan[:] = np.arange(12)[:, None, None] / 100
    found = score(
        drawn(range(4)),
        drawn(range(2, 6)),
        raters={"rater2": drawn(range(8, 10))},
        scans={"qsm": scan},
    )
    assert value(found, "left", "reference_mean_qsm") == pytest.approx(0.015)
    assert value(found, "left", "mean_qsm") == pytest.approx(0.035)
    assert value(found, "left", "reference_mean_qsm@rater2") == pytest.approx(0.085)
    assert {row.unit for key, row in found.items() if "mean_qsm" in key[1]} == {"ppm"}
    assert math.isnan(value(found, "right", "mean_qsm"))


def test_without_a_prediction_it_has_dice_0_and_no_mean():
    found = score(
        drawn(range(4)),
        None,
        raters={"rater2": drawn(range(4))},
        scans={"qsm": np.ones((12, 3, 3))},
    )
    assert value(found, "left", "dice@rater2") == 0
    assert math.isnan(value(found, "left", "mean_qsm"))
    assert value(found, "left", "reference_mean_qsm") == 1


def test_masks_alone_have_no_row_of_a_prediction():
    beside = Further({"rater2": drawn(range(2, 6))}, {"qsm": np.ones((12, 3, 3))})
    rows = measure_case(CASE, drawn(range(4)), TARGET, affine=AFFINE, further=beside)
    added = [row.metric for row in rows if row.label == "left"][4:]
    assert added == [
        "reference_mean_qsm",
        "reference_mean_qsm@rater2",
        "reference_volume_mm3@rater2",
        "rater_dice@rater2",
        "reference_swapped@rater2",
    ]


def test_a_rater_whom_no_reference_stands_beside_is_measured_alone():
    found = score(None, drawn(range(4)), raters={"rater2": drawn(range(2, 6))})
    assert value(found, "left", "dice@rater2") == pytest.approx(1 / 2)
    assert ("left", "rater_dice@rater2") not in found


def test_a_case_with_nothing_beside_it_has_the_rows_it_had():
    found = score(drawn(range(4)), drawn(range(4)))
    assert not [metric for _, metric in found if "@" in metric or "mean" in metric]


def test_maps_without_any_label_have_volume_0_and_no_score():
    empty = drawn(range(0))
    found = score(empty, empty, raters={"rater2": empty}, scans={"qsm": np.ones((12, 3, 3))})
    assert value(found, "left", "reference_volume_mm3@rater2") == 0
    for metric in ("dice@rater2", "rater_dice@rater2", "mean_qsm", "reference_mean_qsm@rater2"):
        assert math.isnan(value(found, "left", metric))
