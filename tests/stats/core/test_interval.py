import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import nct

from neurotarget.stats.core.interval import fisher_interval, noncentrality
from neurotarget.stats.core.resample import codes, ends, replicates, weighted_mean
from oracles.bootstrap import bootstrap, bootstrap_mean


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(0.9, 0.05, 20)
    first, second = (bootstrap(np.mean, values, seed=3) for _ in range(2))
    assert first == second
    assert first != bootstrap(np.mean, values, seed=4)


def test_bootstrap_of_a_mean_nears_the_normal_interval():
    values = np.random.default_rng(1).normal(10, 2, 200)
    found = bootstrap(np.mean, values, seed=0)
    half = 1.96 * values.std() / math.sqrt(200)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.03
    )


def test_repeated_scans_of_a_subject_add_no_certainty():
    values = np.random.default_rng(2).normal(10, 2, 30)
    once = bootstrap(np.mean, values, seed=0)
    subjects = [f"s{number}" for number in range(30)] * 4
    fourfold = bootstrap(np.mean, np.tile(values, 4), seed=0, subjects=subjects)
    assert fourfold.high - fourfold.low == pytest.approx(once.high - once.low, rel=0.05)
    assert fourfold.n == 120


@pytest.mark.parametrize("subjects", [None, [*"aabbbcdefghijklmnopq"]])
def test_the_fast_mean_equals_the_general_bootstrap(subjects):
    values = np.random.default_rng(4).normal(0.9, 0.05, 20)
    fast = bootstrap_mean(values, seed=7, subjects=subjects)
    assert fast == pytest.approx(bootstrap(np.mean, values, seed=7, subjects=subjects))
    with pytest.raises(ValueError, match="bootstrap_mean: 1 of 2 values are NaN"):
        bootstrap_mean(np.array([1.0, math.nan]), seed=0)


@pytest.mark.parametrize("subjects", [None, [*"aabbbcdefghijklmnopq"]])
def test_a_corrected_interval_is_that_of_the_weights(subjects):
    values = np.random.default_rng(4).lognormal(0, 1, 20)
    found = bootstrap(np.mean, values, seed=7, subjects=subjects, method="bca")
    subject, count = codes(range(20) if subjects is None else subjects)
    fast = ends(weighted_mean(replicates(count, 7), values, subject))
    assert (found.low, found.high) == pytest.approx(fast)
    assert (found.low, found.high) != pytest.approx(bootstrap(np.mean, values, seed=7)[1:3])


def test_a_corrected_interval_needs_three_subjects_and_most_draws():
    def nan_without_a_five(values):
        return values.std() if np.sum(values == 5) == 1 else math.nan

    rare = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0])
    for statistic, values in ((nan_without_a_five, rare), (np.mean, rare[:2])):
        found = bootstrap(statistic, values, seed=0, method="bca")
        assert math.isfinite(found.value)
        assert math.isnan(found.low)


def test_two_subjects_have_a_value_but_no_interval():
    found = bootstrap(np.mean, np.array([1.0, 2.0, 3.0]), seed=0, subjects=["a", "a", "b"])
    assert found.value == 2
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_case_has_no_value():
    assert math.isnan(bootstrap(np.mean, np.empty(0), seed=0).value)


def test_a_statistic_that_most_draws_cannot_tell_has_no_interval():
    rare = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0])

    def spread_or_nan(values):
        return values.std() if np.sum(values == 5) == 1 else math.nan

    found = bootstrap(spread_or_nan, rare, seed=0)
    assert found.value > 0
    assert math.isnan(found.low)


def test_nan_is_refused_and_counted():
    with pytest.raises(ValueError, match="bootstrap: 1 of 3 values are NaN; drop and count them"):
        bootstrap(np.mean, np.array([1.0, math.nan, 2.0]), seed=0)


def test_subjects_must_match_the_cases():
    with pytest.raises(ValueError, match="bootstrap: got 2 subjects for 3 cases"):
        bootstrap(np.mean, np.ones(3), seed=0, subjects=["a", "b"])


def test_fisher_interval_equals_scipy():
    x, y = np.random.default_rng(3).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 25).T
    found = stats.pearsonr(x, y)
    theirs = found.confidence_interval(0.95)
    assert fisher_interval(found.statistic, 25) == pytest.approx((theirs.low, theirs.high))


def test_fisher_interval_needs_four_pairs_and_ends_at_one():
    assert all(math.isnan(end) for end in fisher_interval(0.5, 3))
    assert fisher_interval(1.0, 10) == (1, 1)


@pytest.mark.parametrize("t", [0.5, -3.0, 40.0])
def test_noncentrality_puts_the_asked_share_below_t(t):
    found = noncentrality(t, 12, 0.025)
    assert nct.cdf(t, 12, found) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("p", [0.025, 0.5, 0.975])
def test_noncentrality_of_a_huge_t_ends_and_joins_on(p, side):
    near, far = noncentrality(side * 99.999, 12, p), noncentrality(side * 100.001, 12, p)
    assert far == pytest.approx(near, rel=2e-3)
    assert abs(noncentrality(side * 1e9, 12, p)) > 1e8
