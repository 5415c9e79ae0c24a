"""Recalibration of predicted probabilities: the correction, its choice, and thresholds."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from neurotarget.inference.recalibration import Line, Recalibration, mean_thresholds
from neurotarget.inference.recalibration_choice import (
    FEWEST,
    Known,
    choose,
    fit_line,
    losses,
    youden_threshold,
)
from neurotarget.outcome import Outcome

ILL = Outcome("ill", "binary", ("no", "yes"))
GRADE = Outcome("grade", "classes", ("low", "mid", "high"))
AGE = Outcome("age", "number", unit="years")


def cohort(n: int, *, shift: float = 0.0, slope: float = 1.0, seed: int = 0) -> Known:
    """Cases whose true logit is shift + slope · logit of the prediction."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-1.0, 1.5, n)
    truth = rng.random(n) < expit(shift + slope * raw)
    return Known(ILL, expit(raw)[:, None], truth.astype(int), np.arange(n))


def test_a_line_shifts_and_stretches_the_logit():
    p = np.array([[0.2], [0.5], [0.9]])
    found = Line(1.0, 2.0).apply(ILL, p)
    np.testing.assert_allclose(logit(found), 1.0 + 2.0 * logit(p))
    np.testing.assert_allclose(Line().apply(ILL, p), p)


def test_a_temperature_raises_probabilities_to_a_power():
    p = np.array([[0.2, 0.3, 0.5]])
    np.testing.assert_allclose(Line(slope=2.0).apply(GRADE, p), p**2 / (p**2).sum())


def test_numbers_and_other_outcomes_stay_as_they_are():
    steps = Recalibration({"ill": Line(intercept=1.0)})
    values = np.array([40.0, 0.5, 0.2, 0.3, 0.5])
    found = steps.apply([AGE, ILL, GRADE], values)
    np.testing.assert_allclose(found, [40.0, expit(1.0), 0.2, 0.3, 0.5])
    assert Recalibration(**steps.as_dict()) == steps


def test_a_slope_that_turns_the_order_is_refused():
    with pytest.raises(ValueError, match="slope of 0 or below"):
        Recalibration({"ill": {"intercept": 0.0, "slope": -1.0}})


def test_the_line_is_that_of_a_logistic_regression():
    known = cohort(2000, shift=0.8, slope=0.5)
    wanted = sm.Logit(known.classes, sm.add_constant(logit(known.p[:, 0]))).fit(disp=0).params
    assert tuple(fit_line(known)) == pytest.approx(wanted, abs=0.01)
    only = fit_line(known, has_slope=False)
    assert only.slope == 1.0
    assert only.apply(ILL, known.p).mean() == pytest.approx(known.classes.mean(), abs=1e-3)


def test_separated_classes_have_a_finite_line():
    p = np.r_[np.full(20, 0.4), np.full(20, 0.6)][:, None]
    line = fit_line(Known(ILL, p, np.repeat([0, 1], 20), np.arange(40)))
    assert math.isfinite(line.intercept)
    assert 1 < line.slope <= 10


@pytest.mark.parametrize(
    ("shift", "slope", "kept"),
    [(1.2, 1.0, ["intercept"]), (0.0, 0.4, ["intercept", "slope"]), (0.0, 1.0, [])],
)
def test_the_correction_that_is_needed_is_kept(shift, slope, kept):
    found = choose([cohort(400, shift=shift, slope=slope, seed=1)])
    assert [trial.step for trial in found.trials if trial.kept] == kept
    change = found.changes[0]
    assert bool(found.steps.lines) == bool(kept)
    assert (change.log_loss_after < change.log_loss_before) == bool(kept)
    if kept:  # the probabilities are right on average
        assert change.mean_after == pytest.approx(change.observed, abs=0.01)


def test_a_correction_by_chance_does_little_harm_and_a_needed_one_much_good():
    """On many other people: mean change of the log loss by corrections learned on 100 cases."""
    changes = {}
    for shift in (0.0, 1.2):
        others = cohort(5000, shift=shift, seed=99)
        before, gains = losses(others.targets, others.p).mean(), []
        for seed in range(6):
            steps = choose([cohort(100, shift=shift, seed=seed)]).steps
            after = losses(others.targets, steps.apply([ILL], others.p)).mean()
            gains.append(before - after)
        changes[shift] = np.mean(gains)
    assert changes[0.0] > -0.01
    assert changes[1.2] > 0.05


def test_overconfident_classes_get_a_slope_below_one():
    rng = np.random.default_rng(2)
    scores = rng.normal(0.0, 1.0, (300, 3))
    right = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    classes = np.array([rng.choice(3, p=p) for p in right])
    sharp = right**3 / (right**3).sum(axis=1, keepdims=True)
    found = choose([Known(GRADE, sharp, classes, np.arange(300))])
    assert found.steps.lines["grade"].slope == pytest.approx(1 / 3, rel=0.3)
    assert found.steps.thresholds == {}  # the largest probability decides


def test_too_few_cases_of_a_class_are_left_alone():
    known = cohort(200, shift=2.0)
    few = np.r_[
        np.flatnonzero(known.classes == 1)[: FEWEST - 1], np.flatnonzero(known.classes == 0)
    ]
    found = choose([known.take(few)])
    assert (found.steps, found.trials, found.changes) == (Recalibration(), (), ())


def test_scans_of_one_person_are_corrected_together():
    """Every case twice: lines that were fitted to a person's other scan would look too good."""
    known = cohort(120, seed=5)
    twice = Known(ILL, *(np.repeat(part, 2, axis=0) for part in known[1:]))
    once, both = (choose([one]).trials[0].log_loss_after for one in (known, twice))
    assert both == pytest.approx(once, abs=0.01)


def test_the_threshold_has_the_largest_youden_index():
    p = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7])
    threshold = youden_threshold(p, np.array([0, 0, 1, 0, 1, 1]))
    assert 0.4 < threshold < 0.6  # sensitivity 2/3, specificity 1; below 0.3: 1 and 2/3 is as good
    assert youden_threshold(np.full(4, 0.3), np.array([0, 0, 1, 1])) == pytest.approx(0.3)


def test_an_ensemble_has_the_mean_of_the_thresholds_that_all_have():
    several = [
        Recalibration({"ill": Line(1.0)}, {"ill": 0.2, "other": 0.5}),
        Recalibration(thresholds={"ill": 0.4}),
    ]
    found = mean_thresholds(several)
    assert found.thresholds == {"ill": pytest.approx(0.3)}
    assert not found.lines
