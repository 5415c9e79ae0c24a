import math

import numpy as np
import pytest

from neurotarget.metrics.susceptibility import (
    contrast_percent,
    contrast_to_noise,
    correlation,
    mean_above_brain_ppm,
    nrmse_percent,
    slope,
    surroundings,
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


@pytest.mark.usefixtures("any_array")
def test_other_grids_are_refused():
    with pytest.raises(ValueError, match=r"map \(2, 2, 1\), truth \(2, 2, 2\)"):
        nrmse_percent(TRUTH[..., :1], TRUTH, ALL)


def test_a_structures_mean_is_above_that_of_the_brain():
    inside = TRUTH >= 6  # 6 and 7; the brain's mean is 3.5
    assert mean_above_brain_ppm(TRUTH, inside, ALL) == pytest.approx(3.0)
    assert math.isnan(mean_above_brain_ppm(TRUTH, ~ALL, ALL))
    left = TRUTH < 7
    assert mean_above_brain_ppm(TRUTH, inside, left) == pytest.approx(6 - 3)


def test_contrast_is_counted_in_sds_of_the_ring_and_in_percent():
    image, vein = np.full((1, 1, 7), 100.0), np.zeros((1, 1, 7), bool)
    vein[0, 0, 3] = True
    image[0, 0] = [90, 110, 0, 40, 0, 90, 110]  # the neighbours at 1 mm do not count
    around = surroundings(vein, np.ones_like(vein), (1.0, 1.0, 1.0), (2.0, 3.0))
    assert around[0, 0].tolist() == [True, True, False, False, False, True, True]
    assert contrast_to_noise(image, vein, around) == pytest.approx((100 - 40) / 10)
    assert contrast_percent(image, vein, around) == pytest.approx(60)


def test_contrast_of_nothing_is_undefined():
    image, none = np.ones((2, 2, 2)), np.zeros((2, 2, 2), bool)
    assert not surroundings(none, ALL, (1.0, 1.0, 1.0), (0.0, 9.0)).any()
    for score in (contrast_to_noise, contrast_percent):
        assert math.isnan(score(image, none, ALL))
        assert math.isnan(score(image, ALL, none))
    assert math.isnan(contrast_to_noise(image, ALL, ALL))
