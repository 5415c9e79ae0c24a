import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from neurotarget.stats.core.clustered_auc import (
    auc_covariance,
    auc_difference_of_cases,
    auc_difference_of_groups,
    auc_of_cases,
    mean_auc,
)
from neurotarget.stats.core.discrimination import auc, auc_difference


def cases(n=60, seed=0, share=0.4):
    rng = np.random.default_rng(seed)
    is_positive = rng.random(n) < share
    first = rng.normal(is_positive, 1.0)
    return np.column_stack([first, first + rng.normal(0, 1, n)]), is_positive, np.arange(n)


def obuchowski(scores, is_positive, subject):
    """Covariance of AUCs by the sums over clusters as printed in the paper."""
    names, k = np.unique(subject), scores.shape[1]
    x, y = scores[is_positive], scores[~is_positive]
    wins = (x[:, None] > y[None]) + (x[:, None] == y[None]) / 2  # (M, N, K)
    area, m, n = wins.mean(axis=(0, 1)), len(x), len(y)
    v10, v01 = wins.mean(axis=1), wins.mean(axis=0)
    of_x, of_y = subject[is_positive], subject[~is_positive]
    up = np.array([(v10[of_x == s] - area).sum(axis=0) if (of_x == s).any() else np.zeros(k)
                   for s in names])  # fmt: skip
    down = np.array([(v01[of_y == s] - area).sum(axis=0) if (of_y == s).any() else np.zeros(k)
                     for s in names])  # fmt: skip
    i, i10, i01 = len(names), len(set(of_x)), len(set(of_y))
    s10 = i10 / ((i10 - 1) * m) * up.T @ up
    s01 = i01 / ((i01 - 1) * n) * down.T @ down
    s11 = i / (i - 1) * up.T @ down
    return area, s10 / m + s01 / n + (s11 + s11.T) / (m * n)


def test_one_case_per_subject_gives_delongs_interval_and_difference():
    scores, is_positive, subject = cases()
    pairs = [(one[is_positive], one[~is_positive]) for one in scores.T]
    assert auc_of_cases(scores[:, 0], is_positive, subject) == pytest.approx(auc(*pairs[0]))
    found = auc_difference_of_cases(scores, is_positive, subject)
    assert found.estimate == pytest.approx(auc_difference(*pairs))
    error = (found.estimate.high - found.estimate.low) / 2 / norm.ppf(0.975)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.estimate.value) / error))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_several_cases_per_subject_give_obuchowskis_sums(size):
    scores, is_positive, subject = cases()
    scores = scores.round(1)  # with ties
    values, covariance = auc_covariance(scores, is_positive, subject // size)
    expected = obuchowski(scores, is_positive, subject // size)
    assert values == pytest.approx(expected[0])
    assert values[0] == pytest.approx(roc_auc_score(is_positive, scores[:, 0]))
    assert covariance == pytest.approx(expected[1])


def test_a_case_that_is_listed_twice_adds_no_certainty():
    scores, is_positive, subject = cases()
    once = auc_of_cases(scores[:, 0], is_positive, subject)
    twice = auc_of_cases(*(np.repeat(one, 2) for one in (scores[:, 0], is_positive, subject)))
    assert twice[:3] == pytest.approx(once[:3], rel=1e-9)


def test_independent_groups_add_their_variances():
    first, second = ((one[0][:, 0], *one[1:]) for one in (cases(seed=1), cases(90, seed=2)))
    found = auc_difference_of_groups(first, second)
    variance = sum(float(auc_covariance(one[0][:, None], *one[1:]).covariance[0, 0])
                   for one in (first, second))  # fmt: skip
    assert found.estimate.high - found.estimate.value == pytest.approx(
        norm.ppf(0.975) * math.sqrt(variance)
    )
    assert found.estimate.n == 150


def test_equal_scores_do_not_differ_and_flat_ones_are_unknown():
    scores, is_positive, subject = cases()
    same = auc_difference_of_cases(scores[:, [0, 0]], is_positive, subject)
    assert (same.estimate.value, same.p) == (0.0, 1.0)
    flat = np.column_stack([scores[:, 0], np.ones(60)])
    assert math.isnan(auc_difference_of_cases(flat, is_positive, subject).estimate.value)
    assert math.isnan(auc_of_cases(flat[:, 1], is_positive, subject).value)
    few = is_positive & (np.cumsum(is_positive) <= 2)
    assert math.isnan(auc_of_cases(scores[:, 0], few, subject).value)


def test_separate_kinds_have_clopper_and_pearsons_interval():
    is_positive = np.arange(40) < 10
    found = auc_of_cases(is_positive.astype(float), is_positive, np.arange(40))
    assert found[:3] == pytest.approx((1.0, 0.025 ** (1 / 10), 1.0))


def test_the_mean_over_two_classes_is_the_auc_of_one():
    scores, is_positive, subject = cases(200)
    p = 1 / (1 + np.exp(-scores[:, 0]))
    found = mean_auc(np.column_stack([1 - p, p]), is_positive.astype(int), subject)
    assert found.value == pytest.approx(roc_auc_score(is_positive, p))
    assert found[1:3] == pytest.approx(auc_of_cases(p, is_positive, subject)[1:3], abs=2e-3)


def test_the_mean_over_classes_is_that_of_one_against_the_rest():
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 4, 120)
    p = rng.dirichlet(np.ones(4), 120) + 0.4 * np.eye(4)[classes]
    p /= p.sum(axis=1, keepdims=True)
    found = mean_auc(p, classes, np.arange(120))
    assert found.value == pytest.approx(roc_auc_score(classes, p, multi_class="ovr"))
    assert found.low < found.value < found.high
    assert math.isnan(mean_auc(p, np.minimum(classes, 2), np.arange(120)).value)


@pytest.mark.parametrize("size", [1, 4])
def test_intervals_cover_the_truth(size):
    """AUC of normals 1 SD apart is Φ(1 / √2); people of several cases share half the variance."""
    truth, rng, covered = norm.cdf(1 / math.sqrt(2)), np.random.default_rng(0), 0
    for _ in range(300):
        subject = np.repeat(np.arange(60), size)
        is_positive = rng.random(60 * size) < 0.4
        shared = rng.normal(0, math.sqrt(0.5), 60)[subject]
        score = is_positive + shared + rng.normal(0, math.sqrt(0.5), len(subject))
        _, low, high, _ = auc_of_cases(score, is_positive, subject)
        covered += low <= truth <= high
    assert 0.91 < covered / 300 < 0.985
