from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.figures.strips import dice_figure, dice_labels, values_figure


def with_dice(study, **values):
    """The study with these Dice values by label, case after case."""
    rows = [
        (f"c{number}", f"c{number}", "test", label, "dice", value, "")
        for label, some in values.items()
        for number, value in enumerate(some)
    ]
    scores = pd.DataFrame(rows, columns=study.measured.scores.columns)
    return replace(study, measured=replace(study.measured, scores=scores))


def test_every_case_is_a_point_with_its_link(study):
    panel = dice_figure(study).axes[0]
    points = [place for drawn in panel.collections for place in drawn.get_offsets()[:, 0]]
    links = [url for drawn in panel.collections for url in drawn.get_urls() or [] if url]
    dice = study.measured.scores["value"]
    assert set(np.round(dice, 9)) <= set(np.round(points, 9))
    assert links.count("#case-p01") == 2


def test_up_to_three_poor_cases_are_named(study, texts):
    few = with_dice(study, anterior=[0.1, 0.2, 0.3, 0.9, 0.95])
    assert {"c0 (0.10)", "c1 (0.20)", "c2 (0.30)"} <= {*texts(dice_figure(few))}
    many = with_dice(study, anterior=[0.1, 0.2, 0.3, 0.4, 0.95])
    assert not [text for text in texts(dice_figure(many)) if text.startswith("c0")]


def test_names_of_equally_poor_cases_do_not_overlap(study):
    panel = dice_figure(with_dice(study, anterior=[0.0, 0.0, 0.0, 0.9, 0.9])).axes[0]
    boxes = [text.get_window_extent() for text in panel.texts if "(0.00)" in text.get_text()]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)


def test_median_and_quartiles_are_written(study, texts):
    some = with_dice(study, anterior=[0.6, 0.7, 0.8, 0.9, 1.0], posterior=[0.9, np.nan])
    written = texts(dice_figure(some))
    assert "0.80 [0.70, 0.90]" in written
    assert "0.90 [0.90, 0.90]" in written  # an undefined Dice is no point


def test_the_axis_begins_at_one_half_unless_a_case_is_below(study):
    assert dice_figure(with_dice(study, anterior=[0.6, 0.9])).axes[0].get_xlim() == (0.5, 1)
    assert dice_figure(study).axes[0].get_xlim() == (0, 1)


def test_of_too_many_labels_those_of_the_lowest_median_are_shown(make_study):
    many = make_study(labels=[f"r{number:02}" for number in range(35)])
    values = {f"r{number:02}": [0.6 + number / 100] for number in range(35)}
    labels, left_out = dice_labels(with_dice(many, **values))
    assert (labels[0], labels[-1], len(labels), left_out) == ("r00", "r29", 30, 5)


def test_without_scores_there_are_no_strips(alone, study):
    assert dice_figure(alone) is None
    assert dice_figure(with_dice(study, anterior=[np.nan])) is None


def test_volumes_stand_by_sex_with_their_means(alone, texts):
    figure = values_figure(alone)
    written = texts(figure)
    assert {"women (12)", "men (12)", "mean women 555 [544, 566]"} <= {*written}
    assert len(figure.axes) == 3


def test_a_long_name_of_a_sex_meets_its_mean(alone, with_covariates, texts):
    sex = ["female", "male"] * 12
    assert "mean women 555 [544, 566]" in texts(values_figure(with_covariates(alone, sex=sex)))


def test_without_sex_there_is_one_strip(alone, with_covariates, texts):
    assert "all (24)" in texts(values_figure(with_covariates(alone, sex=None)))


def test_volumes_without_a_value_give_no_figure(alone):
    nothing = {name: table * np.nan for name, table in alone.measured.values.items()}
    empty = replace(alone, measured=alone.measured.with_values(nothing))
    assert values_figure(empty) is None


@pytest.mark.parametrize("n", [2, 3])
def test_few_cases_are_drawn(make_study, n):
    assert values_figure(make_study(methods=("reference",), n=max(n, 6))) is not None
