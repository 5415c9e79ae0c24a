import re
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.drawing.figure import saved_svg, svg_text
from neurotarget.report.figures.study_figures import all_figures
from neurotarget.stats.study.results import Study

NAMES = ["effects", "ages", "scatter", "bland_altman", "dice", "failures", "sites", "sites_2"]


@pytest.fixture(scope="module")
def figures(study):
    return all_figures(study)


def test_every_figure_is_there_in_reading_order(figures):
    assert [named.name for named in figures] == NAMES
    assert all(named.figure is not None for named in figures)


def test_names_begin_the_ids(figures):
    for named in figures:
        ids = re.findall(r'\bid="([^"]+)"', svg_text(named.figure))
        assert ids
        assert all(name.startswith(f"{named.name}-") for name in ids)


def test_captions_are_sentences_that_say_what_brackets_mean(figures):
    for named in figures:
        assert re.fullmatch(r"[A-Z].*\.", named.caption), named.caption
        assert not re.search(r"  |\bnan\b|None|\{", named.caption)
    brackets = [named.name for named in figures if "quare brackets" in named.caption]
    assert brackets == ["effects", "ages", "scatter", "bland_altman", "dice", "failures"]


@pytest.mark.parametrize("model", ["with_site", "tiv_ancova"])
def test_head_size_is_spoken_of_only_where_a_model_has_it(study, model):
    effects = study.tables["effects"]
    further = effects.head(1).assign(model=model, leads=False)
    shown = replace(study, tables={"effects": pd.concat([effects, further])})
    caption = all_figures(shown)[0].caption
    assert ("head size" in caption) == (model == "tiv_ancova")


def test_masks_alone_show_volumes_and_say_why_nothing_is_compared(alone):
    found = {named.name: named for named in all_figures(alone)}
    assert found["volumes"].figure is not None
    assert found["ages"].figure is not None
    for name in ("scatter", "bland_altman"):
        assert found[name].figure is None
        assert "one set of volumes only" in found[name].caption
    assert "No mask was scored" in found["dice"].caption


def test_of_four_raters_three_pairs_are_shown_and_it_says_so(make_study):
    found = all_figures(make_study(methods=("Dr. A", "Dr. B", "C & D", "<b>"), labels=("gland",)))
    pairs = [named for named in found if named.name.startswith("scatter")]
    assert [named.name for named in pairs] == ["scatter", "scatter_2", "scatter_3"]
    assert pairs[1].title == "Agreement of volumes: C & D against Dr. A"
    assert all("The first 3 of 6 pairs are shown." in named.caption for named in pairs)
    assert len({named.name for named in found}) == len(found)


def test_of_too_many_labels_the_caption_tells_which_are_shown(make_study):
    labels, others = [f"r{number:02}" for number in range(14)], ("effects", "sites", "failures")
    many = make_study(labels=labels, n=6, without=others)
    found = {named.name: named for named in all_figures(many)}
    text = "Of 15 labels and regions the 12 with the lowest agreement are shown"
    assert text in found["scatter"].caption
    assert text in found["bland_altman"].caption
    assert "the 6 with the lowest agreement" in found["ages"].caption


def test_statistics_that_could_not_be_estimated_leave_their_figure_out_with_the_reason(
    study, undefined
):
    found = {named.name: named for named in all_figures(undefined(study))}
    for name in ("effects", "ages", "bland_altman", "failures", "sites"):
        assert found[name].figure is None
        assert "onstant volumes." in found[name].caption


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_tables_that_are_missing_or_empty_are_no_error(study, how):
    tables = {} if how == "missing" else {k: t.iloc[:0] for k, t in study.tables.items()}
    found = all_figures(replace(study, tables=tables))
    drawn = [named.name for named in found if named.figure is not None]
    assert drawn == ["scatter", "dice"]
    assert all(named.caption.endswith(".") for named in found)


def test_cases_without_covariates_are_drawn(study, with_covariates):
    bare = with_covariates(study, age=None, sex=None, site=None)
    found = {named.name: named for named in all_figures(replace(bare, tables={}))}
    assert found["scatter"].figure is not None
    assert "no known ages" in found["ages"].caption
    assert "no known sites" in found["sites"].caption
    one = all_figures(replace(with_covariates(study, site="A"), tables={}))
    assert "one site" in one[-1].caption


def test_no_volume_at_all_is_no_error(study, alone):
    for some in (study, alone):
        nothing = {name: table * np.nan for name, table in some.measured.values.items()}
        found = all_figures(
            Study(replace(some.measured.with_values(nothing), scores=some.measured.scores[:0]), {})
        )
        assert not [named for named in found if named.figure is not None]


def test_nothing_is_warned_of(make_study):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for named in all_figures(make_study(n=6)):
            svg_text(named.figure)


def test_two_hundred_cases_take_seconds(make_study, tmp_path):
    study = make_study(n=200)
    start = time.process_time()
    for named in all_figures(study):
        saved_svg(named.figure, tmp_path / named.name)
    assert time.process_time() - start < 30  # 3 s on most machines


def test_a_case_called_like_html_stays_text_in_every_figure(figures):
    for named in figures:
        svg = svg_text(named.figure)
        assert "<script" not in svg
        assert "alert(1)" not in re.sub(r"&lt;script&gt;alert\(1\)&lt;/script&gt;", "", svg)
