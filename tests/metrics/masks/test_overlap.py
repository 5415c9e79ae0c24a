import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice

from neurotarget.metrics.masks.overlap import dice, precision, recall


def cube(*, start, side=4, grid=10):
    mask = np.zeros((grid, grid, grid), dtype=bool)
    mask[start : start + side, 3 : 3 + side, 3 : 3 + side] = True
    return mask


EMPTY = np.zeros((10, 10, 10), dtype=bool)


def test_half_shifted_cube_scores_one_half():
    assert dice(cube(start=0), cube(start=2)) == pytest.approx(0.5)  # 32 of 64 voxels shared


def test_a_cube_within_a_bar_has_full_precision_and_half_recall():
    bar = cube(start=0) | cube(start=4)
    assert precision(bar, cube(start=0)) == 1
    assert recall(bar, cube(start=0)) == 0.5
    assert precision(cube(start=0), bar) == 0.5


def test_the_same_mask_scores_one_and_a_disjoint_one_zero():
    for score in (dice, precision, recall):
        assert score(cube(start=0), cube(start=0)) == 1
        assert score(cube(start=0), cube(start=5)) == 0


def test_empty_masks_are_undefined_only_where_nothing_is_divided():
    assert all(math.isnan(score(EMPTY, EMPTY)) for score in (dice, precision, recall))
    assert dice(cube(start=0), EMPTY) == 0
    assert dice(EMPTY, cube(start=0)) == 0
    assert math.isnan(precision(cube(start=0), EMPTY))
    assert math.isnan(recall(EMPTY, cube(start=0)))


def test_dice_equals_monai():
    generator = np.random.default_rng(0)
    truth, pred = generator.random((2, 8, 9, 7)) > 0.6
    theirs = compute_dice(torch.tensor(pred[None, None]), torch.tensor(truth[None, None]))
    assert dice(truth, pred) == pytest.approx(theirs.item())


@pytest.mark.usefixtures("any_array")
def test_masks_of_two_grids_are_refused():
    with pytest.raises(ValueError, match=r"dice: got truth bool \(10, 10, 10\) and pred bool"):
        dice(cube(start=0), cube(start=0, grid=11))


@pytest.mark.usefixtures("any_array")
def test_label_maps_are_refused():
    with pytest.raises(ValueError, match="recall: got truth uint8"):
        recall(cube(start=0).astype(np.uint8), cube(start=0))
