import math

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from neurotarget.stats.survival.kaplan_meier import (
    censoring_survival,
    log_rank,
    median_days,
    number_at_risk,
    survival_at,
    survival_curve,
)

DAYS, EVENT = np.array([5.0, 8, 8, 12, 20, 30]), np.array([1.0, 1, 0, 1, 0, 0])


def test_survival_is_counted_by_hand():
    curve = survival_curve(DAYS, EVENT)
    assert curve.survival == pytest.approx([5 / 6, 4 / 6, 4 / 9, 4 / 9, 4 / 9])
    assert curve.at_risk.tolist() == [6, 5, 3, 2, 1]
    assert number_at_risk(DAYS, np.array([0.0, 8, 9])).tolist() == [6, 5, 3]


def test_survival_agrees_with_statsmodels():
    random = np.random.default_rng(1)
    days, event = random.integers(1, 40, 80).astype(float), (random.random(80) < 0.6).astype(float)
    other = SurvfuncRight(days, event)
    curve = survival_curve(days, event)
    known = np.isin(curve.days, other.surv_times)
    assert curve.survival[known] == pytest.approx(other.surv_prob)
    group = random.integers(0, 2, 80)
    mine = log_rank(days, event, group)
    assert (mine.chi2, mine.p) == pytest.approx(survdiff(days, event, group))
    assert mine.observed.sum() == pytest.approx(mine.expected.sum())


def test_the_log_log_interval_stays_between_0_and_1():
    curve = survival_curve(DAYS, EVENT)
    # half width of log(-log S) at 5 / 6: 1.96 sqrt(1 / 30) / log(6 / 5)
    half = math.exp(1.959964 * math.sqrt(1 / 30) / math.log(6 / 5))
    assert curve.low[0] == pytest.approx((5 / 6) ** half)
    assert curve.high[0] == pytest.approx((5 / 6) ** (1 / half))
    assert math.isnan(survival_curve(np.array([3.0]), np.array([1.0])).low[0])


def test_the_median_is_infinite_where_it_is_not_reached():
    assert median_days(survival_curve(DAYS, EVENT)).value == 12
    assert median_days(survival_curve(DAYS, np.zeros(6))).value == math.inf


def test_survival_after_the_last_follow_up_is_unknown():
    curve = survival_curve(DAYS, EVENT)
    assert survival_at(curve, 1).value == 1
    assert survival_at(curve, 30).value == pytest.approx(4 / 9)
    assert math.isnan(survival_at(curve, 31).value)
    assert survival_at(survival_curve(DAYS, np.ones(6)), 31).value == 0


def test_events_come_before_ends_of_follow_up_at_equal_times():
    at = np.array([8.0, 9.0])
    assert censoring_survival(DAYS, EVENT, at) == pytest.approx([1, 3 / 4])  # 4 left after events
    assert censoring_survival(DAYS, EVENT, at, after=True) == pytest.approx([3 / 4, 3 / 4])
