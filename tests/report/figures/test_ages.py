import numpy as np
import pytest

from neurotarget.report.drawing.panels import SEXES
from neurotarget.report.figures.ages import ages_figure, ages_labels


def test_methods_stand_side_by_side_on_the_same_axis(study, texts):
    figure = ages_figure(study)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["anterior, reference", "anterior, predicted"]
    assert len(titles) == 6
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert {"age, years", "volume, mm³"} <= {*texts(figure)}


def test_each_sex_has_its_curve_with_a_band(study):
    panel = ages_figure(study).axes[0]
    lines = {line.get_color(): line for line in panel.lines}
    assert lines.keys() == {SEXES["F"].colour, SEXES["M"].colour}
    assert len({line.get_linestyle() for line in panel.lines}) == 2
    assert list(lines[SEXES["F"].colour].get_ydata()) == [430, 400, 370]
    bands = [drawn for drawn in panel.collections if not len(drawn.get_urls() or [])
             or drawn.get_urls() == [None]]  # fmt: skip
    ends = bands[0].get_paths()[0].get_extents()
    assert (ends.y0, ends.y1) == (360, 440)


def test_points_are_volumes_over_age(study):
    panel = ages_figure(study).axes[0]
    women = next(drawn for drawn in panel.collections if drawn.get_urls()[0])
    case = study.measured.covariates.iloc[0]
    volume = study.measured.values["reference"]["anterior"].iloc[0]
    assert list(women.get_offsets()[0]) == pytest.approx([case["age"], volume])


def test_the_slope_stands_above_each_panel(study, texts):
    assert texts(ages_figure(study)).count("−1.00 [−2.00, 0.00] mm³ per year, n = 24") == 6


def test_a_slope_that_could_not_be_estimated_says_why(make_study, texts):
    study = make_study()
    study.tables["age"].loc[0, ["slope", "reason"]] = [np.nan, "all are of one age"]
    assert "all are of one age" in texts(ages_figure(study))


def test_one_method_has_a_panel_a_label(alone):
    titles = [axes.get_title(loc="left") for axes in ages_figure(alone).axes]
    assert titles == ["anterior", "posterior", "total"]


def test_three_methods_are_shown_of_four(make_study):
    figure = ages_figure(make_study(methods=("a", "b", "c", "d"), labels=("gland",)))
    assert len(figure.axes) == 3


def test_many_labels_have_twelve_panels(make_study):
    study = make_study(labels=[f"r{number:02}" for number in range(9)])
    assert len(ages_labels(study).labels) == 6
    assert ages_labels(study).left_out == 4
    assert len(ages_figure(study).axes) == 12


def test_without_curves_there_is_no_figure(make_study, study, undefined, with_covariates):
    assert ages_figure(make_study(without=["curves"])) is None
    assert ages_figure(undefined(study)) is None


def test_a_curve_of_all_is_drawn_where_sex_is_unknown(make_study, with_covariates):
    study = with_covariates(make_study(), sex=None)
    study.tables["curves"]["sex"] = "all"
    assert ages_figure(study).axes[0].lines
