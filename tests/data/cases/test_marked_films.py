import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.cases.marked_films import MarkedFilms
from neurotarget.problems import DataError
from neurotarget.types import Target

TARGET = Target("air", ("film",), {"pneumothorax": (1,)}, spacing_px=(1, 1), patch_vox=(8, 8))


def films(root, rows, *, size=(6, 4)):
    for name in dict.fromkeys(row.split(",")[0] for row in rows):
        (root / "films" / name[0]).mkdir(parents=True, exist_ok=True)
        grey = np.full(size[::-1], 7, np.uint8)
        Image.fromarray(grey).save(root / "films" / name[0] / f"{name}.png")
    (root / "train.csv").write_text("\n".join(["ImageId, EncodedPixels", *rows, ""]))
    return root


def obtained(tmp_path, root, **settings):
    return MarkedFilms(str(tmp_path / "made"), **settings).obtain(str(root))


def test_films_below_a_folder_get_masks_and_a_table(tmp_path):
    root = films(tmp_path / "data", ["p1_a,0 2", "p1_a,8 1", "p1_b, -1", "q2,23 1"])
    table = obtained(tmp_path, root, subject=r"(..)")
    assert obtained(tmp_path, root, subject=r"(..)") == table
    found = pd.read_csv(table, sep="\t", dtype=str)
    assert found["finding"].tolist() == ["pneumothorax", "absent", "pneumothorax"]
    cases = read_manifest(table, TARGET).cases
    assert [case.subject_id for case in cases] == ["p1", "p1", "q2"]
    mask = np.asarray(Image.open(cases[0].label))
    assert np.argwhere(mask).tolist() == [[0, 0], [0, 2], [1, 0]]  # row, column


def test_a_data_set_of_another_kind_is_used_as_it_is(tmp_path):
    (tmp_path / "cases.csv").write_text("case_id,film,label\n")
    assert obtained(tmp_path, tmp_path / "cases.csv") == tmp_path / "cases.csv"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (["a,20 5"], r"a: .*found runs up to pixel 25 of 6 × 4 pixels, wanted marks within the"),
        ([f"{name},0 2" for name in "abcdefghij"], "runs of 10 films, none beyond the left half"),
    ],
)
def test_runs_of_another_size_are_one_sentence(tmp_path, rows, found):
    with pytest.raises(DataError, match=found):
        obtained(tmp_path, films(tmp_path / "data", rows))


def test_runs_that_count_another_size_can_be_told(tmp_path):
    table = obtained(tmp_path, films(tmp_path / "data", ["a,0 1"]), marks_px=(3, 2))
    mask = np.asarray(Image.open(pd.read_csv(table, sep="\t")["label"][0]))
    assert mask.sum() == mask[:2, :2].sum() == 4


def test_a_film_that_is_not_there_is_named(tmp_path):
    root = films(tmp_path / "data", ["a,0 1", "b,0 1"])
    (root / "films" / "b" / "b.png").unlink()
    with pytest.raises(DataError, match=r"found no film of 1 of 2 names \(b\)"):
        obtained(tmp_path, root)
