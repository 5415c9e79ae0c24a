import math

import numpy as np
import pytest

from neurotarget.metrics.masks.shape import pieces, swapped, swapped_in_space, touches_edge

SHAPE = (8, 4, 4)


def block(start, stop):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[start:stop, 1:3, 1:3] = True
    return mask


LOW, HIGH, NONE = block(0, 2), block(5, 7), block(0, 0)


def test_voxels_that_share_a_corner_are_one_piece():
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert pieces(mask) == 1
    mask[3, 3, 3] = True
    assert pieces(mask) == 2


def test_an_empty_mask_has_no_piece():
    assert pieces(NONE) == 0
    assert pieces(np.zeros((0, 0, 0), dtype=bool)) == 0


@pytest.mark.parametrize(
    ("box", "touches"),
    [
        ((slice(1, 7), slice(1, 3), slice(1, 3)), False),
        ((slice(0, 2), slice(1, 3), slice(1, 3)), True),
        ((slice(1, 8), slice(1, 3), slice(1, 3)), True),
        ((slice(1, 2), slice(1, 3), slice(3, 4)), True),
    ],
)
def test_the_first_and_the_last_voxel_of_an_axis_are_the_edge(box, touches):
    assert touches_edge(box, SHAPE) is touches


@pytest.mark.parametrize(
    ("pred_left", "pred_right", "is_swapped"),
    [
        (LOW, HIGH, 0.0),
        (HIGH, LOW, 1.0),
        (HIGH, NONE, 1.0),  # the one side that there is lies on the other
        (LOW, NONE, 0.0),
        (LOW | HIGH, NONE, 0.0),  # as much here as there
        (HIGH, HIGH, 0.0),  # one side is right, so they are not exchanged
        (NONE, NONE, math.nan),
        (block(3, 4), block(4, 5), math.nan),  # overlaps nothing
    ],
)
def test_sides_are_swapped_where_each_lies_on_the_others_reference(
    pred_left, pred_right, is_swapped
):
    found = swapped(LOW, HIGH, pred_left, pred_right)
    assert found == pytest.approx(is_swapped, nan_ok=True)


@pytest.mark.usefixtures("any_array")
def test_masks_of_several_grids_are_refused():
    with pytest.raises(ValueError, match="swapped: got masks of the shapes"):
        swapped(LOW, HIGH, LOW[1:], HIGH)


@pytest.mark.parametrize(
    ("direction", "is_swapped"),
    [
        (np.diag([1.0, 1.0, 1.0, 1.0]), 0.0),  # voxels count to the right
        (np.diag([-1.0, 1.0, 1.0, 1.0]), 1.0),
        (np.array([[0.6, 0.8, 0, 9], [-0.8, 0.6, 0, 9], [0, 0, 1, 9], [0, 0, 0, 1]]), 0.0),
        (np.diag([0.0, 1.0, 1.0, 1.0]), math.nan),  # both at one height across the body
    ],
)
def test_the_affine_says_which_side_is_right(direction, is_swapped):
    assert swapped_in_space(LOW, HIGH, direction) == pytest.approx(is_swapped, nan_ok=True)
    other = 1 - is_swapped
    assert swapped_in_space(HIGH, LOW, direction) == pytest.approx(other, nan_ok=True)


def test_a_side_that_is_absent_says_nothing_of_the_other():
    assert math.isnan(swapped_in_space(LOW, NONE, np.eye(4)))
