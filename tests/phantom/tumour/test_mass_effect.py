import numpy as np
import pytest

from neurotarget.phantom.tumour.mass_effect import displacement_vox, pushed

SHAPE, CENTRE = (40, 40, 40), (20, 20, 20)


def test_tissue_moves_away_and_keeps_its_volume():
    ids = np.full(SHAPE, 2, dtype=np.uint16)
    radius = np.sqrt(sum((np.indices(SHAPE)[axis] - 20) ** 2 for axis in range(3)))
    ids[(radius > 6) & (radius < 9)] = 10
    inside = np.pad(np.ones((38, 38, 38), dtype=bool), 1)
    moves = displacement_vox(inside, (2.0, 2.0, 2.0), CENTRE, 6.0)
    after = pushed(ids, moves)
    assert radius[after == 10].mean() > radius[ids == 10].mean() + 0.5
    assert (after == 10).sum() == pytest.approx((ids == 10).sum(), rel=0.1)
    assert np.array_equal(after[0], ids[0])  # nothing moves at the skull


def test_displacements_of_a_coarse_grid_move_a_fine_map_as_far_in_mm():
    ids = np.zeros((16, 16, 16), dtype=np.uint16)
    ids[8] = 3
    moves = np.zeros((3, 8, 8, 8), dtype=np.float32)
    moves[0] = -1.0  # read from one coarse voxel below
    assert (pushed(ids, moves)[10] == 3).all()


def test_grids_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="whole multiple"):
        pushed(np.zeros((9, 8, 8), dtype=np.uint16), np.zeros((3, 4, 4, 4), dtype=np.float32))
