import numpy as np
import pandas as pd

from neurotarget.report.drawing.panels import METHODS
from neurotarget.report.figures.forest import forest_figure, forest_groups


def markers(panel, shape):
    return [line for line in panel.lines if line.get_marker() == shape]


def test_units_never_share_an_axis(study, texts):
    figure = forest_figure(study)
    assert [axes.get_xlabel() for axes in figure.axes] == ["effect, mm³", "effect, mm³ per year"]
    assert {"sex difference, total", "age slope, total", "F > M"} <= {*texts(figure)}


def test_estimates_intervals_and_zero_are_where_they_should_be(study):
    panel = forest_figure(study).axes[0]
    assert [marker.get_xdata()[0] for marker in markers(panel, "o")] == [75]
    spans = [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "None"]
    assert [50, 100] in spans
    assert [0, 0] in spans
    low, high = panel.get_xlim()
    assert low < 0
    assert high > 100


def test_verdicts_and_numbers_stand_at_the_right(study, texts):
    written = texts(forest_figure(study))
    assert written.count("+75 [50, 100]") == written.count("shown") == 2
    assert written.count("−1.00 [−2.50, 0.50]") == written.count("inconclusive") == 2


def test_the_published_effect_is_a_hollow_diamond_of_its_own(study, texts):
    figure = forest_figure(study)
    (diamond,) = markers(figure.axes[0], "d")
    assert diamond.get_xdata()[0] == 70
    assert diamond.get_markerfacecolor() == "none"
    assert "+70" in texts(figure)
    assert not markers(figure.axes[1], "d")  # nothing was published
    assert texts(figure).count("expected") == 1


def test_methods_have_marks_of_their_own(study):
    panel = forest_figure(study).axes[0]
    for mark in METHODS[:2]:
        (drawn,) = markers(panel, mark.marker)
        assert drawn.get_markerfacecolor() == mark.colour


def test_models_of_a_method_stand_below_it(make_study, texts):
    study = make_study()
    rows = study.tables["effects"]
    more = rows.assign(model="tiv_residual")
    study.tables["effects"] = pd.concat([rows, more], ignore_index=True)
    written = [text for text in texts(forest_figure(study)) if "\xa0" in text]
    assert written == ["\xa0\xa0\xa0\xa0head size regressed out"] * 4
    figure = forest_figure(study)
    names = [
        text for text in texts(figure) if text in ("reference", "predicted") or text in written
    ]
    assert names[:2] == ["reference", written[0]]


def test_the_leading_model_has_the_large_marker(make_study):
    study = make_study(methods=("reference",))
    rows = study.tables["effects"]
    more = rows.assign(model="tiv_ancova", estimate=-20.0, low=-40.0, high=0.0, leads=True)
    study.tables["effects"] = pd.concat([rows.assign(leads=False), more], ignore_index=True)
    drawn = markers(forest_figure(study).axes[0], "o")
    sizes = {line.get_xdata()[0]: line.get_markersize() for line in drawn}
    assert sizes == {75: 4, -20: 6}


def test_a_model_alone_is_named_with_its_method(make_study, texts):
    study = make_study(methods=("reference",))
    study.tables["effects"] = study.tables["effects"].assign(model="tiv_proportion")
    assert "reference, share of head size" in texts(forest_figure(study))


def test_what_could_not_be_estimated_says_why(make_study, texts):
    study = make_study()
    rows = study.tables["effects"]
    values = [np.nan, np.nan, np.nan, "inconclusive", "2 subjects with sex M, wanted 3 or more"]
    rows.loc[1, ["estimate", "low", "high", "verdict", "reason"]] = values
    found = [text for text in texts(forest_figure(study)) if text.startswith("inconclusive")]
    assert found[0].startswith("inconclusive: 2 subj")


def test_texts_stay_on_the_figure_and_apart(make_study):
    study = make_study(methods=("reference", "a_method_with_a_name_that_is_far_too_long_for_a_row"))
    study.tables["effects"].loc[1, "verdict"] = "not replicated at all, said at great length here"
    figure = forest_figure(study)
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)


def test_hypotheses_without_any_estimate_have_no_panel(make_study, undefined, study):
    some = make_study()
    rows = some.tables["effects"]
    rows.loc[rows["hypothesis"] == "age_slope", "estimate"] = np.nan
    assert len(forest_groups(some)) == len(forest_figure(some).axes) == 1
    assert forest_figure(undefined(study)) is None
    assert forest_figure(make_study(without=["effects"])) is None
