import math

import numpy as np
import pytest

from neurotarget.metrics.masks.volume_error import (
    volume_error_mm3,
    volume_error_percent,
    volume_mm3,
    volume_similarity,
    voxel_mm3,
)


def test_voxels_times_voxel_volume():
    mask = np.zeros((5, 5, 5), dtype=bool)
    mask[:2, :3, 0] = True
    assert volume_mm3(mask, voxel_mm3(np.diag([0.5, 0.5, 2.0, 1.0]))) == pytest.approx(3.0)


def test_flips_and_rotations_keep_a_voxels_volume_and_shear_changes_the_product_of_its_sides():
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.94, 0.94, 1.2])
    assert voxel_mm3(affine) == pytest.approx(0.94 * 0.94 * 1.2)
    affine[:3, :3] = [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert voxel_mm3(affine) == pytest.approx(1)


def test_errors_are_predicted_minus_reference():
    assert volume_error_mm3(600.0, 540.0) == -60
    assert volume_error_percent(600.0, 540.0) == pytest.approx(-10)
    assert volume_similarity(600.0, 540.0) == pytest.approx(1 - 60 / 1140)


def test_similarity_does_not_ask_which_is_the_reference():
    assert volume_similarity(300.0, 500.0) == volume_similarity(500.0, 300.0)


def test_nothing_to_compare_with_is_undefined():
    assert math.isnan(volume_error_percent(0.0, 10.0))
    assert math.isnan(volume_similarity(0.0, 0.0))
    assert volume_similarity(0.0, 10.0) == 0
    assert volume_similarity(500.0, 0.0) == 0
