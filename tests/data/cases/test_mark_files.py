import json
import os
from pathlib import Path

import pytest

from neurotarget.data.cases.mark_files import read_marks
from neurotarget.problems import DataError

SHARED = Path(os.environ.get("NEUROTARGET_DATA", "../shared/data"))


def listed(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_several_rows_of_siims_table_are_one_film(tmp_path):
    text = "ImageId, EncodedPixels\n1.2.3, 4 2 3 1\n1.2.3,0 1\n1.2.4, -1\n"
    marks = read_marks(listed(tmp_path / "a.csv", text), "pneumothorax")
    assert [runs.tolist() for runs in marks["1.2.3"].runs] == [[[4, 2], [9, 1]], [[0, 1]]]
    assert len(marks["1.2.4"].runs) == 0


def test_coco_gives_outlines_runs_and_the_size_of_a_film(tmp_path):
    content = {
        "images": [
            {"id": 5, "file_name": "d/a.png", "width": 9, "height": 8},
            {"id": 6, "file_name": "b.png", "width": 9, "height": 8},
        ],
        "categories": [{"id": 1, "name": "Pneumothorax"}, {"id": 2, "name": "Mass"}],
        "annotations": [
            {"image_id": 5, "category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2]]},
            {"image_id": 5, "category_id": 1, "segmentation": {"counts": [3, 2], "size": [8, 9]}},
            {"image_id": 6, "category_id": 2, "segmentation": [[0, 0, 2, 0, 2, 2]]},
        ],
    }
    marks = read_marks(listed(tmp_path / "a.json", content), "pneumothorax")
    assert marks["a"].outlines[0].tolist() == [[0, 0], [2, 0], [2, 2]]
    assert marks["a"].runs[0].tolist() == [[3, 2]]
    assert marks["a"].size_px == (9, 8)
    assert not marks["b"].runs
    assert not marks["b"].outlines


def test_chestx_det_gives_the_polygons_of_one_finding(tmp_path):
    polygons = [[[0, 0], [2, 0], [2, 2]], [[5, 5], [6, 5], [6, 6]]]
    film = {"file_name": "1.png", "syms": ["Mass", "Pneumothorax"], "polygons": polygons}
    other = {"file_name": "2.png", "syms": ["Mass"], "polygons": []}
    marks = read_marks(listed(tmp_path / "a.json", [film, other]), "pneumothorax")
    assert [one.tolist() for one in marks["1"].outlines] == [polygons[1]]
    assert not marks["2"].outlines


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", "ImageId,Other\na,1\n", "the columns ImageId, Other"),
        ("a.csv", "ImageId,EncodedPixels\na,1 2 3\n", "3 numbers in line 2"),
        ("a.json", {"some": 1}, "JSON of another kind"),
        ("a.json", "{", "unreadable marks"),
        ("a.json", [{"file_name": "1.png", "syms": ["a"], "polygons": [[], []]}], "2 polygons of"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, name, content, found):
    with pytest.raises(DataError, match=found):
        read_marks(listed(tmp_path / name, content), "pneumothorax")


def test_the_real_polygons_are_211_on_189_films():
    path = SHARED / "chestx_det" / "chestx_det_pneumothorax_polygons.json"
    if not path.is_file():
        pytest.skip(f"the polygons of ChestX-Det are not at {path}")
    marks = read_marks(path, "pneumothorax")
    assert (len(marks), sum(len(one.outlines) for one in marks.values())) == (189, 211)
