import math

import numpy as np
import pytest
from scipy.special import expit, logit
from statsmodels.discrete.discrete_model import Logit

from neurotarget.stats.core.calibration_fit import (
    calibration_bins,
    expected_calibration_error,
    recalibration,
    smooth_calibration,
)


def outcomes(n=4000, seed=0, intercept=0.0, slope=1.0):
    """Probabilities and outcomes whose true log odds are intercept + slope × logit p."""
    rng = np.random.default_rng(seed)
    place = rng.normal(0, 1.5, n)
    return expit(place), (rng.random(n) < expit(intercept + slope * place)).astype(float)


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (0.5, 1.0), (0.0, 0.6)])
def test_intercept_and_slope_find_what_was_planted(intercept, slope):
    p, y = outcomes(intercept=intercept, slope=slope)
    found = recalibration(p, y, np.arange(len(p)))
    assert found.slope.low < slope < found.slope.high
    if slope == 1:
        assert found.intercept.low < intercept < found.intercept.high


def test_the_slope_is_that_of_a_logistic_regression():
    p, y = outcomes(300)
    fit = Logit(y, np.column_stack([np.ones(300), logit(p)])).fit(disp=0)
    found = recalibration(p, y, np.arange(300)).slope
    assert found[:3] == pytest.approx((fit.params[1], *fit.conf_int()[1]), rel=1e-5)


def test_a_case_that_is_listed_twice_adds_no_certainty():
    p, y = outcomes(300)
    once = recalibration(p, y, np.arange(300))
    twice = recalibration(*(np.repeat(one, 2) for one in (p, y, np.arange(300))))
    assert twice.slope.value == pytest.approx(once.slope.value)
    assert twice.slope.high - twice.slope.low == pytest.approx(
        once.slope.high - once.slope.low, rel=0.15
    )


@pytest.mark.parametrize(
    ("p", "y", "reason"),
    [
        (np.full(40, 0.3), np.arange(40) % 2, "all probabilities are equal"),
        (np.r_[np.full(20, 0.2), np.full(20, 0.8)], np.arange(40) >= 20, "no finite slope"),
        (np.linspace(0.1, 0.9, 40), np.arange(40) < 2, "fewer than 3 people"),
    ],
)
def test_a_slope_that_cannot_be_estimated_has_a_reason(p, y, reason):
    found = recalibration(p, y.astype(float), np.arange(40))
    assert reason in found.reason
    assert math.isnan(found.slope.value)


def test_bins_hold_equally_many_cases_and_equal_probabilities_together():
    p, y = outcomes(200)
    bins = calibration_bins(p, y, np.arange(200))
    assert [one.n for one in bins] == [20] * 10
    assert sum(one.n_positive for one in bins) == y.sum()
    tied = calibration_bins(np.repeat([0.1, 0.2, 0.7], [70, 5, 25]), y[:100], np.arange(100))
    assert [(one.low_p, one.high_p, one.n) for one in tied] == [
        (0.1, 0.1, 70),
        (0.2, 0.7, 30),
    ]


def test_few_cases_have_few_bins():
    p, y = outcomes(25)
    assert len(calibration_bins(p, y, np.arange(25))) == 2
    assert len(calibration_bins(p[:4], y[:4], np.arange(4))) == 1


def test_the_calibration_error_by_hand():
    p = np.repeat([0.2, 0.6], 10)
    y = np.repeat([0.0, 1, 1, 0], [9, 1, 8, 2])  # 10 % and 80 % come true
    bins = calibration_bins(p, y, np.arange(20))
    assert expected_calibration_error(bins) == pytest.approx((0.1 + 0.2) / 2)


def test_a_smooth_curve_lies_on_the_diagonal_of_good_probabilities():
    p, y = outcomes(20_000)
    places, shares = smooth_calibration(p, y)
    assert np.abs(shares - places).max() < 0.06
