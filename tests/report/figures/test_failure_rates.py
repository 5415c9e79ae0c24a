import numpy as np
import pytest

from neurotarget.report.figures.failure_rates import failures_figure


def test_rates_are_in_percent_with_their_interval(study, texts):
    figure = failures_figure(study)
    (panel,) = figure.axes
    values = [line.get_xdata()[0] for line in panel.lines if line.get_marker() != "None"]
    assert values == pytest.approx([100 / 24] * 2)
    spans = [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "None"]
    assert spans == [pytest.approx([0.7, 20.2])] * 2
    assert texts(figure).count("1 of 24: 4.2 [0.7, 20.2] %") == 2
    assert panel.get_xlim()[0] == 0


def test_definitions_read_as_words(study, texts):
    assert {"crash or empty", "left and right swapped"} <= {*texts(failures_figure(study))}


def test_what_no_method_could_be_asked_says_so_once(study, texts):
    assert texts(failures_figure(study)).count("the target has no pairs") == 1


def test_the_reference_stands_first_and_definitions_keep_their_order(make_study, texts):
    study = make_study()
    plain = texts(failures_figure(study))
    study.tables["failures"] = study.tables["failures"].iloc[::-1]
    turned = texts(failures_figure(study))
    assert turned.index("left and right swapped") < turned.index("crash or empty")
    assert plain.index("crash or empty") < plain.index("left and right swapped")
    for written in (plain, turned):
        assert written.index("reference") < written.index("predicted")


def test_no_failure_is_a_marker_at_zero(make_study):
    study = make_study()
    study.tables["failures"].loc[0, ["n_failed", "rate", "low", "high"]] = [0, 0.0, 0.0, 0.138]
    panel = failures_figure(study).axes[0]
    assert 0 in [line.get_xdata()[0] for line in panel.lines if line.get_marker() != "None"]


def test_without_a_rate_there_is_no_figure(make_study, undefined, study):
    assert failures_figure(make_study(without=["failures"])) is None
    assert failures_figure(undefined(study)) is None
    empty = make_study()
    empty.tables["failures"] = empty.tables["failures"].iloc[:0]
    assert failures_figure(empty) is None


def test_a_rate_without_an_interval_has_no_brackets(make_study, texts):
    study = make_study()
    study.tables["failures"].loc[0, ["low", "high"]] = np.nan
    assert "1 of 24: 4.2 %" in texts(failures_figure(study))
