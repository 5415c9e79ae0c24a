import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.comparison.arm_rows import arms_of, name_lines
from neurotarget.report.comparison.comparison_figures import all_figures
from neurotarget.report.comparison.cost_figure import cost_figure, costs_of
from neurotarget.report.comparison.forest_figure import differences_figure
from neurotarget.report.comparison.scores_figure import scores_figure
from neurotarget.report.drawing.figure import svg_text
from oracles.comparisons import ODD, a_comparison

NAMES = ["ranks", "dice", "differences", "costs", "icc", "effects", "effects_2"]


def found_in(comparison):
    return {named.name: named for named in all_figures(comparison)}


@pytest.fixture(scope="module")
def comparison():
    return a_comparison(6)


@pytest.fixture(scope="module")
def found(comparison):
    return found_in(comparison)


@pytest.fixture(scope="module")
def drawn():
    """Figures of few and of many arms."""
    return {
        count: found_in(a_comparison(count, range(seeds))) for count, seeds in ((2, 1), (12, 3))
    }


def with_tables(comparison, **tables):
    return replace(comparison, tables={**comparison.tables, **tables})


def test_every_figure_is_there_in_reading_order(found):
    assert list(found) == NAMES
    assert all(named.figure is not None for named in found.values())


def test_captions_are_sentences(found):
    for named in found.values():
        assert re.fullmatch(r"[A-Z].*\.", named.caption), named.caption
        assert not re.search(r"  |\bnan\b|None|\{", named.caption)


def boxes_of(figure):
    """Where words stand, in pixels; without those at ticks, some of which are not drawn."""
    figure.draw_without_rendering()  # which places the words
    found = list(figure.texts)
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
    for legend in figure.legends:
        found += legend.get_texts()
    renderer = figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in found if text.get_text()]


@pytest.mark.parametrize("count", [2, 12])
@pytest.mark.parametrize("name", NAMES)
def test_no_words_leave_the_figure(drawn, name, count):
    figure = drawn[count][name].figure
    boxes, whole = boxes_of(figure), figure.bbox.padded(1)
    assert len(boxes) > count
    assert min(box.x0 for box in boxes) >= whole.x0
    assert max(box.x1 for box in boxes) <= whole.x1
    assert min(box.y0 for box in boxes) >= whole.y0
    assert max(box.y1 for box in boxes) <= whole.y1


@pytest.mark.parametrize("count", [2, 12])
@pytest.mark.parametrize("name", NAMES)
def test_no_words_cover_others(drawn, name, count):
    boxes = [box.padded(-1) for box in boxes_of(drawn[count][name].figure)]
    pairs = ((one, other) for at, one in enumerate(boxes) for other in boxes[at + 1 :])
    assert not any(one.overlaps(other) for one, other in pairs)


def test_a_name_is_broken_at_commas_and_only_cut_where_it_has_none():
    name = "model=swin_unetr,optimizer=adamw_transformer,optimizer.lr=0.0001"
    assert name_lines(name) == (
        "model=swin_unetr,", "optimizer=adamw_transformer,", "optimizer.lr=0.0001"
    )  # fmt: skip
    assert name_lines("unet") == ("unet",)
    assert "…" in name_lines("x" * 90)[0]


def test_hostile_names_stay_text(comparison):
    for named in all_figures(a_comparison([ODD, "<script>alert(1)</script>", "$x_1$"])):
        svg = svg_text(named.figure)
        assert "<script" not in svg
        assert "<img" not in svg
    assert arms_of(comparison)[5].kind == "ensemble"


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_tables_that_are_missing_or_empty_are_no_error(comparison, how):
    rest = {} if how == "missing" else {k: t.iloc[:0] for k, t in comparison.tables.items()}
    for named in all_figures(replace(comparison, tables=rest)):
        assert named.figure is None
        assert named.caption.endswith(".")


def test_one_arm_without_cost_is_drawn_as_far_as_it_goes():
    alone = a_comparison(["unet"], seeds=(0,))
    none = alone.tables["differences"].iloc[:0]
    there = {name for name, named in found_in(alone).items() if named.figure is not None}
    assert there == {"dice", "icc", "effects", "effects_2"}
    assert "one arm only" in found_in(with_tables(alone, differences=none))["differences"].caption


def test_statistics_that_are_undefined_leave_their_figure_out_with_the_reason(comparison):
    bare = {}
    for name, table in comparison.tables.items():
        numbers = table.select_dtypes("number").columns.difference(["seed", "fold"])
        bare[name] = table.assign(**dict.fromkeys(numbers, np.nan), reason="no volumes")
    without = found_in(with_tables(comparison, **bare))
    assert all(named.figure is None for named in without.values())
    for name in ("ranks", "differences", "icc", "effects"):
        assert "No volumes." in without[name].caption


def test_costs_that_are_known_of_some_arms_are_reported(comparison, found):
    assert "Not all costs of 1 arm are known" in found["costs"].caption
    none = comparison.tables["arms"].assign(
        parameters=np.nan, step_s=np.nan, train_s=np.nan, predict_s_per_case=np.nan
    )
    assert cost_figure(with_tables(comparison, arms=none)) is None


def test_costs_that_are_alike_for_all_arms_are_not_drawn(comparison):
    arms = comparison.tables["arms"]
    alike = arms.assign(train_s=240.0 + 0.1 * np.arange(len(arms)), step_s=0.5)
    names = {cost.key for cost in costs_of(with_tables(comparison, arms=alike))}
    assert names == {"parameters", "predict_s_per_case"}


def test_an_ensemble_at_the_top_is_not_what_nets_are_compared_with(texts):
    comparison = a_comparison(["ensemble", "unet", "nnunet"])
    rows = comparison.tables["differences"]
    own = rows[(rows["arm"] != "ensemble") | (rows["other"] == "unet")]
    text = texts(differences_figure(with_tables(comparison, differences=own)))
    assert {"ensemble", "nnunet", "Dice minus that of unet"} <= set(text)


def test_a_case_far_below_the_others_does_not_squeeze_them(found, texts):
    figure = found["dice"].figure
    axes = figure.axes[0]
    assert axes.get_xlim()[0] > 0.4
    assert "1 case below the axis, to 0.00" in texts(figure)


def test_arms_that_were_trained_once_are_not_testable(comparison, texts):
    rows = comparison.tables["differences"]
    once = rows.assign(told_apart="not testable from one training")
    figure = differences_figure(with_tables(comparison, differences=once))
    written = [" ".join(text.split()) for text in texts(figure)]
    assert written.count("not testable") == 5
    assert "yes" not in written


def test_seed_means_are_over_folds(texts):
    runs = pd.DataFrame({"arm": "unet", "fold": [0, 1, 0, 1], "seed": [0, 0, 1, 1],
                         "dice": [0.8, 0.9, 0.7, 0.8]})  # fmt: skip
    comparison = with_tables(a_comparison(["unet"], (0, 1), folds=(0, 1)), costs=runs)
    figure = scores_figure(comparison)
    strokes = [line for line in figure.axes[0].lines if line.get_marker() == "|"]
    np.testing.assert_allclose(strokes[0].get_xdata(), [0.85, 0.75])


def test_the_caption_of_differences_says_what_the_model_asks(comparison, found):
    """With one training of each arm it knows the cases alone."""
    assert "whether other trainings would give it, too. Filled" in found["differences"].caption
    variance = comparison.tables["variance"]
    once = variance.assign(sd=variance["sd"].where(variance["component"] != "run"))
    caption = found_in(with_tables(comparison, variance=once))["differences"].caption
    assert "asks about cases only" in caption
    assert "other trainings would" not in caption
