"""Nyúl and Udupa's standard scale: scans of one tissue agree on it, and all stay finite."""

import numpy as np
import pytest

from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.histogram_scale import (
    PERCENTILES,
    foreground_landmarks,
    standard_landmarks,
    standardised,
)
from neurotarget.data.scans.intensity_scale import Place, scaled
from neurotarget.problems import DataError

RNG = np.random.default_rng(1)


def knee(gain=1.0, offset=0.0, gamma=1.0):
    """Air, and brighter tissue of skewed values, as a scanner of this gain shows it."""
    tissue = 0.5 + 0.5 * np.linspace(0, 1, 3000) ** 2
    values = np.concatenate([np.zeros(5000), tissue])
    return (offset + gain * values**gamma).astype(np.float32).reshape(20, 20, 20)


def test_scanners_of_other_gain_and_contrast_agree_on_the_standard_scale():
    scans = [knee(), knee(gain=700), knee(gain=40, offset=10, gamma=1.4)]
    standard = standard_landmarks([foreground_landmarks(scan) for scan in scans])
    first, brighter, flatter = [standardised(scan, standard) for scan in scans]
    np.testing.assert_allclose(first, brighter, atol=1e-3)
    inside = knee() > knee().mean()
    assert np.abs(first - flatter)[inside].max() < 0.01


def test_landmarks_go_from_0_to_1_and_are_those_of_the_published_percentiles():
    assert PERCENTILES == (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
    standard = standard_landmarks(
        [foreground_landmarks(knee(gain=5)), foreground_landmarks(knee())]
    )
    assert standard[[0, -1]].tolist() == [0, 1]
    assert (np.diff(standard) > 0).all()
    mapped = standardised(knee(), standard)
    inside = mapped[knee() > knee().mean()]
    np.testing.assert_allclose(np.percentile(inside, PERCENTILES), standard, atol=1e-3)


def test_a_scan_of_one_value_and_one_of_few_values_stay_finite():
    standard = np.linspace(0, 1, len(PERCENTILES))
    assert (standardised(np.full((2, 2, 2), 7.0), standard) == 0).all()
    assert foreground_landmarks(np.full((2, 2, 2), 7.0)) is None
    few = np.repeat([0.0, 1.0, 2.0], 9).reshape(3, 3, 3)
    assert np.isfinite(standardised(few, standard)).all()
    with pytest.raises(ValueError, match="found no scan"):
        standard_landmarks([])


def test_the_scale_needs_the_landmarks_of_a_training():
    place = Place("k1", "k1.npy", "axial")
    with pytest.raises(DataError, match=r"k1: k1\.npy: found no landmarks of axial"):
        scaled(knee(), Preparation("nyul"), place)
    rows = {"axial": np.linspace(0, 1, len(PERCENTILES)).tolist()}
    assert scaled(knee(), Preparation("nyul", landmarks=rows), place).max() <= 2


def test_landmarks_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="wanted 11 rising numbers"):
        Preparation("nyul", landmarks={"axial": [0.0, 1.0]})
