import math

import numpy as np
import pytest

from neurotarget.metrics.case import measure_case, score_case
from neurotarget.metrics.masks.lesions import LOST_MM, lesion_scores
from neurotarget.metrics.rater_rows import Further
from neurotarget.types import Case, Target

ONE = (1.0, 1.0, 1.0)
CASE = Case("a", "a", {})


def cubes(*corners, side=4, grid=(40, 20, 20)):
    mask = np.zeros(grid, bool)
    for i, j, k in corners:
        mask[i : i + side, j : j + side, k : k + side] = True
    return mask


def test_two_empty_masks_agree():
    empty = cubes()
    assert lesion_scores(empty, empty, ONE) == (1.0, 0.0)


def test_a_lost_and_an_invented_lesion_count_as_one_each():
    truth, pred = cubes((2, 2, 2), (20, 2, 2)), cubes((2, 2, 2), (34, 14, 14))
    assert lesion_scores(truth, pred, ONE) == pytest.approx((1 / 3, 2 * LOST_MM / 3))
    assert lesion_scores(truth, cubes(), ONE) == (0.0, LOST_MM)
    assert lesion_scores(cubes(), pred, ONE) == (0.0, LOST_MM)


def test_pieces_within_the_reach_are_one_lesion():
    truth = cubes((2, 2, 2), (9, 2, 2))  # 3 voxels apart
    assert lesion_scores(truth, cubes((2, 2, 2)), ONE).dice == pytest.approx(2 / 3)
    far = cubes((2, 2, 2), (14, 2, 2))
    assert lesion_scores(far, cubes((2, 2, 2)), ONE).dice == pytest.approx(0.5)


def test_a_predicted_piece_within_the_reach_belongs_to_the_lesion():
    truth, pred = cubes((2, 2, 2)), cubes((2, 2, 2), (8, 2, 2))
    assert lesion_scores(truth, pred, ONE).dice == pytest.approx(2 / 3)


def test_small_lesions_are_left_out():
    small = cubes((2, 2, 2), side=3)  # 27 mm³
    assert lesion_scores(small, cubes(), ONE) == (1.0, 0.0)
    assert lesion_scores(small, cubes(), (2.0, 2.0, 2.0)) == (0.0, LOST_MM)  # 216 mm³


def tumour():
    labels, regions = {"necrosis": 1, "edema": 2, "enhancing": 4}, {"core": [1, 4], "enhancing": 4}
    return Target("tumour", ["t1"], labels, [1] * 3, [8] * 3, regions=regions, ignore_ids=[9])


def by_name(rows):
    assert len({(row.label, row.metric) for row in rows}) == len(rows)
    return {(row.label, row.metric): row.value for row in rows}


def test_regions_have_the_rows_of_the_union_of_their_labels():
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[4:8, 4:8, 4:8], truth[8:10, 4:8, 4:8], truth[12:14, 4:8, 4:8] = 1, 3, 2
    truth[4, 4, 4] = 4  # ignored
    pred = np.where(truth == 3, 1, truth)  # all of the core as necrosis
    scores = by_name(score_case(CASE, truth, pred, tumour(), affine=np.eye(4), spacing_mm=ONE))
    assert scores["core", "dice"] == scores["core", "lesion_dice"] == 1.0
    assert scores["core", "volume_mm3"] == 64 + 32 - 1
    assert scores["core", "reference_borders_on_ignored"] == 1.0
    assert scores["enhancing", "dice"] == scores["enhancing", "brats_dice"] == 0.0
    assert scores["enhancing", "brats_hd95_mm"] == LOST_MM
    assert ("necrosis", "lesion_dice") not in scores
    assert ("core", "swapped") not in scores


def test_brats_scores_of_an_absent_region_are_perfect_and_others_undefined():
    empty = np.zeros((9, 9, 9), np.uint8)
    scores = by_name(score_case(CASE, empty, empty, tumour(), affine=np.eye(4), spacing_mm=ONE))
    assert math.isnan(scores["core", "dice"])
    names = ("brats_dice", "brats_hd95_mm", "lesion_dice", "lesion_hd95_mm")
    assert [scores["core", name] for name in names] == [1.0, 0.0, 1.0, 0.0]


def test_a_missing_prediction_fails_in_regions_too():
    truth = np.ones((6, 6, 6), np.uint8)
    scores = by_name(score_case(CASE, truth, None, tumour(), affine=np.eye(4), spacing_mm=ONE))
    assert [scores["core", name] for name in ("failed", "dice", "lesion_dice")] == [1.0, 0.0, 0.0]


def test_raters_have_regions():
    truth = np.ones((6, 6, 6), np.uint8)
    further = Further(raters={"b": np.full((6, 6, 6), 3, np.uint8)})
    rows = measure_case(CASE, truth, tumour(), affine=np.eye(4), further=further)
    scores = by_name(rows)
    assert scores["core", "reference_volume_mm3"] == 216
    assert scores["core", "rater_dice@b"] == 1.0
