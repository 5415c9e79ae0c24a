"""The flow of cases: one box per step, whatever the number of methods."""

import numpy as np
import pandas as pd

from neurotarget.report.figures.exclusions import flow_figure

STEPS = (
    ("cases listed", "", 26, 0, ""),
    ("with a volume", "hand", 26, 0, ""),
    ("with a volume", "net", 24, 2, "no volume of every label"),
    ("mask failed", "", 1, 0, "counted in every score"),
    ("in the effect", "sex, hand", 26, 0, ""),
    ("in the effect", "sex, net", 23, 1, "1 whose mask failed"),
)


def drawn(study, rows):
    columns = ["step", "of", "n", "n_left_out", "why"]
    study.tables["flow"] = pd.DataFrame(rows, columns=columns)
    return flow_figure(study)


def arrows(figure):
    return [text for text in figure.axes[0].texts if not text.get_text()]


def boxes(figure):
    return [line for line in figure.axes[0].lines if len(line.get_xdata()) == 5]


def test_methods_of_a_step_share_its_box_and_arrows_join_every_two(make_study):
    figure = drawn(make_study(), STEPS)
    assert len(boxes(figure)) == 4
    assert len(arrows(figure)) == 3
    tops = [line.get_ydata()[0] for line in boxes(figure)]
    ends = [line.get_ydata()[2] for line in boxes(figure)]
    assert (np.array(tops[1:]) > np.array(ends[:-1])).all()


def test_every_count_and_every_exclusion_is_written(make_study, texts):
    written = texts(drawn(make_study(), STEPS))
    assert {"With a volume", "hand: 26 cases", "net: 24 cases"} <= {*written}
    assert "Of these, mask failed: 1 case" in written
    assert "sex, net: 23 people" in written
    assert "2 cases left out: no volume of every label" in written
    assert "1 case left out: 1 whose mask failed" in written


def test_of_many_methods_the_rest_is_counted(make_study, texts):
    rows = [("with a volume", f"rater{number}", 5, 0, "") for number in range(14)]
    assert "and 2 more" in texts(drawn(make_study(), rows))


def test_texts_stay_in_the_figure_and_apart(make_study):
    figure = drawn(make_study(), STEPS)
    found = [text for text in figure.axes[0].texts if text.get_text()]
    shapes = [text.get_window_extent() for text in found]
    assert all(one.x0 >= 0 and one.x1 <= figure.bbox.x1 for one in shapes)
    assert not any(a.overlaps(b) for a in shapes for b in shapes if a is not b)
