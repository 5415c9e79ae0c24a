from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.drawing.figure import svg_text
from neurotarget.report.figures.part_strips import parts_figure
from neurotarget.report.figures.study_figures import all_figures
from neurotarget.report.pages.study_page import PageFigure, page_html
from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.report.sections.key_numbers import key_numbers
from neurotarget.report.sections.parts_section import parts_section
from neurotarget.report.text.sentences import cohort
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.parts import parts_table
from neurotarget.stats.tables.tables import agreement_table, scores_table
from neurotarget.studies.study_inputs import with_planted
from oracles.held_out_parts import rows_of, target
from oracles.pages import Page
from oracles.rater_cohort import TARGET as DRAWN
from oracles.rater_cohort import rater_rows

SPLITS = ["test"] * 8 + ["external"] * 6


def study_of(splits=SPLITS, asked=None, **how):
    known = pd.DataFrame(index=pd.Index([], name="case_id"))
    return analyse(from_rows(rows_of(splits, **how), asked or target(), known))


@pytest.fixture(scope="module")
def study():
    return study_of(failed=("c03",))


@pytest.fixture(scope="module")
def known_sites():
    """A study without external cases or published values."""
    return study_of(["test"] * 6, target([]))


def page_of(study):
    figures = [
        PageFigure(one.name, one.title, one.caption, one.figure and svg_text(one.figure))
        for one in all_figures(study)
    ]
    return Page(page_html(study, figures, [], title="t"))


def test_published_values_stand_beside_ours_in_the_table(study):
    grid = parts_section(study).grids[0]
    heads = [column.text for column in grid.columns]
    assert heads[:6] == ["Label", "Cases", "n", "Failed", "Dice", "published"]
    rows = {(row[0], row[1]): dict(zip(enumerate(heads), row, strict=True)) for row in grid.rows}
    left = rows["left", "external"]
    assert left[5, "published"] == "0.86 ± 0.04; 0.57 ± 0.22"
    assert rows["left", "internal"][5, "published"] == "0.90 ± 0.03"
    assert rows["right", "internal"][5, "published"] == "–"
    assert rows["left", "internal"][3, "Failed"] == "1"
    dice = study.measured.scores.query("metric == 'dice' and label == 'left'")
    values = dice[dice["split"] == "external"]["value"]
    assert left[4, "Dice"] == f"{values.mean():.2f} ± {values.std():.2f}"


def test_every_person_has_a_table_of_his_own():
    rows, covariates = rater_rows()
    rows["split"] = np.where(rows["case_id"] < "c25", "test", "external")
    measured = from_rows(rows, DRAWN, covariates)
    agreement, scores = agreement_table(measured), scores_table(measured)
    parts = parts_table(measured, agreement, scores)
    tables = {"agreement": agreement, "scores": scores, "parts": parts}
    grids = parts_section(Study(measured, tables)).grids
    assert [grid.caption for grid in grids] == [
        "Against the reference", "Against again", "Against rater2"
    ]  # fmt: skip
    assert [row[:3] for row in grids[2].rows[:2]] == [
        ["left", "internal", "20 (19)"], ["left", "external", "12"]
    ]  # fmt: skip


def test_cases_without_volumes_are_reported_beside_those_that_are_scored():
    rows = rows_of(SPLITS, failed=("c03",))
    rows.loc[(rows["case_id"] == "c03") & (rows["metric"] == "volume_mm3"), "value"] = np.nan
    known = pd.DataFrame(index=pd.Index([], name="case_id"))
    section = parts_section(analyse(from_rows(rows, target(), known)))
    (grid,) = section.grids
    assert section.after[0].startswith("Round brackets hold the number of cases with both volumes")
    counts = {(row[0], row[1]): row[2] for row in grid.rows}
    assert counts["left", "internal"] == "8 (7)"
    assert counts["left", "external"] == "6"
    assert counts["total", "internal"] == "7"
    assert counts["mean of labels", "internal"] == "8"


def test_the_first_numbers_say_what_part_of_the_cases_they_are_of():
    study = study_of()
    assert cohort(study).startswith("14 cases, 8 internal and 6 external. Volumes")
    dice, icc, *_ = key_numbers(study)[0].tiles
    table = study.tables["parts"].groupby(["part", "label", "statistic"])["value"].first()
    inside, outside = (table[part, "mean", "dice"] for part in ("internal", "external"))
    assert f"14 cases (internal {inside:.2f}, external {outside:.2f})" in dice.note
    total = table["internal", "total", "icc_a1"]
    assert f"total, 14 cases (internal {total:.2f}, external" in icc.note
    head = summary_text(summarise(study)).splitlines()[0]
    assert f"(internal {inside:.3f} of 8, external {outside:.3f} of 6)" in head


def test_without_external_cases_the_first_numbers_speak_of_no_parts(known_sites):
    assert "internal" not in cohort(known_sites)
    assert not any("internal" in tile.note for tile in key_numbers(known_sites)[0].tiles)
    assert "internal" not in summary_text(summarise(known_sites))


def test_r_stands_with_its_p(study):
    grid = parts_section(study).grids[0]
    place = [column.text for column in grid.columns].index("Pearson r")
    assert all(", p " in row[place] for row in grid.rows if row[0] != "mean of labels")


def test_published_values_are_marked_as_of_other_data(study):
    text = " ".join(parts_section(study).after)
    assert "Published by paper 0; paper 1" in text
    assert "nothing on this page tests whether the values of this study reach them" in text
    assert "generated" not in text


def test_cases_of_a_built_in_cohort_are_marked_as_generated():
    asked = replace(target(), hypotheses={"sex": "volume: F > M"})
    planted = with_planted(asked, {"sex": 50.0})
    sentences = parts_section(study_of(asked=planted)).after
    assert sentences[-1].startswith("The cases of this study are generated")


@pytest.mark.parametrize(("split", "word"), [("test", "internal"), ("external", "external")])
def test_one_part_alone_is_named(split, word):
    section = parts_section(study_of([split] * 5))
    assert section.lead.startswith(f"All held-out cases are {word}: they")
    assert {row[1] for row in section.grids[0].rows} == {word}


def test_of_many_labels_the_published_and_the_poorest_are_shown():
    names = {f"r{number:02}": number + 1 for number in range(15)}
    published = [{"what": "dice", "label": "r14", "part": "external", "value": 0.8}]
    section = parts_section(study_of(asked=target(published, **names), labels=tuple(names)))
    shown = list(dict.fromkeys(row[0] for row in section.grids[0].rows))
    assert len(shown) == 12
    assert "r14" in shown
    assert section.after[0] == "5 labels that do better are in the tables below."  # 15, total, mean


def test_every_case_is_a_point_of_its_part_and_published_means_are_lines(study):
    panel = parts_figure(study).axes[0]
    names = ["left, internal", "left, external", "right, internal", "right, external"]
    assert [text.get_text() for text in panel.texts if ", " in text.get_text()] == names
    places = {
        (round(x, 9), round(y))
        for drawn in panel.collections
        for x, y in drawn.get_offsets()
        if drawn.get_urls()
    }
    rows = study.measured.scores.query("metric == 'dice'")
    for label, at in (("left", 0), ("right", 2)):
        for split, more in (("test", 0), ("external", 1)):
            own = rows[(rows["label"] == label) & (rows["split"] == split)]["value"]
            assert {(round(value, 9), at + more) for value in own} <= places
    dashed = {
        (line.get_xdata()[0], round(np.mean(line.get_ydata())))
        for line in panel.lines
        if line.is_dashed()
    }
    assert dashed == {(0.9, 0), (0.86, 1), (0.57, 1)}


def test_the_page_has_a_section_with_its_figure(study):
    page = page_of(study)
    ids = [found.get("id") for _, found in page.elements]
    assert ids.index("numbers") < ids.index("parts") < ids.index("figures")
    assert ids.index("parts") < ids.index("figure-parts") < ids.index("figures")
    assert ids.count("figure-parts") == 1
    assert ["left", "external"] in [row[:2] for row in page.rows()]
    assert "#parts" in [found.get("href") for tag, found in page.elements if tag == "a"]


def test_without_parts_a_page_is_what_it_was(known_sites):
    assert parts_section(known_sites) is None
    assert parts_figure(known_sites) is None
    assert "parts" not in [figure.name for figure in all_figures(known_sites)]
    page = page_of(known_sites)
    assert "parts" not in [found.get("id") for _, found in page.elements]
    assert "Internal and external" not in " ".join(page.text)
    assert "parts" not in summarise(known_sites)


def test_the_terminal_says_both_parts_with_what_is_published(study):
    summary = summarise(study)
    found = summary["parts"]["external"]["dice"]["left"]
    assert found["published"][0] == {"value": 0.86, "sd": 0.04, "source": "paper 1"}
    text = summary_text(summary)
    (line,) = [line for line in text.splitlines() if line.startswith("left, external")]
    assert f"{found['value']:.3f} ± {found['sd']:.3f}" in line
    assert "0.86 ± 0.04; 0.57 ± 0.22" in line
    assert "(published values are of other scans, raters and networks)" in text


def test_the_terminal_leaves_out_what_nobody_has_published():
    text = summary_text(summarise(study_of(asked=target([]))))
    assert "left, internal" in text
    assert "published" not in text
