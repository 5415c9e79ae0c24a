import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from neurotarget.stats.core.clustered_auc import auc_of_cases
from neurotarget.stats.core.logistic_fusion import (
    fit_fusion,
    fused_out_of_fold,
    plain_mean,
    weight_intervals,
)


def exams(signal, *, count=300, seed=0):
    """Probabilities of three series whose log odds follow the truth by `signal`."""
    rng = np.random.default_rng(seed)
    y = (rng.random(count) < 0.4).astype(float)
    z = np.asarray(signal) * (y[:, None] - 0.4) + rng.standard_normal((count, len(signal)))
    return expit(z), y, np.arange(count)


def area(score, y):
    return auc_of_cases(score, y == 1, np.arange(len(y))).value


def test_series_of_equal_worth_get_equal_weights():
    p, y, subject = exams([1.5, 1.5, 1.5])
    fusion = fit_fusion(p, y, subject, seed=1)
    assert fusion.weights == pytest.approx([1 / 3] * 3, abs=0.05)


def test_a_series_of_noise_loses_its_weight_and_the_fusion_gains_from_it():
    p, y, subject = exams([3.0, 0.0, 0.0])
    fusion = fit_fusion(p, y, subject, seed=1)
    assert fusion.weights[0] > 0.75
    out = fused_out_of_fold(p, y, subject, seed=1)
    assert area(out.score, y) > area(plain_mean(p), y) + 0.02
    free, (low, high) = weight_intervals(p, y, subject, seed=1)
    assert low[0] > 1 / 3
    assert (low <= free).all()
    assert (free <= high).all()


def test_a_missing_series_leaves_the_mean_of_those_there():
    p, y, subject = exams([1.5, 1.5, 1.5])
    p[:5, 2] = np.nan
    p[5] = np.nan
    fusion = fit_fusion(p, y, subject, seed=1)._replace(theta=np.zeros(3))
    odds = np.log(p / (1 - p))
    assert fusion.score(p)[:5] == pytest.approx(odds[:5, :2].mean(axis=1))
    assert np.isnan(fusion.score(p)[5])
    assert plain_mean(p)[:5] == pytest.approx(p[:5, :2].mean(axis=1))
    assert np.isnan(plain_mean(p)[5])


def test_few_exams_keep_equal_weights():
    p, y, subject = exams([3.0, 0.0, 0.0], count=12)
    fusion = fit_fusion(p, y, subject, seed=1)
    assert math.isinf(fusion.penalty)
    assert fusion.weights == pytest.approx([1 / 3] * 3)


def test_no_person_is_in_two_folds_and_each_fold_has_both_kinds():
    p, y, subject = exams([1.0, 1.0])
    subject = subject // 3
    out = fused_out_of_fold(p, y, subject, seed=1)
    for person in np.unique(subject):
        assert len(np.unique(out.fold[subject == person])) == 1
    assert all(len(np.unique(y[out.fold == fold])) == 2 for fold in range(5))


def test_separable_exams_have_a_finite_slope():
    y = np.repeat([0.0, 1.0], 20)
    p = np.column_stack([0.1 + 0.8 * y, 0.2 + 0.6 * y])
    fusion = fit_fusion(p, y, np.arange(40), seed=1)
    assert np.isfinite([fusion.intercept, fusion.slope]).all()


def test_on_mrnets_exams_the_fusion_reaches_the_plain_mean_out_of_fold(shared_data):
    table = pd.read_csv(shared_data / "knee_labels" / "acl_series_probabilities_valid.csv")
    p, y = table[["sagittal", "coronal", "axial"]].to_numpy(), table["labels"].to_numpy()
    subject = np.arange(len(y))
    assert area(plain_mean(p), y) == pytest.approx(0.9158, abs=1e-4)
    areas = [area(fused_out_of_fold(p, y, subject, seed=s).score, y) for s in range(1, 6)]
    assert min(areas) >= 0.916  # ordinary logistic regression reached 0.912 on the same exams
    _, (low, high) = weight_intervals(p, y, subject, seed=1)
    assert (low < 1 / 3).all()  # no series is surely better than another
    assert (high > 1 / 3).all()
