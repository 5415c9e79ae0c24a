import math

import pytest
import torch

from neurotarget.tasks.base import gather
from neurotarget.tasks.scores import CaseScore, score_case, summarise
from neurotarget.types import Target

TARGET = Target("toy", ("t1",), {"left": 1, "right": 2}, (1.0, 1.0, 2.0), (8, 8, 8))


def score(shared, truth, pred, loss=1.0, voxels=100):
    return CaseScore(list(shared), list(truth), list(pred), loss, voxels)


def test_counts_are_voxels_of_each_foreground_class():
    labels = torch.tensor([0, 1, 1, 2, 2, 2, 0, 0]).reshape(1, 2, 2, 2)
    pred = torch.tensor([0, 1, 2, 2, 2, 0, 0, 1]).reshape(1, 2, 2, 2)
    logits = torch.nn.functional.one_hot(pred, 3).movedim(-1, 1).float()
    assert score_case(logits, labels, 0.25) == score([1, 2], [2, 3], [2, 3], 0.25, 8)


def test_dice_counts_a_miss_as_zero_and_leaves_out_what_is_absent():
    scores = {
        "a": score((8, 0), (8, 0), (8, 0)),  # left perfect, right absent in both
        "b": score((0, 2), (8, 4), (0, 4), loss=3.0),  # left missed, right half
    }
    found = summarise(scores, TARGET)
    assert found["dice/left"] == 0.5
    assert found["dice/right"] == 0.5
    assert found["dice_mean"] == 0.5
    assert found["dice_undefined"] == 1
    assert found["loss"] == 2.0


def test_volumes_agree_in_mm3_not_in_voxels():
    truth = [10, 20, 30, 44]
    scores = {
        str(index): score((0, 0), (voxels, 1), (voxels + 5, 1))
        for index, voxels in enumerate(truth)
    }
    found = summarise(scores, TARGET)
    assert found["volume_r/left"] == pytest.approx(1)
    assert found["volume_rho/left"] == pytest.approx(1)
    assert 0.8 < found["volume_icc/left"] < 0.99
    assert math.isnan(found["volume_r/right"])  # no spread


def test_label_absent_from_all_cases_is_nan_and_stays_out_of_the_mean():
    found = summarise({"a": score((4, 0), (4, 0), (4, 0))}, TARGET)
    assert math.isnan(found["dice/right"])
    assert found["dice_mean"] == 1


def test_what_a_trivial_mask_would_score_and_which_masks_failed_are_logged():
    scores = {
        "a": score((0, 0), (20, 0), (0, 0)),  # left lost, right absent in both
        "b": score((1, 25), (60, 25), (40, 25)),  # left at Dice 0.02, right perfect
    }
    found = summarise(scores, TARGET)
    # 2 f / (1 + f): left of 20 % and 60 %, right of 25 %
    left = (0.4 / 1.2 + 1.2 / 1.6) / 2
    assert found["dice_all_foreground"] == pytest.approx((left + 0.5 / 1.25) / 2)
    assert found["failed_share"] == pytest.approx(2 / 3)


def test_one_process_gathers_its_own_cases_in_order():
    assert list(gather({"b": score((0,), (1,), (1,)), "a": score((0,), (1,), (1,))})) == ["a", "b"]


def test_nothing_is_counted_in_ignored_voxels():
    labels = torch.tensor([0, 1, 1, 2, 3, 3, 3, 3]).reshape(1, 2, 2, 2)  # 3 is ignored
    pred = torch.tensor([0, 1, 2, 2, 1, 2, 0, 2]).reshape(1, 2, 2, 2)
    logits = torch.nn.functional.one_hot(pred, 3).movedim(-1, 1).float()
    assert score_case(logits, labels, 0.25) == score([1, 1], [2, 1], [1, 2], 0.25, 4)
