import numpy as np
import pytest

from neurotarget.stats.survival.concordance import (
    harrell_pairs,
    mean_pairs,
    share,
    share_difference,
    time_auc_pairs,
    uno_pairs,
    within,
)

DAYS, EVENT = np.array([1.0, 2, 2, 3, 4]), np.array([1.0, 1, 0, 0, 1])


def test_pairs_are_counted_by_hand():
    pairs = harrell_pairs(DAYS, EVENT, np.array([5.0, 3, 3, 4, 0]))
    assert pairs.usable.sum() == 4 + 3  # the tie of an event with an end of follow-up counts
    assert pairs.value == pytest.approx((4 + 0.5 + 0 + 1) / 7)


def test_equal_risks_have_a_c_of_one_half():
    assert harrell_pairs(DAYS, EVENT, np.zeros(5)).value == 0.5


def test_uno_weights_late_events_of_those_who_remain():
    days, event = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 0, 1, 1, 1])
    weights = uno_pairs(days, event, -days).usable.sum(axis=1)
    assert weights == pytest.approx([4, 0, 2 * (4 / 3) ** 2, (4 / 3) ** 2, 0])
    assert uno_pairs(days, event, -days).value == 1


def test_uno_and_harrell_agree_where_everyone_has_the_event():
    days, risk = np.arange(1.0, 9), np.array([4.0, 9, 1, 7, 3, 2, 2, 0])
    event = np.ones(8)
    assert uno_pairs(days, event, risk).value == harrell_pairs(days, event, risk).value


def test_auc_at_a_time_compares_early_events_with_those_beyond():
    pairs = time_auc_pairs(DAYS, EVENT, np.array([5.0, 1, 3, 4, 0]), 2)
    assert pairs.value == pytest.approx(3 / 4)


def test_the_difference_of_a_risk_with_itself_is_0():
    random = np.random.default_rng(0)
    days, event, risk = random.exponential(size=40), random.integers(0, 2, 40), random.random(40)
    pairs = harrell_pairs(days, event.astype(float), risk)
    assert share_difference(pairs, pairs, 0)[:3] == (0, 0, 0)
    value, low, high, n = share(pairs, 0)
    assert low < value < high
    assert n == 40


def test_pairs_within_folds_leave_out_those_across():
    same = np.equal.outer([0, 0, 1, 1, 1], [0, 0, 1, 1, 1])
    pairs = harrell_pairs(DAYS, EVENT, -DAYS)
    assert within(pairs, same).usable.sum() == 1
    assert mean_pairs([pairs, within(pairs, same)]).usable.sum() == 4
