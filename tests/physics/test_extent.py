import pytest
import torch

from neurotarget.physics.extent import bounding_box, squared_depth_mm2
from neurotarget.problems import DataError


def test_the_box_of_a_mask_is_the_smallest_that_holds_it():
    mask = torch.zeros(5, 6, 7, dtype=torch.bool)
    mask[1, 2:5, 6] = True
    mask[3, 3, 4] = True
    assert bounding_box(mask) == (slice(1, 4), slice(2, 5), slice(4, 7))


def test_an_empty_mask_has_no_box():
    with pytest.raises(DataError, match="mask: found no voxel, wanted the brain"):
        bounding_box(torch.zeros(3, 3, 3, dtype=torch.bool))


def test_depth_is_the_distance_to_the_nearest_voxel_outside():
    mask = torch.ones(9, 9, 9, dtype=torch.bool)
    mask[4, 4, 4] = False
    depth = squared_depth_mm2(mask, (1.0, 2.0, 3.0), 50.0, faces=False)
    assert depth[4, 4, 4] == 0
    assert depth[5, 5, 4] == 1 + 4
    assert depth[6, 4, 7] == 4 + 81
    assert depth[1, 2, 3] == 9 + 16 + 9


def test_beyond_the_array_is_outside():
    mask = torch.ones(9, 9, 9, dtype=torch.bool)
    depth = squared_depth_mm2(mask, (1.0, 2.0, 3.0), 4.0)
    assert depth[0, 4, 4] == 1
    assert depth[2, 4, 4] == 9
    assert depth[4, 4, 4] == pytest.approx(16, rel=0.01)  # no further than asked
    assert squared_depth_mm2(mask, (1.0, 2.0, 3.0), 4.0, faces=False).min() >= 16


def test_a_voxel_holds_the_sphere_that_its_depth_says():
    mask = torch.rand((12, 12, 12), generator=torch.Generator().manual_seed(0)) < 0.97
    holds = squared_depth_mm2(mask, (1.0, 1.0, 1.0), 2.0) > 4
    padded = torch.nn.functional.pad(mask, (2,) * 6)
    steps = range(-2, 3)
    ball = [(i, j, k) for i in steps for j in steps for k in steps if i * i + j * j + k * k <= 4]
    result = torch.ones_like(mask)
    for i, j, k in ball:
        result &= padded[2 + i : 14 + i, 2 + j : 14 + j, 2 + k : 14 + k]
    assert result.any()
    assert torch.equal(holds, result)
