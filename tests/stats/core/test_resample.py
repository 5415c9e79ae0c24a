import math
import warnings

import numpy as np
import pytest
from scipy import stats

from neurotarget.stats.core.resample import (
    DRAWS,
    all_methods,
    bca,
    codes,
    draws,
    ends,
    icc_statistics,
    left_out,
    pair_means,
    pair_statistics,
    replicates,
    weighted_mean,
    weighted_spearman,
)
from oracles import agreement
from oracles.bootstrap import bootstrap_mean

# Shrout and Fleiss 1979, table 2: six targets, four judges
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
# Bland and Altman 1986, table 1: peak flow by a large and a mini meter, first readings, l/min
LARGE = np.array(
    [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427], float
)
MINI = np.array(
    [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451], float
)
RATIOS = ("pearson_r", "spearman_rho", "icc_a1", "icc_c1", "ccc")
LINES = ("proportional_slope", "slope_on_reference", "reference_slope", "reference_intercept")
DIFFERENCES = ("bias", "lower_limit", "upper_limit", "bias_percent", "proportional_slope")


def volumes(seed=0, n=30, bias=20.0, noise=40.0, mean=640.0):
    generator = np.random.default_rng(seed)
    truth = generator.normal(mean, 115, n)
    return truth, truth + bias + generator.normal(0, noise, n)


def pair(x, y, weights=None, subject=None):
    """Every statistic of two methods for every row of weights; the sample alone without them."""
    subject = np.arange(len(x)) if subject is None else subject
    weights = np.ones((1, len(x))) if weights is None else weights
    ranks = {"spearman_rho": weighted_spearman(weights, x, y, subject)}
    return pair_statistics(pair_means(weights, x, y, subject)) | ranks


def plain(x, y):
    """The same statistics by the functions for one list of cases."""
    limits = agreement.bland_altman(x, y)
    names = dict(zip(RATIOS, ("pearson", "spearman", "icc_a1", "icc_c1", "ccc"), strict=True))
    return {
        **{name: getattr(agreement, function)(x, y).value for name, function in names.items()},
        "bias": limits.bias.value,
        "bias_percent": np.mean(200 * (y - x) / (x + y)),
        "sd_difference": limits.sd,
        "lower_limit": limits.lower.value,
        "upper_limit": limits.upper.value,
        "proportional_slope": agreement.proportional_slope(x, y).value,
    }


def test_a_draw_holds_as_many_subjects_as_there_are():
    weights = draws(7, seed=0, count=50)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert np.array_equal(weights, draws(7, seed=0, count=50))
    assert not np.array_equal(weights, draws(7, seed=1, count=50))


def test_a_subject_comes_once_in_a_draw_on_average():
    assert draws(10, seed=0).mean(axis=0) == pytest.approx(np.ones(10), abs=0.08)


def test_weights_are_the_draws_of_the_general_bootstrap():
    values = np.random.default_rng(1).normal(10, 2, 20)
    means = weighted_mean(draws(20, seed=5), values, np.arange(20))
    found = bootstrap_mean(values, seed=5)
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx((found.low, found.high))


def test_the_jackknife_leaves_each_out_once():
    assert left_out(3).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert left_out(1).shape == (0, 1)
    groups = left_out(5000)  # of two or three subjects each
    assert groups.shape == (2000, 5000)
    assert ((1 - groups).sum(axis=0) == 1).all()


def test_replicates_are_the_sample_its_draws_and_its_jackknife():
    weights = replicates(4, 3, 10)
    assert weights.shape == (1 + 10 + 4, 4)
    assert (weights[0] == 1).all()
    assert np.array_equal(weights[1:11], draws(4, seed=3, count=10))
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 2


@pytest.mark.parametrize("subjects", [["b", "a", "b", "c"], [10, 2, 10, 30]])
def test_codes_number_the_subjects(subjects):
    inverse, count = codes(subjects)
    assert count == 3
    assert inverse[0] == inverse[2]
    assert len(set(inverse)) == 3


@pytest.mark.parametrize("name", plain(*volumes()))
@pytest.mark.parametrize("mean", [640.0, 1.5e6])  # a small structure, a whole head
def test_a_weighted_statistic_is_that_of_the_expanded_sample(name, mean):
    x, y = volumes(seed=2, n=15, mean=mean)
    y[:4] = y[4]  # ties
    weights = draws(15, seed=1, count=20)
    found = pair(x, y, weights)[name]
    for row, value in zip(weights.astype(int), found, strict=True):
        assert value == pytest.approx(plain(np.repeat(x, row), np.repeat(y, row))[name], rel=1e-6)


def test_a_weight_counts_for_all_cases_of_its_subject():
    x, y = volumes(n=6)
    subject = np.array([0, 0, 1, 2, 2, 2])
    found = pair(x, y, np.array([[2.0, 0.0, 1.0]]), subject)
    rows = [0, 0, 1, 1, 3, 4, 5]
    for name, value in plain(x[rows], y[rows]).items():
        assert found[name][0] == pytest.approx(value), name


def test_a_weighted_mean_is_that_of_the_expanded_sample():
    x, _ = volumes(n=8)
    weights = draws(8, seed=0, count=10)
    rows = [np.repeat(x, row) for row in weights.astype(int)]
    every = np.arange(8)
    assert weighted_mean(weights, x, every) == pytest.approx([row.mean() for row in rows])


def test_iccs_of_four_judges_are_those_of_shrout_and_fleiss():
    found = all_methods(np.ones((1, 6)), JUDGES, np.arange(6))
    assert found["icc_a1"][0] == pytest.approx(0.29, abs=0.005)
    assert found["icc_c1"][0] == pytest.approx(0.71, abs=0.005)
    # their table 3: mean squares 11.24 between targets, 32.49 between judges, 1.02 of the rest
    squares = [np.array([value]) for value in (11.24, 32.49, 1.02)]
    by_hand = icc_statistics(np.array([6.0]), 4, *squares)
    assert by_hand["icc_a1"] == pytest.approx(found["icc_a1"], abs=0.001)


def test_iccs_of_several_methods_are_those_of_the_expanded_sample():
    weights = draws(6, seed=4, count=30)
    found = all_methods(weights, 1000 + JUDGES, np.arange(6))
    for number, row in enumerate(weights.astype(int)):
        columns = np.repeat(1000 + JUDGES, row, axis=0).T
        assert found["icc_a1"][number] == pytest.approx(agreement.icc_a1(*columns).value)
        assert found["icc_c1"][number] == pytest.approx(agreement.icc_c1(*columns).value)


def test_iccs_of_two_methods_are_the_same_either_way():
    x, y = volumes()
    weights = draws(30, seed=0, count=10)
    both = all_methods(weights, np.stack([x, y], axis=1), np.arange(30))
    for name, values in both.items():
        assert values == pytest.approx(pair(x, y, weights)[name])


def test_bland_and_altmans_own_example_comes_out():
    found = {name: values[0] for name, values in pair(MINI, LARGE).items()}
    assert (LARGE.sum(), MINI.sum()) == (7656, 7692)
    assert found["bias"] == pytest.approx(-2.1, abs=0.05)
    assert found["sd_difference"] == pytest.approx(38.8, abs=0.05)
    # their limits are two SD wide: −79.7 and 75.5
    two = 2 * found["sd_difference"]
    assert (found["bias"] - two, found["bias"] + two) == pytest.approx((-79.7, 75.5), abs=0.1)
    assert found["upper_limit"] == pytest.approx(found["bias"] + 1.96 * found["sd_difference"])
    assert found["pearson_r"] == pytest.approx(0.94, abs=0.005)


def test_concordance_and_slope_by_hand():
    found = pair(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    assert found["ccc"][0] == pytest.approx(4 / 7)  # 2 · 2/3 over 2/3 + 2/3 + 1
    tilted = pair(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0]))
    assert tilted["proportional_slope"][0] == pytest.approx(2 / 3)  # 0, 1, 2 on 1, 2.5, 4
    # 0, 1, 2 in % of 1, 2.5, 4
    assert tilted["bias_percent"][0] == pytest.approx((0 + 40 + 50) / 3)


def test_two_empty_masks_differ_by_no_percent():
    found = pair(np.array([0.0, 0.0, 100.0, 100.0]), np.array([0.0, 100.0, 100.0, 0.0]))
    assert found["bias_percent"][0] == pytest.approx((0 + 200 + 0 - 200) / 4)


@pytest.mark.parametrize("seed", range(5))
def test_a_common_unit_changes_no_ratio(seed):
    x, y = volumes(seed)
    once, scaled = pair(x, y), pair(x / 1000, y / 1000)
    for name in (*RATIOS, "bias_percent", "proportional_slope"):
        assert scaled[name] == pytest.approx(once[name]), name
    for name in ("bias", "sd_difference", "lower_limit", "upper_limit"):
        assert scaled[name] == pytest.approx(once[name] / 1000), name


@pytest.mark.parametrize("seed", range(5))
def test_swapping_the_methods_turns_the_differences_round(seed):
    x, y = volumes(seed)
    there, back = pair(x, y), pair(y, x)
    for name in (*RATIOS, "sd_difference"):
        assert back[name] == pytest.approx(there[name]), name
    for name in ("bias", "bias_percent", "proportional_slope"):
        assert back[name] == pytest.approx(-there[name]), name
    assert back["lower_limit"] == pytest.approx(-there["upper_limit"])


@pytest.mark.parametrize("seed", range(5))
def test_concordance_is_at_most_the_correlation(seed):
    x, y = volumes(seed, noise=200.0)
    found = pair(x, y, replicates(30, seed))
    assert (np.abs(found["ccc"]) <= np.abs(found["pearson_r"]) + 1e-12).all()


def test_a_constant_bias_lowers_a1_and_not_c1():
    x, y = volumes(bias=0)
    y = y - y.mean() + x.mean()
    unbiased, shifted = pair(x, y), pair(x, y + 50)
    assert shifted["icc_c1"] == pytest.approx(unbiased["icc_c1"])
    assert shifted["pearson_r"] == pytest.approx(unbiased["pearson_r"])
    # the bias enters the denominator as 50² alone; d² has the same unit as 2 MSE
    cases, error = 2 * np.var((x + y) / 2, ddof=1), np.var(y - x, ddof=1) / 2
    total = cases + error - 2 * error / 30
    assert unbiased["icc_a1"][0] == pytest.approx((cases - error) / total)
    assert shifted["icc_a1"][0] == pytest.approx((cases - error) / (total + 50**2))


def test_a_mean_has_the_interval_of_scipy():
    values = np.random.default_rng(0).lognormal(0, 0.8, 40)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(0)
    )
    jackknifed = weighted_mean(left_out(40), values, np.arange(40))
    same = bca(values.mean(), theirs.bootstrap_distribution, jackknifed)
    assert same == pytest.approx(tuple(theirs.confidence_interval))
    ours = ends(weighted_mean(replicates(40, 1, 9999), values, np.arange(40)), count=9999)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=0.015)


def test_a_correlation_has_the_interval_of_scipy():
    x, y = volumes(seed=3, n=35, noise=100.0)
    theirs = stats.bootstrap(
        (x, y),
        lambda x, y: stats.pearsonr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1500,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    ours = ends(pair(x, y, replicates(35, 0))["pearson_r"])
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.03)
    jackknifed = pair(x, y, left_out(35))["pearson_r"]
    value = stats.pearsonr(x, y).statistic
    same = bca(value, theirs.bootstrap_distribution, jackknifed)
    assert same == pytest.approx(tuple(theirs.confidence_interval))


def test_a_skewed_statistic_has_a_skewed_interval():
    values = np.random.default_rng(0).lognormal(0, 1, 30)
    means = weighted_mean(replicates(30, 0), values, np.arange(30))
    low, high = ends(means)
    assert high - means[0] > 1.3 * (means[0] - low)


def test_draws_that_are_all_equal_are_their_own_interval():
    assert bca(3.0, np.full(100, 3.0), np.full(10, 3.0)) == (3, 3)
    assert bca(0.0, np.zeros(100), np.zeros(10)) == (0, 0)


def test_draws_on_one_side_of_the_value_give_plain_percentiles():
    drawn = np.linspace(1, 2, 1001)
    assert bca(5.0, drawn, np.arange(10.0)) == pytest.approx((1.025, 1.975))


def test_a_jackknife_without_spread_has_no_acceleration():
    drawn = np.linspace(-1, 1, 1001)
    assert bca(0.0, drawn, np.full(10, 0.5)) == pytest.approx((-0.95, 0.95))
    assert bca(0.0, drawn, np.full(10, math.nan)) == pytest.approx((-0.95, 0.95))


def test_half_of_the_draws_must_have_a_value():
    drawn = np.r_[np.linspace(-1, 1, 101), np.full(101, math.nan)]
    assert all(math.isnan(end) for end in bca(0.0, drawn, np.arange(5.0)))
    assert bca(0.0, drawn[:-1], np.zeros(5)) == pytest.approx((-0.95, 0.95))
    assert all(math.isnan(end) for end in bca(math.nan, np.zeros(9), np.zeros(3)))


@pytest.mark.parametrize("name", plain(*volumes()))
def test_repeated_scans_of_a_subject_add_no_certainty(name):
    x, y = volumes(n=25)
    once = ends(pair(x, y, replicates(25, 0))[name])
    threefold = np.tile(np.arange(25), 3)
    again = ends(pair(np.tile(x, 3), np.tile(y, 3), replicates(25, 0), threefold)[name])
    # n − 1 is another share of n, nothing else
    assert again[1] - again[0] == pytest.approx(once[1] - once[0], rel=0.05)
    naive = ends(pair(np.tile(x, 3), np.tile(y, 3), replicates(75, 0))[name])
    assert naive[1] - naive[0] < 0.75 * (again[1] - again[0])


@pytest.mark.parametrize(
    ("x", "y", "undefined"),
    [
        (np.full(5, 0.1), np.full(5, 0.1), {*RATIOS, *LINES}),
        (np.full(5, 0.1), np.full(5, 0.2), {*RATIOS, *LINES}),
        (np.arange(1.0, 6.0), np.full(5, 0.1), {"pearson_r", "spearman_rho", "ccc", *LINES[2:]}),
        (np.arange(1.0, 6.0), np.arange(5.0, 0.0, -1), {"proportional_slope"}),
        (np.arange(1.0, 6.0), np.arange(1.0, 6.0), set()),
        (np.zeros(5), np.zeros(5), {*RATIOS, *LINES}),
    ],
)
def test_what_cannot_be_told_is_nan_without_a_warning(x, y, undefined):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pair(x, y, replicates(5, 0))
        intervals = {name: ends(values) for name, values in found.items()}
    assert {name for name, values in found.items() if math.isnan(values[0])} == undefined
    assert {name for name, (low, _) in intervals.items() if math.isnan(low)} == undefined


def test_methods_that_do_not_differ_agree_with_certainty():
    x, _ = volumes()
    found = pair(x, x.copy(), replicates(30, 0))
    for name in RATIOS:
        assert (found[name][0], *ends(found[name])) == pytest.approx((1, 1, 1)), name
    shifted = pair(x, x + 100, replicates(30, 0))
    assert (shifted["sd_difference"] == 0).all()
    assert ends(shifted["bias"]) == pytest.approx((100, 100))
    assert len(found["bias"]) == 1 + DRAWS + 30
