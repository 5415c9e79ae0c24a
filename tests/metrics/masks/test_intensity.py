import math

import numpy as np
import pytest

from neurotarget.metrics.masks.intensity import mean_inside


def test_the_mean_is_over_the_voxels_of_the_mask():
    scan = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    assert mean_inside(scan, scan > 5) == pytest.approx(6.5)  # 6 and 7


def test_an_empty_mask_has_no_mean():
    assert math.isnan(mean_inside(np.ones((2, 2, 2)), np.zeros((2, 2, 2), dtype=bool)))


def test_many_small_numbers_keep_their_figures():
    scan = np.full((128, 128, 64), 0.1, dtype=np.float32)  # summed in float32 it would drift
    assert mean_inside(scan, scan > 0) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.usefixtures("any_array")
def test_a_scan_on_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"scan \(2, 2, 3\), mask \(2, 2, 2\); resample to one"):
        mean_inside(np.ones((2, 2, 3)), np.ones((2, 2, 2), dtype=bool))
