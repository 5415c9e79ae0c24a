"""What a run says of the post-processing that it has learned."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from neurotarget.inference.postprocess import Postprocessing
from neurotarget.report.pages.study_page import page_html
from neurotarget.report.sections.postprocessing import (
    postprocessing_facts,
    postprocessing_line,
    postprocessing_section,
    postprocessing_text,
    trials_table,
)
from neurotarget.size_units import PIXELS
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from oracles.held_out_parts import rows_of, target

BEFORE_AFTER = {"dice_before": 0.9, "dice_after": 0.924, "in_pieces_before": 4}
CHANGE = {"label": "anterior", "n": 7, **BEFORE_AFTER, "in_pieces_after": 1}
TRIAL = {"step": "largest_pieces", "label": "anterior", "pieces": 1, "size_mm3": None}
TRIAL |= {"kept": True}


def a_record(steps, **how):
    changes = [{**CHANGE, "hd95_before_mm": 12.0, "hd95_after_mm": 3.25}]
    changes += [
        {"label": "posterior", "n": 7, "dice_before": 0.8, "dice_after": 0.8}
        | {"in_pieces_before": 0, "in_pieces_after": 0}
        | {"hd95_before_mm": None, "hd95_after_mm": None}
    ]
    trials = [
        TRIAL | {"reason": "", "n": 7} | BEFORE_AFTER | {"in_pieces_after": 1},
        TRIAL
        | {"step": "smallest_piece_mm3", "pieces": None, "size_mm3": 31.6, "kept": False}
        | {"reason": "mean Dice falls", "n": 7, "dice_before": 0.924, "dice_after": 0.91}
        | {"in_pieces_before": 1, "in_pieces_after": 1},
        TRIAL
        | {
            "step": "fill_holes",
            "pieces": None,
            "kept": False,
            "reason": "no validation case gains",
            "n": 7,
        }
        | {"dice_before": None, "dice_after": None, "in_pieces_before": 1, "in_pieces_after": 1},
    ]
    return {
        "steps": steps.as_dict(),
        "n_cases": 7,
        "changes": changes,
        "trials": trials,
        **how,
    }


LARGEST = Postprocessing(largest_pieces={"anterior": 1})


def test_one_line_says_what_is_kept_and_what_it_changes():
    line = postprocessing_line(a_record(LARGEST))
    assert line == (
        "postprocess  largest piece only (anterior): on 7 validation cases Dice 0.850 → 0.862, "
        "4 → 1 of 14 masks in too many pieces"
    )


def test_the_line_says_why_nothing_is_kept():
    none = Postprocessing()
    assert "nothing kept: no step helps on 7 validation cases" in postprocessing_line(
        a_record(none)
    )
    few = a_record(none, n_cases=1, changes=[], trials=[])
    assert (
        postprocessing_line(few) == "postprocess  nothing learned from 1 validation case: too few"
    )
    text = postprocessing_text(postprocessing_facts(few))
    assert text == "Post-processing: none (too few: 1 validation case)"


def test_the_terminal_shows_labels_that_a_step_may_change():
    steps = Postprocessing(True, {"anterior": 1}, {"posterior": 5.0}, ("anterior",))
    text = postprocessing_text(postprocessing_facts(a_record(steps)))
    _, _, row, kept = text.splitlines()
    assert row.split() == ["anterior", "0.900", "0.924", "4", "1", "12.00", "3.25"]
    assert kept == (
        "kept: largest piece of all labels together; largest piece only (anterior); holes filled "
        "(anterior); no pieces below 5 mm³ (posterior)"
    )


@pytest.fixture
def reported():
    """The study of a run that has tried steps."""
    known = pd.DataFrame(index=pd.Index([], name="case_id"))
    study = analyse(from_rows(rows_of(["test"] * 4), target([]), known))
    tables = {**study.tables, "postprocessing": trials_table(a_record(LARGEST))}
    return replace(study, tables=tables)


def test_the_page_shows_what_was_tried(reported):
    section = postprocessing_section(reported)
    assert section.findings == ["Kept: largest piece only (anterior)."]
    assert section.grids[0].rows == [
        ["largest piece only", "anterior", "kept", "7", "0.9000", "0.9240", "4", "1"],
        ["no pieces below 31.6 mm³", "anterior", "no: mean Dice falls", "7", "0.9240", "0.9100",
         "1", "1"],
    ]  # fmt: skip
    assert section.after == ["1 more trial, without effect or left out for space: see the tables."]
    page = page_html(reported, [], [], title="t")
    assert 'href="#postprocessing"' in page


def test_a_study_without_a_run_says_nothing_of_it(study):
    assert postprocessing_section(study) is None
    assert len(trials_table({})) == len(trials_table({"trials": "broken"})) == 0


def in_pixels(record):
    """The record as a run of pictures has it."""
    text = json.dumps(record).replace("_mm3", "_px").replace("_mm", "_px")
    return json.loads(text) | {"size_units": PIXELS}


def test_of_pictures_all_sizes_are_in_pixels():
    steps = Postprocessing(largest_pieces={"anterior": 2}, smallest_piece_mm3={"posterior": 5.0})
    record = in_pixels(a_record(steps))
    assert "2 largest pieces only (anterior); no pieces below 5 px" in postprocessing_line(record)
    text = postprocessing_text(postprocessing_facts(record))
    assert "HD95 px before" in text
    assert "mm" not in text
    assert text.splitlines()[2].split()[-2:] == ["12.00", "3.25"]
    table = trials_table(record)
    assert table["size_px"].tolist()[1] == 31.6
    assert "size_mm3" not in table


def test_a_record_of_an_older_version_is_read():
    record = a_record(LARGEST)
    record["steps"] = {"largest_together": False, "largest_piece": ["anterior"]}
    record["steps"] |= {"smallest_piece_mm3": {}, "fill_holes": []}
    assert "postprocess  largest piece only (anterior): on" in postprocessing_line(record)
