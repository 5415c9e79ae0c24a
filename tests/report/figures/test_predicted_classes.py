"""Figures of predicted classes: curves, calibration, confusion matrix and strips."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from neurotarget.report.figures.study_figures import all_figures
from neurotarget.report.outcome_figures.calibration_curves import calibration_figure
from neurotarget.report.outcome_figures.confusion_matrix import confusion_figure
from neurotarget.report.outcome_figures.probability_strips import probabilities_figure
from neurotarget.report.outcome_figures.roc_curves import (
    discrimination_figure,
    discrimination_labels,
)
from oracles.predicted_cohorts import (
    BINARY,
    binary_study,
    cohort_of,
    graded_study,
    rows_of,
    study_of,
)

FIGURES = (discrimination_figure, calibration_figure, confusion_figure, probabilities_figure)


def lines_of(axes):
    return [np.column_stack(line.get_data()) for line in axes.lines]


@pytest.fixture(scope="module")
def binary():
    return binary_study({"hyperplasia": 0.3}, failed=[4])


@pytest.fixture(scope="module")
def grades():
    return graded_study()


def test_the_roc_curve_and_its_texts_are_those_of_the_table(binary, texts):
    figure = discrimination_figure(binary)
    sample = binary.measured.scores.pivot(index="case_id", columns="metric", values="value")
    sample = sample.dropna(subset=["probability"])
    x, y, _ = roc_curve(
        sample["reference_probability"], sample["probability"], drop_intermediate=False
    )
    drawn = [line for line in lines_of(figure.axes[0]) if len(line) == len(x)]
    assert any(np.allclose(line, np.column_stack([x, y])) for line in drawn)
    area = roc_auc_score(sample["reference_probability"], sample["probability"])
    shown = texts(figure)
    assert any(text.startswith(f"AUROC {area:.2f} [") for text in shown)
    positive = int(sample["reference_probability"].sum())
    assert f"n = 119, {positive} positive" in shown


def test_each_threshold_has_a_marker_with_sensitivity_and_specificity(binary):
    axes = discrimination_figure(binary).axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.split(":")[0] for text in legend] == ["p > 0.50", "p > 0.30"]
    rows = binary.tables["discrimination"].set_index(["statistic", "threshold", "stratum"])
    value = rows.loc[("sensitivity", 0.3, "all"), "value"]
    assert f"sens. {value:.2f}" in legend[1]


def test_several_classes_have_a_row_of_panels_each(grades, texts):
    figure = discrimination_figure(grades)
    assert len(figure.axes) == 6
    assert {"ROC, none", "ROC, mild", "ROC, severe"} <= set(texts(figure))
    assert discrimination_labels(grades).left_out == 0


def test_every_bin_is_a_point_with_its_interval(binary):
    axes = calibration_figure(binary).axes[0]
    bins = binary.tables["calibration_bins"]
    points = np.concatenate([line for line in lines_of(axes) if len(line) == 1])
    assert points == pytest.approx(bins[["probability", "observed"]].to_numpy())
    ends = np.stack([line[:, 1] for line in lines_of(axes) if len(line) == 2][1:])
    assert ends == pytest.approx(bins[["low", "high"]].to_numpy())


def test_the_cells_of_the_matrix_count_every_case(binary, grades, texts):
    counts = [int(text) for text in texts(confusion_figure(grades)) if text.isdecimal()]
    assert sum(counts) == 150
    shown = texts(confusion_figure(binary))
    assert sum(int(text) for text in shown if text.isdecimal()) == 2 * 120  # two thresholds
    assert "no prediction" in shown


def test_every_prediction_is_a_point_with_its_link(binary):
    panel = probabilities_figure(binary).axes[0]
    links = [url for drawn in panel.collections for url in drawn.get_urls() or [] if url]
    assert len(links) == len(set(links)) == 119
    assert "#case-c004" not in links


def test_cases_of_one_kind_have_no_curve_but_points():
    study = study_of(cohort_of(BINARY, rows_of(BINARY, np.linspace(0.1, 0.9, 20), np.zeros(20))))
    assert discrimination_figure(study) is None
    assert calibration_figure(study) is None
    assert probabilities_figure(study) is not None


def test_a_study_without_predicted_classes_has_none_of_them(study):
    assert all(draw(study) is None for draw in FIGURES)
    names = {figure.name for figure in all_figures(study)}
    assert not names & {"discrimination", "calibration", "confusion", "probabilities"}
