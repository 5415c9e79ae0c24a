import itertools

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.drawing.figure import INK, MUTED
from neurotarget.report.figures.bland_altman import bland_altman_figure, bland_altman_labels
from neurotarget.stats.cohort.learning import without_failed


def lines(panel, colour):
    return [line for line in panel.lines if line.get_color() == colour]


def test_bias_and_limits_stand_at_their_heights_with_numbers(study, texts):
    figure = bland_altman_figure(study)
    panel = figure.axes[0]
    assert [line.get_ydata()[0] for line in lines(panel, INK)] == [-10]
    assert [line.get_ydata()[0] for line in lines(panel, MUTED)] == [8, -28]
    written = texts(figure)
    for numbers in (
        "bias −10.0\n[−14.0, −6.0]",
        "upper limit +8.0\n[2.0, 14.0]",
        "lower limit −28.0\n[−34.0, −22.0]",
    ):
        assert written.count(numbers) == 3
    assert "predicted − reference, mm³" in written


def test_intervals_are_bands(study):
    panel = bland_altman_figure(study).axes[0]
    spans = {(patch.get_y(), patch.get_y() + patch.get_height()) for patch in panel.patches}
    assert spans == {(-14, -6), (2, 14), (-34, -22)}


def test_points_are_differences_over_means(study):
    women, _ = bland_altman_figure(study).axes[0].collections
    known, failed = without_failed(study.measured)
    assert failed["predicted"]["anterior"].any()  # and these are not drawn
    both = pd.DataFrame({name: table["anterior"] for name, table in known.values.items()})
    truth, pred = both[study.measured.covariates["sex"] == "F"].dropna().iloc[0]
    assert list(women.get_offsets()[0]) == pytest.approx([(truth + pred) / 2, pred - truth])


def test_a_slope_is_drawn_only_where_its_interval_excludes_0(make_study, texts):
    study = make_study()
    assert not [text for text in texts(bland_altman_figure(study)) if "slope" in text]
    rows = study.tables["agreement"]
    is_slope = rows["statistic"] == "proportional_slope"
    rows.loc[is_slope & (rows["label"] == "total"), "low"] = 0.05
    figure = bland_altman_figure(study)
    drawn = [len(lines(panel, INK)) for panel in figure.axes[:3]]
    assert drawn == [1, 1, 2]
    assert [text for text in texts(figure) if "slope +0.10 [0.05, 0.30]" in text]
    line = lines(figure.axes[2], INK)[1]
    assert np.diff(line.get_ydata()) / np.diff(line.get_xdata()) == pytest.approx(0.1)


def test_numbers_do_not_touch_where_lines_are_close(make_study):
    study = make_study()
    rows = study.tables["agreement"]
    for name, value in (("bias", 0.1), ("lower_limit", 0.0), ("upper_limit", 0.2)):
        rows.loc[rows["statistic"] == name, ["value", "low", "high"]] = value
    panel = bland_altman_figure(study).axes[0]
    boxes = [text.get_window_extent() for text in panel.texts if "\n" in text.get_text()]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_labels_whose_bias_is_unknown_have_no_panel(make_study, undefined, alone):
    study = make_study()
    rows = study.tables["agreement"]
    rows.loc[(rows["label"] == "anterior") & (rows["statistic"] == "bias"), "value"] = np.nan
    assert bland_altman_labels(study, ("reference", "predicted")).labels == ["posterior", "total"]
    assert len(bland_altman_figure(study).axes) == 2
    assert bland_altman_figure(undefined(study)) is None
    assert bland_altman_figure(make_study(without=["agreement"])) is None
    assert bland_altman_figure(alone) is None


def test_volumes_in_cm3_have_their_agreement_in_cm3(make_study, texts):
    study = make_study()
    for volumes in study.measured.values.values():
        volumes *= 1000
    study.tables["agreement"][["value", "low", "high"]] *= 1000
    written = texts(bland_altman_figure(study))
    assert "bias −10.0\n[−14.0, −6.0]" in written
    assert "predicted − reference, cm³" in written
