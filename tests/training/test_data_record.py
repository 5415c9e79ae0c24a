"""Scans and masks that changed between two sittings of a run."""

import json

import pytest

from neurotarget.data.batches.prepare import content_hashes
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.problems import DataError
from neurotarget.training.data_record import FILE, keep_contents
from neurotarget.types import Target

BEFORE = {"sub-01": "a", "sub-02": "b", "sub-03": "c"}


def test_changed_cases_are_refused_by_name_and_the_record_stays(tmp_path):
    keep_contents(tmp_path, BEFORE, resumed=False, accepted=False)
    now = BEFORE | {"sub-02": "x", "sub-03": "y"}
    with pytest.raises(DataError, match=r"changed since this run began \(sub-02, sub-03\)"):
        keep_contents(tmp_path, now, resumed=True, accepted=False)
    assert json.loads((tmp_path / FILE).read_text())["cases"] == BEFORE


def test_accepted_changes_are_printed_and_kept(tmp_path, capsys):
    keep_contents(tmp_path, BEFORE, resumed=False, accepted=False)
    now = BEFORE | {"sub-02": "x"}
    keep_contents(tmp_path, now, resumed=True, accepted=True)
    assert "1 cases have changed: sub-02" in capsys.readouterr().out
    keep_contents(tmp_path, now, resumed=True, accepted=False)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"cases": 3}'])
def test_a_run_without_a_record_resumes_and_gets_one(tmp_path, text):
    if text is not None:
        (tmp_path / FILE).write_text(text)
    keep_contents(tmp_path, BEFORE, resumed=True, accepted=False)
    assert json.loads((tmp_path / FILE).read_text())["cases"] == BEFORE


@pytest.mark.parametrize("name", ["a.nii.gz", "a_seg.nii.gz"])
def test_scan_and_mask_count_and_where_they_lie_does_not(tmp_path, name):
    found = []
    for place in ("first", "second", "third"):
        folder = tmp_path / place
        folder.mkdir()
        for file in ("a.nii.gz", "a_seg.nii.gz"):
            (folder / file).write_text("other" if place == "third" and file == name else file)
        (folder / "m.tsv").write_text("case_id\tt1\tlabel\na\ta.nii.gz\ta_seg.nii.gz\n")
        target = Target("ball", ("t1",), {"core": 1}, (1.0, 1.0, 1.0), (8, 8, 8))
        found.append(content_hashes(read_manifest(folder / "m.tsv", target), target, tmp_path))
    assert found[0] == found[1] != found[2]
