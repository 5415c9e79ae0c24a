import numpy as np
import pytest
from PIL import Image

from neurotarget.data.cases.graded_knees import GradedKnees
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.problems import DataError
from neurotarget.types import Target

TARGET = Target(
    "knee",
    ["film"],
    {},
    patch_vox=[8, 8],
    spacing_px=[1.0, 1.0],
    outcomes={"osteoarthritis": {"kind": "binary", "classes": ["absent", "present"]}},
)
ROWS = [
    ("train", "11L.jpg", "11", "L", "0"),
    ("train", "11R.jpg", "11", "R", "1"),
    ("train", "12L.jpg", "12", "L", "2"),
    ("val", "13R.jpg", "13", "R", "4"),
]


def films(folder, rows=ROWS, *, lacks=(), columns="split,image,participant,side,kl"):
    for split, name, *_ in rows:
        if name not in lacks:
            (folder / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), 100, np.uint8)).save(folder / split / name)
    (folder / "labels.csv").write_text("\n".join([columns, *map(",".join, rows)]))
    return folder


def obtained(tmp_path, *rows, **how):
    root = films(tmp_path / "theirs", rows or ROWS, **how)
    return GradedKnees(str(tmp_path / "sets")).obtain(str(root))


def test_from_grade_2_a_film_shows_osteoarthritis_and_val_is_held_out(tmp_path):
    cases = read_manifest(obtained(tmp_path), TARGET).cases
    found = [case.covariates["osteoarthritis"] for case in cases]
    assert found == ["absent", "absent", "present", "present"]
    assert [case.split for case in cases] == ["train", "train", "train", "test"]
    assert [case.subject_id for case in cases] == ["11", "11", "12", "13"]
    assert cases[3].images["film"] == tmp_path / "theirs" / "val" / "13R.jpg"


def test_a_data_set_with_a_test_split_keeps_all_three(tmp_path):
    table = obtained(tmp_path, *ROWS, ("test", "14L.jpg", "14", "L", "3"))
    splits = [case.split for case in read_manifest(table, TARGET).cases]
    assert splits == ["train", "train", "train", "val", "test"]


def test_all_wrong_rows_are_listed_at_once(tmp_path):
    rows = [
        *ROWS,
        ("train", "15L.jpg", "15", "L", "5"),
        ("training", "16L.jpg", "16", "L", "0"),
        ("val", "13R.jpg", "13", "R", "4"),
        ("train", "17L.jpg", "17", "L", "1"),
    ]
    with pytest.raises(DataError, match="15L") as caught:
        obtained(tmp_path, *rows, lacks=["17L.jpg"])
    found = [problem.found for problem in caught.value.problems]
    assert found == ["grade '5'", "split 'training'", "two rows", "no film"]


def test_missing_columns_are_named(tmp_path):
    with pytest.raises(DataError, match="no column kl"):
        obtained(tmp_path, columns="split,image,participant,side,grade")


def test_data_of_another_layout_are_returned_as_given(tmp_path):
    assert GradedKnees(str(tmp_path / "sets")).obtain(str(tmp_path)) == tmp_path
