import numpy as np
import pytest

from neurotarget.pieces import large_pieces


@pytest.mark.parametrize(("specks", "count"), [(0, 1), (1, 1), (10, 2)])
def test_pieces_below_one_percent_of_a_mask_are_not_counted(specks, count):
    mask = np.zeros((20, 10, 10), dtype=bool)
    mask[:9] = True  # 900 voxels
    mask[12, 2, :specks] = True
    assert large_pieces(mask) == count


def test_an_empty_mask_has_no_pieces():
    assert large_pieces(np.zeros((3, 3, 3), dtype=bool)) == 0
