import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    roc_auc_score,
)
from statsmodels.stats.proportion import proportion_confint

from neurotarget.stats.tables.discrimination_tables import confusion_table, discrimination_table
from oracles.predicted_cohorts import (
    BINARY,
    GRADES,
    adrenal_probabilities,
    cohort_of,
    graded,
    rows_of,
    simulated,
)


def by_statistic(table, threshold=None, **where):
    for name, value in {"stratum": "all", **where}.items():
        table = table[table[name] == value]
    if threshold is not None:
        table = table[table["threshold"] == threshold]
    return table.drop_duplicates("statistic").set_index("statistic")


def test_the_size_of_real_glands_predicts_hyperplasia(shared_data):
    p, y = adrenal_probabilities(shared_data)
    measured = cohort_of(BINARY, rows_of(BINARY, p, y))
    found = by_statistic(discrimination_table(measured))
    assert found.loc["auroc", "value"] == pytest.approx(roc_auc_score(y, p))
    assert found.loc["auroc", "value"] == pytest.approx(0.694, abs=5e-4)
    # as pROC's ci.auc on the logit scale
    assert found.loc["auroc", ["low", "high"]].tolist() == pytest.approx([0.626, 0.755], abs=1e-3)
    assert found.loc["average_precision", "value"] == pytest.approx(average_precision_score(y, p))
    assert (found["n_positive"] == 69).all()
    assert found.loc["prevalence", "value"] == pytest.approx(69 / 298)


def test_statistics_at_each_threshold_equal_scikit_learns():
    p, y = simulated()
    measured = cohort_of(BINARY, rows_of(BINARY, p, y))
    table = discrimination_table(measured, {"hyperplasia": 0.3})
    for threshold in (0.5, 0.3):
        found, pred = by_statistic(table, threshold), p > threshold
        hits, n = int((pred & (y == 1)).sum()), int(y.sum())
        assert found.loc["sensitivity", "value"] == pytest.approx(hits / n)
        ends = proportion_confint(hits, n, method="wilson")
        assert found.loc["sensitivity", ["low", "high"]].tolist() == pytest.approx(list(ends))
        assert found.loc["ppv", "value"] == pytest.approx(hits / pred.sum())
        assert found.loc["npv", "value"] == pytest.approx((y[~pred] == 0).mean())
        assert found.loc["f1", "value"] == pytest.approx(f1_score(y, pred))
        expected = balanced_accuracy_score(y, pred)
        assert found.loc["balanced_accuracy", "value"] == pytest.approx(expected)
        assert found.loc["balanced_accuracy", "interval"] == "BCa"


def test_a_failed_prediction_is_counted_and_wrong():
    p, y = simulated()
    failed = [int(np.flatnonzero(y == 1)[0]), int(np.flatnonzero(y == 0)[0])]
    kept = np.delete(np.arange(120), failed)
    found = by_statistic(
        discrimination_table(cohort_of(BINARY, rows_of(BINARY, p, y, failed=failed)))
    )
    assert set(found["n"]) == {118}
    assert set(found["n_failed"]) == {2}
    assert found.loc["auroc", "value"] == pytest.approx(roc_auc_score(y[kept], p[kept]))
    right = (p[kept] > 0.5) == (y[kept] == 1)
    assert found.loc["accuracy", "value"] == pytest.approx(right.sum() / 120)
    of_positive = right[y[kept] == 1].sum() / (y == 1).sum()
    assert found.loc["sensitivity", "value"] == pytest.approx(of_positive)
    assert found.loc["npv", "value"] == pytest.approx((y[kept][p[kept] <= 0.5] == 0).mean())


def test_a_case_without_reference_is_missing():
    p, y = simulated()
    y[:7] = np.nan
    found = by_statistic(discrimination_table(cohort_of(BINARY, rows_of(BINARY, p, y))))
    assert (found["n_missing"] == 7).all()
    assert (found["n"] == 113).all()


def test_several_cases_of_a_person_count_once():
    p, y = simulated()
    rows = rows_of(BINARY, np.repeat(p, 2), np.repeat(y, 2), subjects=np.repeat(np.arange(120), 2))
    once, twice = (
        by_statistic(discrimination_table(cohort_of(BINARY, one)))
        for one in (rows_of(BINARY, p, y), rows)
    )
    assert twice.loc["auroc", "interval"] == "Obuchowski"
    assert set(twice["n_subjects"]) == {120}
    ends = ["value", "low", "high"]
    for name in ("auroc", "average_precision", "sensitivity", "f1"):
        assert twice.loc[name, ends].tolist() == pytest.approx(once.loc[name, ends].tolist())


@pytest.mark.parametrize(
    ("p", "y", "name", "reason"),
    [
        (np.linspace(0.1, 0.9, 30), np.ones(30), "auroc", "all cases are positive"),
        (np.linspace(0.1, 0.9, 30), np.zeros(30), "sensitivity", "no case is positive"),
        (np.full(30, 0.4), np.arange(30) % 2, "auroc", "all probabilities are equal"),
        (np.full(30, 0.4), np.arange(30) % 2, "ppv", "no case is predicted as positive"),
        (np.linspace(0.1, 0.9, 8), np.arange(8) % 2, "auroc", "fewer than 10 people"),
        (np.linspace(0.1, 0.9, 30), np.arange(30) < 2, "auroc", "fewer than 3 people of a class"),
    ],
)
def test_an_unknown_number_or_interval_has_a_reason(p, y, name, reason):
    measured = cohort_of(BINARY, rows_of(BINARY, p, y.astype(float)))
    row = by_statistic(discrimination_table(measured)).loc[name]
    assert reason in row["reason"]
    assert np.isnan(row["low"])
    assert row["interval"] == "none"


def test_parts_of_the_cohort_have_rows_of_their_own():
    p, y = simulated()
    measured = cohort_of(BINARY, rows_of(BINARY, p, y), sex=["F", "M"] * 60)
    found = by_statistic(discrimination_table(measured), stratum="sex", level="F")
    assert found.loc["auroc", "value"] == pytest.approx(roc_auc_score(y[::2], p[::2]))
    assert found.loc["auroc", "n"] == 60


def test_several_classes_have_means_and_ordered_ones_a_weighted_kappa():
    p, codes = graded()
    table = discrimination_table(cohort_of(GRADES, rows_of(GRADES, p, codes)))
    found, pred = by_statistic(table, label="grade"), p.argmax(axis=1)
    expected = {
        "auroc_macro": roc_auc_score(codes, p, multi_class="ovr"),
        "average_precision_macro": average_precision_score(np.eye(3)[codes.astype(int)], p),
        "accuracy": (pred == codes).mean(),
        "balanced_accuracy": balanced_accuracy_score(codes, pred),
        "f1_macro": f1_score(codes, pred, average="macro"),
        "kappa_quadratic": cohen_kappa_score(codes, pred, weights="quadratic"),
    }
    assert found["value"].to_dict() == pytest.approx(expected)
    assert (found["low"] < found["value"]).all()
    mild = by_statistic(table, label="grade.mild")
    assert mild.loc["auroc", "value"] == pytest.approx(roc_auc_score(codes == 1, p[:, 1]))
    assert mild.loc["sensitivity", "value"] == pytest.approx((pred[codes == 1] == 1).mean())


def test_the_confusion_matrix_counts_every_case():
    p, codes = graded()
    table = confusion_table(cohort_of(GRADES, rows_of(GRADES, p, codes, failed=[0, 1])))
    assert table["n"].sum() == 150
    assert table.loc[table["predicted"] == "no prediction", "n"].sum() == 2
    shares = table.groupby("reference")["share"].sum()
    assert shares.to_numpy() == pytest.approx(np.ones(3))


def test_a_cohort_whose_predictions_all_failed_has_reasons():
    measured = cohort_of(BINARY, rows_of(BINARY, [0.2] * 12, [1.0, 0.0] * 6, failed=range(12)))
    found = by_statistic(discrimination_table(measured))
    assert found.loc["auroc", "reason"] == "no case has both a prediction and a reference"
    assert found.loc["sensitivity", "value"] == 0
    assert (found["n_failed"] == 12).all()


def test_many_people_have_intervals_of_the_jackknife(monkeypatch):
    p, y = simulated(400)
    measured = cohort_of(BINARY, rows_of(BINARY, p, y))
    few = by_statistic(discrimination_table(measured)).loc["average_precision"]
    monkeypatch.setattr("neurotarget.stats.tables.outcome_rows.MOST_RESAMPLED", 399)
    many = by_statistic(discrimination_table(measured)).loc["average_precision"]
    assert (few["interval"], many["interval"]) == ("BCa", "jackknife-t")
    assert many["value"] == few["value"]
    assert [many["low"], many["high"]] == pytest.approx([few["low"], few["high"]], abs=0.02)
