import math

import numpy as np
import pytest

from neurotarget.metrics.susceptibility import (
    contrast_to_noise,
    correlation,
    mean_above_brain_ppm,
    nrmse_percent,
    slope,
)

ALL = np.ones((2, 2, 2), bool)
TRUTH = np.arange(8.0).reshape(2, 2, 2)


def test_a_map_that_differs_by_a_constant_is_perfect():
    assert nrmse_percent(TRUTH + 5, TRUTH, ALL) == 0
    assert correlation(TRUTH + 5, TRUTH, ALL) == pytest.approx(1)
    assert slope(TRUTH + 5, TRUTH, ALL) == pytest.approx(1)


def test_half_the_contrast_is_half_wrong_but_wholly_correlated():
    assert nrmse_percent(TRUTH / 2, TRUTH, ALL) == pytest.approx(50)
    assert slope(TRUTH / 2, TRUTH, ALL) == pytest.approx(0.5)
    assert correlation(TRUTH / 2, TRUTH, ALL) == pytest.approx(1)


def test_an_empty_map_is_wrong_by_a_hundred_percent():
    assert nrmse_percent(np.zeros_like(TRUTH), TRUTH, ALL) == pytest.approx(100)
    assert slope(np.zeros_like(TRUTH), TRUTH, ALL) == 0
    assert math.isnan(correlation(np.zeros_like(TRUTH), TRUTH, ALL))


def test_only_the_mask_counts():
    mask = ALL.copy()
    mask[0, 0, 0] = False
    wild = TRUTH.copy()
    wild[0, 0, 0] = 1e6
    assert nrmse_percent(wild, TRUTH, mask) == 0


def test_an_empty_mask_is_undefined():
    for score in (nrmse_percent, correlation, slope):
        assert math.isnan(score(TRUTH, TRUTH, ~ALL))


def test_other_grids_are_refused():
    with pytest.raises(ValueError, match=r"map \(2, 2, 1\), truth \(2, 2, 2\)"):
        nrmse_percent(TRUTH[..., :1], TRUTH, ALL)


def test_a_structures_mean_is_above_that_of_the_brain():
    inside = TRUTH >= 6  # 6 and 7; the brain's mean is 3.5
    assert mean_above_brain_ppm(TRUTH, inside, ALL) == pytest.approx(3.0)
    assert math.isnan(mean_above_brain_ppm(TRUTH, ~ALL, ALL))
    left = TRUTH < 7
    assert mean_above_brain_ppm(TRUTH, inside, left) == pytest.approx(6 - 3)


def test_contrast_is_counted_in_sds_of_the_ring():
    image, vein = np.full((1, 1, 7), 100.0), np.zeros((1, 1, 7), bool)
    vein[0, 0, 3] = True
    image[0, 0] = [90, 110, 0, 40, 0, 90, 110]  # the neighbours at 1 mm do not count
    mask = np.ones_like(vein)
    found = contrast_to_noise(image, vein, mask, (1.0, 1.0, 1.0), ring_mm=(2.0, 3.0))
    assert found == pytest.approx((100 - 40) / 10)
    assert math.isnan(contrast_to_noise(image, ~mask, mask, (1.0, 1.0, 1.0), ring_mm=(2.0, 3.0)))
