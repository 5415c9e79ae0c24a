import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import brier_score_loss, log_loss

from neurotarget.stats.tables.calibration_tables import calibration_bins_table, calibration_table
from oracles.predicted_cohorts import (
    BINARY,
    GRADES,
    adrenal_probabilities,
    cohort_of,
    graded,
    rows_of,
    simulated,
)


def by_statistic(measured, label):
    table = calibration_table(measured)
    table = table[(table["label"] == label) & (table["stratum"] == "all")]
    return table.set_index("statistic")


def test_probabilities_of_real_glands_are_calibrated(shared_data):
    p, y = adrenal_probabilities(shared_data)
    found = by_statistic(cohort_of(BINARY, rows_of(BINARY, p, y)), "hyperplasia")
    assert found.loc["brier", "value"] == pytest.approx(brier_score_loss(y, p))
    assert found.loc["log_loss", "value"] == pytest.approx(log_loss(y, p))
    assert found.loc["calibration_slope", "low"] < 1 < found.loc["calibration_slope", "high"]
    assert found.loc["expected_observed", "value"] == pytest.approx(p.mean() / y.mean())
    expected = 1 - brier_score_loss(y, p) / (y.mean() * (1 - y.mean()))
    assert found.loc["brier_scaled", "value"] == pytest.approx(expected)


def test_the_interval_of_the_brier_score_is_students():
    p, y = simulated()
    found = by_statistic(cohort_of(BINARY, rows_of(BINARY, p, y)), "hyperplasia").loc["brier"]
    squares = np.square(p - y)
    half = t.ppf(0.975, 119) * squares.std(ddof=1) / np.sqrt(120)
    assert [found["low"], found["high"]] == pytest.approx(
        [squares.mean() - half, squares.mean() + half]
    )
    assert found["interval"] == "t"


def test_extreme_probabilities_have_a_slope_below_1():
    p, y = simulated(400)
    p = 1 / (1 + ((1 - p) / p) ** 3)
    found = by_statistic(cohort_of(BINARY, rows_of(BINARY, p, y)), "hyperplasia")
    assert found.loc["calibration_slope", "high"] < 1


def test_classes_have_scores_of_their_own_and_of_all():
    p, codes = graded()
    measured = cohort_of(GRADES, rows_of(GRADES, p, codes, failed=[3]))
    kept = np.delete(np.arange(150), 3)
    found = by_statistic(measured, "grade")
    truth = np.eye(3)[codes.astype(int)]
    assert found.loc["brier", "value"] == pytest.approx(
        np.square(p - truth).sum(axis=1)[kept].mean()
    )
    assert found.loc["log_loss", "value"] == pytest.approx(log_loss(codes[kept], p[kept]))
    assert (found["n_failed"] == 1).all()
    own = by_statistic(measured, "grade.severe")
    assert own.loc["brier", "value"] == pytest.approx(np.square(p - truth)[kept, 2].mean())


def test_one_kind_of_cases_has_an_error_and_no_calibration():
    measured = cohort_of(BINARY, rows_of(BINARY, np.linspace(0.1, 0.6, 20), np.zeros(20)))
    found = by_statistic(measured, "hyperplasia")
    assert np.isfinite(found.loc["brier", "value"])
    for name in ("calibration_slope", "brier_scaled", "expected_observed"):
        assert np.isnan(found.loc[name, "value"])
        assert found.loc[name, "reason"] == "no case is positive"


def test_bins_cover_all_cases():
    p, y = simulated()
    bins = calibration_bins_table(cohort_of(BINARY, rows_of(BINARY, p, y)))
    assert bins["n"].sum() == 120
    assert bins["n_positive"].sum() == y.sum()
    assert (bins["low"] <= bins["observed"]).all()
