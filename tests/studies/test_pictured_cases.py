"""Which cases a report shows."""

import pandas as pd

from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.results import Study
from neurotarget.studies.pictured_cases import choose_cases
from neurotarget.types import Row, Target

TARGET = Target("air", ("film",), {"air": (1,)}, spacing_px=(1, 1), patch_vox=(8, 8))
NAN = float("nan")
FILMS = {  # Dice, reference, prediction in px
    "healthy": (NAN, 0, 0),
    "found": (0.8, 50, 45),
    "missed": (0.0, 40, 0),
    "false": (0.0, 0, 90),
    "small": (0.0, 0, 3),
}


def a_study(failed=()):
    rows = [
        Row(name, name, "test", "air", metric, value, "")
        for name, values in FILMS.items()
        for metric, value in zip(("dice", "reference_area_px", "area_px"), values, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(Row._fields)).astype({"value": float})
    measured = from_rows(table, TARGET, pd.DataFrame(columns=["subject_id"]))
    lines = pd.DataFrame({"case_id": list(failed), "definition": "lost"})
    return Study(measured, {"failed_cases": lines}, (), {}, None)


def test_false_and_missed_masks_come_first_the_largest_foremost():
    chosen = choose_cases(a_study(), 4)
    assert list(chosen)[:3] == ["false", "missed", "small"]
    assert chosen["false"] == "worst"


def test_a_film_that_rightly_has_no_mask_is_not_shown_as_the_worst():
    assert "healthy" not in choose_cases(a_study(), 9)


def test_failed_cases_are_in_the_same_order():
    chosen = choose_cases(a_study(failed=("small", "missed", "false")), 6)
    assert list(chosen)[:2] == ["false", "missed"]
