import math

import numpy as np
import pytest

from neurotarget.stats.survival.survival_errors import brier_score, day_errors, survivor_class


def test_errors_of_days_are_counted_by_hand():
    found = day_errors(np.array([100.0, 400, 500]), np.array([200.0, 400, 440]))
    assert found.mse_days2 == pytest.approx((100**2 + 60**2) / 3)
    assert found.median_squared_days2 == 60**2
    assert found.median_absolute_days == 60
    assert found.spearman == 1
    assert found.accuracy == pytest.approx(2 / 3)


def test_rank_correlation_of_equal_predictions_is_undefined():
    assert math.isnan(day_errors(np.array([1.0, 2, 3]), np.full(3, 2.0)).spearman)


def test_classes_include_both_limits_in_the_middle():
    assert survivor_class(np.array([299.0, 300, 450, 451])).tolist() == [0, 1, 1, 2]


def test_brier_score_without_censoring_is_the_mean_squared_error():
    days, risk = np.array([1.0, 2, 3, 4]), np.array([0.9, 0.2, 0.3, 0.1])
    score, null = brier_score(days, np.ones(4), risk, 2)
    assert score == pytest.approx(np.mean([0.01, 0.64, 0.09, 0.01]))
    assert null == pytest.approx(0.25)


def test_people_who_leave_early_count_through_those_who_remain():
    days, event = np.array([1.0, 2, 3, 4]), np.array([1.0, 0, 1, 1])
    score, _ = brier_score(days, event, np.array([0.9, 0.5, 0.3, 0.1]), 2.5)
    assert score == pytest.approx((0.01 + (0.09 + 0.01) * 3 / 2) / 4)
