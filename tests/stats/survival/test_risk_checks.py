import numpy as np
import pytest

from neurotarget.stats.survival.risk_checks import net_benefit, risk_calibration


def test_risks_that_come_true_are_calibrated():
    random = np.random.default_rng(0)
    score = random.normal(size=4000)
    days = random.exponential(size=4000) * np.exp(-score)
    ends = random.exponential(size=4000) * 3
    risk = 1 - np.exp(-np.exp(score))
    found = risk_calibration(np.minimum(days, ends), (days <= ends).astype(float), risk, 1.0)
    assert found.ratio == pytest.approx(1, abs=0.03)
    assert found.slope.low < 1 < found.slope.high
    assert all(group.low < group.predicted < group.high for group in found.groups)


def test_net_benefit_counts_true_against_false_positives():
    days, event = np.array([1.0, 2, 9, 9]), np.array([1.0, 1, 0, 0])
    found = net_benefit(days, event, np.array([0.9, 0.4, 0.4, 0.1]), 5, np.array([0.2, 0.5]))
    assert found.model == pytest.approx([2 / 4 - 1 / 4 * 0.25, 1 / 4])
    assert found.everyone == pytest.approx([0.5 - 0.5 * 0.25, 0])
