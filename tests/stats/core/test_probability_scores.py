import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_curve

from neurotarget.stats.core.average_precision import average_precision, weighted_average_precision
from neurotarget.stats.core.operating_curve import operating_curve
from neurotarget.stats.core.probability_scores import (
    brier_parts,
    log_losses,
    weighted_expected_observed,
    weighted_scaled_brier,
)


def predicted(n=80, seed=0, digits=2):
    rng = np.random.default_rng(seed)
    p = rng.random(n).round(digits)
    return p, (rng.random(n) < p).astype(float)


def test_average_precision_by_hand():
    # thresholds 0.9 (hit), 0.8 (miss), 0.7 (hit): 1/2 · 1 + 1/2 · 2/3
    p, y = np.array([0.9, 0.8, 0.7, 0.1]), np.array([1, 0, 1, 0], dtype=bool)
    assert average_precision(p, y) == pytest.approx(5 / 6)
    assert math.isnan(average_precision(p, ~y & y))


@pytest.mark.parametrize("digits", [1, 6])
def test_average_precision_equals_scikit_learns_with_ties(digits):
    p, y = predicted(digits=digits)
    assert average_precision(p, y == 1) == pytest.approx(average_precision_score(y, p))


def test_whole_weights_repeat_cases():
    p, y = predicted()
    weights = np.random.default_rng(1).integers(0, 4, (3, 80)).astype(float)
    found = weighted_average_precision(weights, p, y == 1, np.arange(80))
    expected = [average_precision_score(np.repeat(y, w), np.repeat(p, w))
                for w in weights.astype(int)]  # fmt: skip
    assert found == pytest.approx(expected)


def test_a_curve_has_a_point_at_every_probability():
    p, y = predicted()
    curve = operating_curve(p, y == 1)
    x, sensitivity, threshold = roc_curve(y, p, drop_intermediate=False)
    assert curve.false_positive_rate == pytest.approx(x)
    assert curve.sensitivity == pytest.approx(sensitivity)
    assert curve.threshold == pytest.approx(threshold)
    gains = np.diff(curve.sensitivity) @ curve.precision[1:]
    assert gains == pytest.approx(average_precision(p, y == 1))


def test_the_parts_add_up_to_the_brier_score():
    p, y = predicted()
    parts = brier_parts(p, y)
    whole = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert whole == pytest.approx(brier_score_loss(y, p))
    assert min(parts) >= 0


def test_two_groups_that_come_true_as_often_as_said_have_no_miscalibration():
    p = np.repeat([0.25, 0.75], 4)
    y = np.array([0, 0, 0, 1, 1, 1, 1, 0], dtype=float)
    assert brier_parts(p, y) == pytest.approx((0.0, 1 / 16, 1 / 4))


def test_the_log_loss_equals_scikit_learns_and_stays_finite():
    p, y = predicted()
    inside = (p > 0) & (p < 1)
    assert log_losses(p, y)[inside].mean() == pytest.approx(log_loss(y[inside], p[inside]))
    assert log_losses(np.array([0.0]), np.array([1.0])) == pytest.approx(-math.log(1e-7))


def test_the_scaled_score_of_the_prevalence_is_0_and_of_the_truth_1():
    _, y = predicted()
    whole, subject = np.ones((1, 80)), np.arange(80)
    prevalence = np.full(80, y.mean())
    assert weighted_scaled_brier(whole, prevalence, y, subject) == pytest.approx([0.0])
    assert weighted_scaled_brier(whole, y, y, subject) == pytest.approx([1.0])
    assert np.isnan(weighted_scaled_brier(whole, prevalence, y * 0, subject)).all()
    assert weighted_expected_observed(whole, y * 0.8, y, subject) == pytest.approx([0.8])
