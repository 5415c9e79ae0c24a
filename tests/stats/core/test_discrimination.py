import math

import numpy as np
import pingouin
import pytest
from scipy.stats import mannwhitneyu, nct, norm, ttest_ind

from neurotarget.stats.core.discrimination import (
    Slopes,
    auc,
    auc_difference,
    cohen_d,
    weighted_d,
    welch_p,
    widening,
)

pytestmark = pytest.mark.filterwarnings("error")


def two_groups(seed=0, n_a=12, n_b=9, gap=0.8, ties=False):
    generator = np.random.default_rng(seed)
    a, b = generator.normal(gap, 1, n_a), generator.normal(0, 1, n_b)
    return (a.round(), b.round()) if ties else (a, b)


def pairwise(a, b):
    """1 where an a is the larger of a pair, 0.5 at a tie; (A, B)."""
    return (a[:, None] > b) + (a[:, None] == b) / 2


def test_delongs_interval_of_three_against_three_by_hand():
    # shares below each a: 2/3, 1, 1; above each b: 1, 2/3, 1; variance 1/27 each, so 2/81 in all
    found = auc(np.array([3.0, 5, 6]), np.array([1.0, 4, 2]))
    half = 1.959964 * math.sqrt(2 / 81) / (8 / 9 * 1 / 9)
    ends = [1 / (1 + math.exp(-(math.log(8) + sign * half))) for sign in (-1, 1)]
    assert found == pytest.approx((8 / 9, *ends, 6))
    assert found.low == pytest.approx(0.261, abs=1e-3)


@pytest.mark.parametrize("ties", [False, True])
def test_midranks_give_delongs_variance_over_all_pairs(ties):
    a, b = two_groups(ties=ties)
    wins = pairwise(a, b)
    value = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / len(a) + wins.mean(axis=0).var(ddof=1) / len(b)
    half = norm.ppf(0.975) * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-math.log(value / (1 - value)) - s * half)) for s in (-1, 1))
    assert auc(a, b) == pytest.approx((value, low, high, 21))


def test_a_paired_difference_of_auc_is_delongs_over_all_pairs():
    first, second = two_groups(1), two_groups(2)
    wins = pairwise(*second) - pairwise(*first)
    variance = wins.mean(axis=1).var(ddof=1) / 12 + wins.mean(axis=0).var(ddof=1) / 9
    half = norm.ppf(0.975) * math.sqrt(variance)
    value = wins.mean()
    found = auc_difference(first, second)
    assert found == pytest.approx((value, value - half, value + half, 21))
    assert auc_difference(first, first) == (0, 0, 0, 21)
    few = np.ones(2), np.ones(5)
    assert math.isnan(auc_difference(few, few).value)


def test_ties_count_half_as_in_mann_and_whitney():
    a, b = two_groups(ties=True)
    assert len(set(a) & set(b)) > 1
    assert auc(a, b).value == pytest.approx(mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    assert auc(b, a).value == pytest.approx(1 - auc(a, b).value)


def test_groups_apart_have_an_interval_and_no_point():
    low, high = np.arange(5.0), np.arange(10.0, 20)
    # five pairs, all in order: the chance of a pair is 0.025^(1/5) or more
    assert auc(high, low) == pytest.approx((1, 0.025 ** (1 / 5), 1, 15))
    assert auc(low, high) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 5), 15))


def test_d_is_pingouins_and_its_interval_holds_zero_as_students_test_does():
    for seed in range(20):
        a, b = two_groups(seed)
        found = cohen_d(a, b)
        assert found.value == pytest.approx(pingouin.compute_effsize(a, b, eftype="cohen"))
        is_null = ttest_ind(a, b).pvalue > 0.05
        assert (found.low <= 0 <= found.high) == is_null


def test_the_interval_of_d_ends_where_the_observed_t_becomes_unlikely():
    a, b = two_groups()
    found, scale = cohen_d(a, b), math.sqrt(1 / 12 + 1 / 9)
    t = ttest_ind(a, b).statistic
    tails = [nct.cdf(t, 19, end / scale) for end in (found.low, found.high)]
    assert tails == pytest.approx([0.975, 0.025], abs=1e-6)


def test_without_slopes_p_is_welchs():
    a, b = two_groups()
    assert welch_p(a, b) == pytest.approx(ttest_ind(a, b, equal_var=False).pvalue)


def test_slopes_make_everything_less_certain():
    a, b = two_groups()
    slopes = Slopes(1.0, 2.0, 0.1)
    plain, adjusted = auc(a, b), auc(a, b, slopes)
    assert adjusted.value == plain.value
    assert adjusted.high - adjusted.low > plain.high - plain.low
    assert welch_p(a, b, slopes) > welch_p(a, b)
    # 19 degrees of freedom are left 16; 1/12 + 1/9 grows by 0.1
    assert widening(12, 9, slopes) == pytest.approx((7 / 36 + 0.1) / (7 / 36) * 19 / 16)
    assert cohen_d(a, b, slopes).value == pytest.approx(cohen_d(a, b).value * math.sqrt(16 / 19))


def test_intervals_cover_the_truth_as_often_as_stated():
    truths = {cohen_d: 1.0, auc: norm.cdf(1 / math.sqrt(2))}
    hits = {measure: [] for measure in truths}
    for seed in range(500):
        groups = two_groups(seed, 30, 40, gap=1.0)
        for measure, truth in truths.items():
            found = measure(*groups)
            hits[measure].append(found.low <= truth <= found.high)
    assert all(0.92 <= np.mean(found) <= 0.98 for found in hits.values())


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_statistics_are_those_of_the_repeated_subjects(ties):
    a, b = two_groups(ties=ties)
    generator = np.random.default_rng(5)
    weights = [
        generator.multinomial(len(g), [1 / len(g)] * len(g), 7).T.astype(float) for g in (a, b)
    ]
    drawn = [
        cohen_d(*(np.repeat(g, w[:, i].astype(int)) for g, w in zip((a, b), weights, strict=True)))
        for i in range(7)
    ]
    assert weighted_d(a, b, *weights) == pytest.approx([found.value for found in drawn])


def test_a_draw_of_one_subject_a_group_has_no_d():
    a, b = np.array([401.0, 500.3, 612.7]), np.array([333.3, 480.1, 520.9])
    once = np.array([[3.0, 1], [0, 1], [0, 1]])
    assert np.isnan(weighted_d(a, b, once, once)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("a", "b"), [([1, 2], [1, 2, 3]), ([1, 2, 3], []), ([4, 4, 4], [4, 4, 4, 4])]
)
def test_what_cannot_be_estimated_is_nan(a, b):
    a, b = np.array(a, dtype=float), np.array(b, dtype=float)
    assert np.isnan([*cohen_d(a, b)[:3], *auc(a, b)[:3], welch_p(a, b)]).all()


def test_constant_groups_apart_have_an_auc_and_no_d():
    a, b = np.full(4, 0.1 + 0.2), np.full(5, 0.1)
    assert auc(a, b).value == 1
    assert math.isnan(cohen_d(a, b).value)
    assert math.isnan(welch_p(a, b))
