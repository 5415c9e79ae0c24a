from dataclasses import replace

import numpy as np
import pytest

from neurotarget.report.pages.study_page import page_html
from neurotarget.report.paper.checklist import claim_table
from neurotarget.report.sections.cards import cards
from neurotarget.report.sections.key_numbers import failure_lines, key_numbers
from neurotarget.report.sections.raters_section import (
    ceiling_sentences,
    rater_sentences,
    raters_section,
)
from neurotarget.report.text.sentences import answer, cohort, headlines
from neurotarget.stats.study.analysis import analyse
from oracles.pages import Page
from oracles.rater_cohort import rater_cohort, several_masks


@pytest.fixture(scope="module")
def drawn(analysed_raters):
    return analysed_raters


@pytest.fixture(scope="module")
def section(drawn):
    return raters_section(drawn)


def test_every_pair_has_a_row_a_label_with_its_numbers(drawn, section):
    pairs = section.grids[0]
    assert len(pairs.rows) == 6 * 3
    row = next(row for row in pairs.rows if row[:2] == ["rater2 – reference", "left"])
    table = drawn.tables["raters"].set_index(["first", "second", "label"])
    dice = table.loc[("reference", "rater2", "left"), "dice"]
    assert row[2] == "32"
    assert row[3].startswith(f"{dice:.2f} [")
    row = next(row for row in pairs.rows if row[:2] == ["rater2 – predicted", "left"])
    assert row[2] == "32 (31)"  # one prediction failed
    assert all(len(row) == len(grid.columns) for grid in section.grids for row in grid.rows)


def test_intra_and_inter_rater_error_stand_apart(drawn, section):
    grid = next(grid for grid in section.grids if grid[0] == "Error of a single delineation")
    kinds = [(row[0], row[1]) for row in grid.rows if row[2] == "total"]
    assert kinds == [
        ("Intra-rater", "again – reference"),
        ("Inter-rater", "rater2 – reference"),
        ("Inter-rater", "rater2 – again"),
    ]
    again = ceiling_sentences(drawn)[0]
    start = "Intra-rater error of a single delineation (again – reference, total) is "
    assert again.startswith(start)
    assert claim_table(drawn).set_index("item").loc[18, "text"] == (
        "Intra-rater and inter-rater error (again, rater2): study/ceiling.tsv."
    )


def test_several_masks_of_one_scan_have_their_section():
    study = analyse(several_masks(20))
    section = raters_section(study)
    (grid,) = section.grids
    assert [row[:2] for row in grid.rows if row[2] == "total"] == [
        ["Intra-rater", "A_again – A"],
        ["Inter-rater", "B – A"],
        ["Inter-rater", "B – A_again"],
    ]
    assert grid.rows[0][3] == "20"
    assert section.lead.startswith("Several masks of one scan")
    assert (
        claim_table(study)
        .set_index("item")
        .loc[18, "text"]
        .startswith("Intra-rater and inter-rater error (A, A_again, B)")
    )


def test_sentences_say_who_is_closer_and_by_how_much(drawn):
    again, rater2 = rater_sentences(drawn)
    assert again.startswith("The network agrees less closely with the reference than again does (")
    assert "no difference is shown" in rater2.casefold() or "more closely" in rater2
    assert "Dice 0." in again
    assert "40 cases)." in again


def test_no_difference_is_never_called_equality(drawn, section):
    table = drawn.tables["rater_differences"]
    same = table.assign(finding="no difference is shown")
    study = replace(drawn, tables={**drawn.tables, "rater_differences": same})
    assert rater_sentences(study)[0].startswith(
        "No difference is shown between the network and again in how they agree with the reference"
    )
    assert any("no proof that there is none" in text for text in section.after)


def test_what_cannot_be_compared_says_why(drawn):
    table = drawn.tables["rater_differences"]
    lost = table.assign(finding="", difference=np.nan, reason="fewer than 3 subjects")
    study = replace(drawn, tables={**drawn.tables, "rater_differences": lost})
    text = rater_sentences(study)[0]
    assert text == "The network is not compared with again: fewer than 3 subjects."
    assert raters_section(study).grids[2].rows[0][-2:] == ["–", "fewer than 3 subjects"]


def test_a_study_without_raters_has_no_section(analysed):
    assert raters_section(analysed) is None


def test_key_numbers_and_failures_are_of_network_and_reference_alone(drawn):
    assert [one.heading for one in key_numbers(drawn)] == [
        "Predicted volumes against reference volumes"
    ]
    assert {len(line.cells) for line in failure_lines(drawn)} == {2}


def test_a_card_tells_every_rater_and_differences_from_the_reference(drawn):
    volume, mean, _ = cards(drawn)
    assert [one.values for one in volume.results] == [
        "reference volumes",
        "predicted volumes",
        "volumes by again",
        "volumes by rater2",
    ]
    assert [one.values for one in mean.results][1:3] == ["predicted masks", "masks by again"]
    assert [sentence.count("the reference") for _, sentence in mean.conclusions] == [1, 1, 1]
    assert "ppm" in mean.conclusions[0][1]


def test_the_first_lines_speak_of_all_masks(drawn):
    assert cohort(drawn).endswith("Volumes: reference, predicted, again and rater2.")
    text = answer(drawn)
    assert text.startswith("The reference masks show 3 of 3 expected effects, the predicted masks")
    assert "; in 3 comparisons of reference and predicted the effect is " in text
    lines = headlines(drawn)
    assert not [line for line in lines if line.startswith("Volumes of total, rater2")]
    assert " the network measures " in lines[1] or "The network measures " in lines[1]


def test_nothing_of_a_mean_is_called_a_volume_or_in_mm3(drawn):
    mean = cards(drawn)[1]
    sentences = " ".join([mean.claim, *mean.remarks, *(text for _, text in mean.conclusions)])
    sentences += " ".join(f"{one.values} {one.unit} {one.reason}" for one in mean.results)
    assert "volume" not in sentences
    assert "mm" not in sentences
    assert mean.published == "+0.03 ppm"
    assert mean.strip.unit == "ppm"


def test_the_page_links_to_its_sections_and_holds_their_rows(drawn):
    page = Page(page_html(drawn, [], [], title="nuclei"))
    links = [found["href"] for tag, found in page.elements if tag == "a" and "href" in found]
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert {"#raters", "#means-qsm"} <= set(links)
    assert {"raters", "means-qsm"} <= set(ids)
    assert len(ids) == len(set(ids))
    text = " ".join(page.text)
    assert "have further masks by again 40, rater2 32" in text
    assert "less closely with the reference than again" in text
    assert ["left", "predicted"] in [row[:2] for row in page.rows()]


def test_names_of_raters_are_escaped():
    measured = rater_cohort(12)
    odd = "<b>x"
    volumes = {"reference": measured.values["reference"], odd: measured.values["rater2"]}
    renamed = replace(measured.only("volume").with_values(volumes), raters=(odd,))
    assert "<b>x" not in page_html(analyse(renamed), [], [], title="t").replace("&lt;b>x", "")
