"""Columns that a person takes for one, in every reader of tables."""

import pytest

from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.tables.columns import alike_columns, masked_columns, plain_name
from neurotarget.data.tables.text_table import read_text_table

ALIKE = {
    "case": ("label", "Label"),
    "blank": ("label", "la bel"),
    "no-break space": ("label", "label\u00a0"),
    "zero-width space": ("label", "la\u200bbel"),
    "Cyrillic": ("label", "l\u0430bel"),
    "full width": ("label", "\uff4cabel"),
    "composed": ("gr\u00f6sse", "gro\u0308sse"),
    "capital": ("TH", "\u0422\u041d"),
}


@pytest.mark.parametrize("pair", ALIKE.values(), ids=ALIKE)
def test_names_that_read_alike_are_one(pair):
    assert plain_name(pair[0]) == plain_name(pair[1])
    (lines,) = alike_columns([*pair, "age"])
    assert all(repr(name) in lines for name in pair)


@pytest.mark.parametrize("pair", [("t1", "t2"), ("left_mm3", "leftmm3"), ("Ø", "O"), ("é", "e")])
def test_names_that_differ_stay_apart(pair):
    assert alike_columns(pair) == []


@pytest.mark.parametrize("column", ["label", "t1", "label_anna", "age", "case_id", "split"])
@pytest.mark.parametrize("change", [str.upper, lambda name: name.replace("a", "\u0430")])
def test_a_manifest_with_two_columns_that_read_alike_is_refused(tmp_path, target, column, change):
    names = dict.fromkeys(["case_id", "t1", "label", "label_anna", "age", "split", column])
    other = change(column)
    if other == column:
        pytest.skip("no such letter")
    head = ",".join([*names, other])
    (tmp_path / "a.csv").write_text(f"{head}\n{',' * len(names)}\n", encoding="utf-8")
    _, problems = scan_manifest(tmp_path / "a.csv", target)
    lines = [str(problem) for problem in problems if problem.level == "error"]
    assert any(repr(column) in line and repr(other) in line for line in lines)


def test_one_column_that_only_looks_like_a_known_one_is_refused(tmp_path, target):
    assert masked_columns(["l\u0430bel", "Label", "age"], ["label"]) == {"l\u0430bel": "label"}
    (tmp_path / "a.csv").write_text("case_id,t1,l\u0430bel\na,a.nii,b.nii\n", encoding="utf-8")
    _, problems = scan_manifest(tmp_path / "a.csv", target, need_files=False)
    lines = "\n".join(map(str, problems))
    assert r"found the column 'l\u0430bel', which only looks like label, wanted label" in lines


def test_a_reserved_column_in_another_case_is_read(tmp_path, target):
    (tmp_path / "a.csv").write_text("Case_ID,T1,Label\na,a.nii,b.nii\n", encoding="utf-8")
    manifest, _ = scan_manifest(tmp_path / "a.csv", target, need_files=False)
    assert manifest.cases[0].label == tmp_path / "b.nii"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_every_table_is_asked(tmp_path, name):
    (tmp_path / name).write_text("id\tAge\tage\n1\t2\t3\n".replace("\t", "\t,"[".csv" in name]))
    (problem,) = read_text_table(tmp_path / name).problems
    assert problem.level == "error"
    assert "'Age' and 'age', which cannot be told apart" in problem.found


def test_control_characters_are_in_no_table(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"case_id,t1\na,\x1b[31m.nii\n")
    (problem,) = read_text_table(tmp_path / "a.csv").problems
    assert "control characters in line 2" in problem.found
