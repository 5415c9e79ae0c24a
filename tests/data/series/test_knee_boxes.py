import gzip

import pytest

from neurotarget.data.series.knee_boxes import Box, of_finding, read_boxes
from neurotarget.problems import DataError

HEAD = "file,slice,study_level,x,y,width,height,label\n"


def table(folder, *lines):
    path = folder / "knee.csv"
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return path


def test_boxes_are_read_by_exam_and_rows_of_whole_exams_have_none(tmp_path):
    path = table(
        tmp_path,
        "file1,14,No,90,173,35,10,Meniscus Tear",
        "file1,15,No,93,173,39,10,Ligament - ACL High Grade Sprain",
        "file2,0,Yes,,,,,artifact",
    )
    boxes = read_boxes(path)
    assert [*boxes] == ["file1"]
    assert boxes["file1"][0] == Box(14, 90, 173, 35, 10, "Meniscus Tear")


def test_boxes_of_a_finding_are_those_of_its_name_or_else_all():
    boxes = {
        "a": [Box(1, 0, 0, 2, 2, "Displaced Meniscal Tissue")],
        "b": [Box(1, 0, 0, 2, 2, "Ligament - ACL Low Grade sprain")],
    }
    assert [*of_finding(boxes, "meniscus")] == ["a"]
    assert [*of_finding(boxes, "acl")] == ["b"]
    assert of_finding(boxes, "abnormal") == boxes


def test_all_wrong_boxes_are_listed_at_once(tmp_path):
    path = table(
        tmp_path, "a,1,No,-3,0,5,5,x", "b,1.5,No,3,0,5,5,x", "c,1,No,3,0,-1,5,x", "d,1,No,1,1,1,1,x"
    )
    with pytest.raises(DataError, match=r"a: .*x -3.*wanted whole numbers") as refused:
        read_boxes(path)
    assert len(refused.value.problems) == 3


def test_boxes_that_begin_a_row_above_are_cut_and_those_without_a_voxel_left_out(tmp_path, caplog):
    path = table(tmp_path, "a,1,No,4,-1,5,6,x", "b,1,No,4,4,5,0,x")
    assert read_boxes(path) == {"a": [Box(1, 4, 0, 5, 5, "x")]}
    assert "a box of b on slice 1 has no voxel" in caplog.text


def test_another_table_is_refused_with_the_columns_that_are_wanted(tmp_path):
    (tmp_path / "knee.csv").write_text("case_id,x\na,1\n")
    with pytest.raises(DataError, match=r"no column file, slice, .*wanted those of fastMRI"):
        read_boxes(tmp_path / "knee.csv")


def test_the_real_table_is_read(shared_data, tmp_path):
    packed = shared_data / "knee_labels" / "fastmri_plus_knee.csv.gz"
    path = tmp_path / "knee.csv"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    boxes = read_boxes(path)
    assert sum(map(len, boxes.values())) == 16153
    assert sum(map(len, of_finding(boxes, "acl").values())) == 765 + 678
    assert sum(map(len, of_finding(boxes, "meniscus").values())) == 5658 + 232
