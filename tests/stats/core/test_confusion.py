import math

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
)

from neurotarget.stats.core.confusion import (
    accuracy,
    balanced_accuracy,
    f1_scores,
    kappa,
    sensitivities,
    weighted_counts,
)


def classes(n=150, k=4):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, k, n)
    return truth, np.where(rng.random(n) < 0.5, truth, rng.integers(0, k, n))


def counts_of(truth, pred, k):
    return weighted_counts(np.ones((1, len(truth))), truth, pred, k, np.arange(len(truth)))


def test_statistics_equal_scikit_learns():
    truth, pred = classes()
    counts = counts_of(truth, pred, 4)
    assert np.array_equal(counts[0, :, :4], confusion_matrix(truth, pred))
    assert accuracy(counts) == pytest.approx(accuracy_score(truth, pred))
    assert balanced_accuracy(counts) == pytest.approx(balanced_accuracy_score(truth, pred))
    assert f1_scores(counts)[0] == pytest.approx(f1_score(truth, pred, average=None))
    for name in (None, "quadratic"):
        expected = cohen_kappa_score(truth, pred, weights=name)
        assert kappa(counts, is_quadratic=name == "quadratic") == pytest.approx(expected)


def test_weights_count_each_case_of_a_subject():
    truth, pred = classes(6)
    subject = np.array([0, 0, 1, 1, 2, 2])
    found = weighted_counts(np.array([[2.0, 0, 1]]), truth, pred, 4, subject)
    expected = counts_of(truth[[0, 1, 0, 1, 4, 5]], pred[[0, 1, 0, 1, 4, 5]], 4)
    assert np.array_equal(found, expected)


def test_a_failed_prediction_is_a_hit_of_no_class():
    # three of four positive cases found, one failed; both negative ones right
    counts = counts_of(np.array([1, 1, 1, 1, 0, 0]), np.array([1, 1, 1, 2, 0, 0]), 2)
    assert sensitivities(counts)[0] == pytest.approx([1.0, 0.75])
    assert accuracy(counts) == pytest.approx(5 / 6)
    assert f1_scores(counts)[0, 1] == pytest.approx(2 * 3 / (3 + 4))
    assert kappa(counts, is_quadratic=False) == pytest.approx(1.0)


def test_an_absent_class_has_no_sensitivity():
    counts = counts_of(np.array([1, 1]), np.array([1, 0]), 2)
    assert math.isnan(sensitivities(counts)[0, 0])
    assert math.isnan(balanced_accuracy(counts)[0])
