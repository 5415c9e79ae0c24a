import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.drawing.figure import svg_text
from neurotarget.report.search.search import Objective, Parameter
from neurotarget.report.search.search_figures import (
    all_figures,
    history_figure,
    importances_figure,
    settings_figure,
)
from oracles.sweeps import a_sweep, best_of, without_values


@pytest.fixture(scope="module")
def one():
    return a_sweep()


@pytest.fixture(scope="module")
def two():
    return a_sweep(("dice", "volume_icc"))


@pytest.fixture(scope="module")
def figures(two):
    return all_figures(two)


def best_line(axes):
    return next(line.get_ydata() for line in axes.lines if line.get_drawstyle() == "steps-post")


def test_figures_come_in_reading_order(one, figures):
    assert [named.name for named in all_figures(one)] == ["history", "importances", "settings"]
    names = ["history", "pareto", "importances", "settings", "settings_2"]
    assert [named.name for named in figures] == names


def test_captions_are_sentences(figures):
    for named in figures:
        assert re.fullmatch(r"[A-Z].*\.", named.caption), named.caption
        assert not re.search(r"  |\bnan\b|None|\{", named.caption)


def test_the_best_so_far_rises_when_high_is_good_and_falls_when_low_is(one):
    up = best_line(history_figure(one).axes[0])
    assert up[-1] == one.trials["dice"].max()
    assert (np.diff(up) >= 0).all()
    low = replace(one, objectives=(Objective("dice", "minimize"),))
    axes = history_figure(low).axes[0]
    assert best_line(axes)[-1] == one.trials["dice"].min()
    assert axes.get_ylabel() == "dice, lower is better"


def test_trials_without_a_value_are_counted_and_marked(one, texts):
    text = texts(history_figure(one))
    assert {"done (25)", "pruned (4)", "failed (1)", "best"} <= set(text)


def test_a_setting_that_was_searched_in_log_has_a_log_axis(one):
    axes = settings_figure(one, one.objectives[0], "settings").axes
    scales = {found.get_xlabel(): found.get_xscale() for found in axes if found.get_visible()}
    assert scales == {"optimizer.lr": "log", "model.width": "linear", "optimizer": "linear",
                      "loss.weight": "linear"}  # fmt: skip


def test_settings_in_words_have_a_place_each(one):
    axes = settings_figure(one, one.objectives[0], "settings").axes[2]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["adamw", "adamw_transformer", "sgd"]


def test_of_many_settings_the_most_important_are_shown(one):
    names = [f"s{number:02}" for number in range(14)]
    trials = one.trials.assign(**dict.fromkeys(names, 1.0))
    shares = pd.DataFrame({"objective": "dice", "parameter": names,
                           "importance": np.arange(14) / 91})  # fmt: skip
    many = replace(one, trials=trials, importances=shares, parameters=tuple(map(Parameter, names)))
    named = all_figures(many)[-1]
    shown = [axes.get_xlabel() for axes in named.figure.axes]
    assert shown == names[:1:-1]
    assert "The 12 most important of 14 settings are shown." in named.caption


def test_bars_are_as_long_as_their_share(two):
    axes = importances_figure(two).axes
    assert [found.get_title(loc="left") for found in axes] == ["dice", "volume_icc"]
    assert [bar.get_width() for bar in axes[0].patches] == pytest.approx([70, 20, 9.6, 0.4])


def test_the_front_is_drawn_apart_from_other_trials(two, figures):
    axes = next(named for named in figures if named.name == "pareto").figure.axes[0]
    others, front = axes.collections
    assert len(front.get_offsets()) == len(best_of(two.trials, ("dice", "volume_icc")))
    assert len(others.get_offsets()) + len(front.get_offsets()) == 25


def test_before_any_trial_is_done_figures_say_so(two):
    for named in all_figures(without_values(two)):
        assert named.figure is None
        assert named.caption.endswith(".")


@pytest.mark.parametrize("trials", [1, 2])
def test_few_trials_are_drawn(trials):
    sweep = a_sweep(("dice", "volume_icc"), trials)
    bare = replace(sweep, importances=sweep.importances.iloc[:0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = {named.name for named in all_figures(bare) if named.figure is not None}
    assert drawn == {"history", "pareto", "settings", "settings_2"}


def test_settings_that_some_trials_lack_are_left_out_of_their_panel(one):
    trials = one.trials.assign(optimizer=None, **{"loss.weight": np.nan})
    sweep = replace(one, trials=trials)
    axes = settings_figure(sweep, one.objectives[0], "settings").axes
    assert [len(found.collections) for found in axes[:4]] == [2, 2, 0, 0]


def test_names_with_markup_are_text(one):
    odd = "<script>alert(1)</script> $x_1$"
    sweep = replace(
        one,
        trials=one.trials.rename(columns={"optimizer": odd}).assign(**{odd: odd}),
        parameters=(*one.parameters[:2], Parameter(odd)),
    )
    for named in all_figures(sweep):
        assert "<script" not in svg_text(named.figure)
