import math

import pandas as pd
import pytest

from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.tables.findings import findings_table
from neurotarget.types import Row, Target

TARGET = Target("air", ("film",), {"air": (1,)}, spacing_px=(1, 1), patch_vox=(8, 8))


def table_of(cases):
    """Rows of (reference size, predicted size, Dice) a case; None: no mask was predicted."""
    rows = []
    for number, (size, found, dice) in enumerate(cases):
        who = (f"c{number:02}", f"s{number:02}", "test", "air")
        scores = {"reference_area_px": size, "area_px": math.nan if found is None else found}
        pieces = float(bool(found)) * 2
        scores |= {"dice": dice, "pieces": pieces, "failed": float(found is None)}
        rows += [Row(*who, metric, float(value), "") for metric, value in scores.items()]
    known = pd.DataFrame(index=pd.Index([], name="case_id"))
    return findings_table(from_rows(pd.DataFrame(rows, columns=list(Row._fields)), TARGET, known))


NAN = math.nan
CASES = [
    *((10, 0, 0.0), (20, 8, 0.5), (30, 30, 0.8), (40, 30, 0.7), (50, 45, 0.9), (60, 60, 1.0)),
    *((0, 0, NAN), (0, 0, NAN), (0, 0, NAN), (0, 5, 0.0), (0, 0, NAN), (0, 0, NAN)),
]


def at(table, statistic, sizes="all"):
    (row,) = table[(table["statistic"] == statistic) & (table["sizes"] == sizes)].itertuples()
    return row


def test_sensitivity_specificity_and_auroc_are_of_the_masks():
    table = table_of(CASES)
    assert at(table, "sensitivity").value == pytest.approx(5 / 6)
    assert at(table, "sensitivity", "smallest third").value == 0.5
    assert at(table, "sensitivity", "largest third").value == 1
    assert at(table, "specificity").value == pytest.approx(5 / 6)
    assert at(table, "auroc").value == pytest.approx((5 * 6 + 2.5) / 36)
    assert at(table, "auroc").interval == "DeLong"
    assert at(table, "false_pieces").value == pytest.approx(2 / 6)


def test_dice_of_positive_cases_and_that_which_credits_empty_masks_differ():
    table = table_of(CASES)
    assert at(table, "dice_positive").value == pytest.approx(3.9 / 6)
    assert at(table, "dice_siim").value == pytest.approx((3.9 + 5) / 12)


def test_a_lost_mask_is_no_hit_and_has_no_auroc():
    table = table_of([*CASES, (70, None, 0.0)])
    assert at(table, "sensitivity").value == pytest.approx(5 / 7)
    assert (at(table, "auroc").n, at(table, "auroc").n_missing) == (12, 1)


def test_a_failed_prediction_of_a_negative_case_is_wrong_and_has_no_pieces():
    table = table_of([*CASES, (0, None, NAN)])
    assert at(table, "specificity").value == pytest.approx(5 / 7)
    assert at(table, "false_pieces").value == pytest.approx(2 / 6)
    assert (at(table, "false_pieces").n, at(table, "false_pieces").n_missing) == (6, 1)


def test_there_is_no_table_where_every_case_has_the_label():
    assert table_of(CASES[:6]).empty
