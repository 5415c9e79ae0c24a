import numpy as np
import pytest

from neurotarget.data.histogram_scale import PERCENTILES, moved, standard_landmarks
from neurotarget.image_features.normalisation import (
    brain_landmarks,
    check_brain,
    over_median,
    white_striped,
    zscored,
)
from neurotarget.problems import DataError


def brain(seed: int = 0, gain: float = 1.0) -> np.ndarray:
    """Grey matter around 60 and as much white matter around 100, with some fluid."""
    rng = np.random.default_rng(seed)
    parts = ((60, 6, 9000), (100, 4, 9000), (20, 4, 2000))
    return gain * np.concatenate([rng.normal(*part) for part in parts])


def test_a_zscore_has_mean_0_and_deviation_1():
    made = zscored(brain(), brain())
    assert (made.mean(), made.std()) == (pytest.approx(0), pytest.approx(1))


@pytest.mark.parametrize(("is_t1", "tissue"), [(True, 100), (False, 100)])
def test_the_white_stripe_lies_in_the_white_matter(is_t1, tissue):
    made = white_striped(np.array([20.0, 60.0, 100.0]), brain(), is_t1=is_t1)
    assert abs(made[2]) < 2
    assert made[1] < -5
    scaled = white_striped(np.array([60.0, 100.0]) * 7, brain(gain=7), is_t1=is_t1)
    np.testing.assert_allclose(scaled, made[1:], rtol=1e-6)


def test_the_last_peak_is_white_matter_in_t1_though_grey_matter_is_more():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(60, 5, 20_000), rng.normal(100, 5, 8000)])
    t1, other = (white_striped(np.array([60.0, 100.0]), values, is_t1=one) for one in (True, False))
    assert abs(t1[1]) < 2
    assert abs(other[0]) < 2


def test_nyul_maps_landmarks_onto_the_mean_of_the_training_scans():
    training = [brain(1), brain(2, gain=3), brain(3, gain=0.5)]
    standard = standard_landmarks([brain_landmarks(one) for one in training], 100)
    assert (standard[0], standard[-1]) == (0, 100)
    new = brain(4, gain=10)
    made = moved(new, brain_landmarks(new), standard)
    np.testing.assert_allclose(np.percentile(made, PERCENTILES), standard, atol=0.2)
    order = np.argsort(new)
    assert (np.diff(made[order]) >= 0).all()  # also beyond the outer landmarks


def test_a_median_that_is_not_positive_is_refused():
    assert over_median(np.array([3.0]), np.array([1.0, 2, 3]), "the brain") == pytest.approx(1.5)
    for values in (np.array([-1.0, -2.0]), np.zeros(3), np.array([])):
        with pytest.raises(DataError, match=r"median of .* in the brain, wanted a positive one"):
            over_median(np.ones(1), values, "the brain")


@pytest.mark.usefixtures("any_array")
def test_a_brain_that_gives_no_scale_is_refused():
    mask = np.ones((12, 12, 12), bool)
    for array in (np.ones(mask.shape), np.full(mask.shape, np.nan)):
        with pytest.raises(DataError, match="1728 voxels of the brain that are"):
            check_brain(array, mask)
    with pytest.raises(DataError, match="0 voxels of the brain"):
        check_brain(np.ones(mask.shape), ~mask)
    with pytest.raises(DataError, match="a brain of one intensity"):
        brain_landmarks(np.r_[np.full(4000, 7.0), 8.0])
