import json
import re

import numpy as np
import pandas as pd
import pytest

from neurotarget.runs.network.predict_scans import predict_scans
from neurotarget.runs.qc.qc_pictures import picture_name
from neurotarget.runs.qc.qc_ranges import usual_sizes
from neurotarget.types import Target
from oracles.runs import TARGET, write_images, write_run

CASES = ["sub-00", "sub-01"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = write_images(tmp_path_factory.mktemp("scans"), CASES)
    for path in folder.glob("*_seg.nii.gz"):
        path.unlink()
    (folder / "broken.nii.gz").write_bytes(b"no scan")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = write_images(tmp_path_factory.mktemp("own"), ["sub-00"])
    return write_run(tmp_path_factory.mktemp("run") / "run", images=images)


@pytest.fixture(scope="module")
def predicted(run, scans, tmp_path_factory):
    return predict_scans(run, scans, tmp_path_factory.mktemp("out") / "out", device="cpu")


def data_of(page):
    html = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="page-data">(.*?)</script>', html, re.DOTALL)[1])


def test_the_page_has_a_row_with_picture_and_volumes_for_every_case(predicted):
    rows = {row[0]: row for row in data_of(predicted.page)["cases"]}
    assert set(rows) == {"broken", *CASES}
    table = pd.read_csv(predicted.table, sep="\t", index_col="case_id")
    for name in CASES:
        _, status, note, picture, values = rows[name]
        assert status == "done"
        assert note == table.loc[name, "note"]
        assert values == pytest.approx(list(table.loc[name, ["core_mm3", "shell_mm3"]]))
        assert (predicted.page.parent / picture).read_bytes().startswith(b"\xff\xd8")  # JPEG
    assert rows["broken"][3] == ""
    assert "unreadable" in rows["broken"][2]


def test_without_qc_nothing_is_drawn_and_a_later_call_makes_it_up(run, scans, tmp_path):
    before = predict_scans(run, scans, tmp_path / "out", device="cpu", qc=False)
    assert before.page is None
    assert not (tmp_path / "out" / "qc").exists()
    maps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("sub-*.nii.gz")}
    after = predict_scans(run, scans, tmp_path / "out", device="cpu")
    assert len([*(tmp_path / "out" / "qc").glob("*.jpg")]) == len(CASES)
    assert after.page.is_file()
    assert {path: path.stat().st_mtime_ns for path in maps} == maps


def test_a_page_that_somebody_has_changed_is_kept(run, scans, tmp_path, caplog):
    done = predict_scans(run, scans, tmp_path / "out", device="cpu")
    done.page.write_text("mine")
    again = predict_scans(run, scans, tmp_path / "out", device="cpu")
    assert again.page is None
    assert done.page.read_text() == "mine"
    assert "changed since it was written" in caplog.text


def test_names_of_pictures_suit_every_file_system_and_tell_cases_apart():
    hostile = ["a/b", "a:b", "A", "a", "..", "x" * 300, "ä"]
    names = [picture_name(one) for one in hostile]
    assert len({name.casefold() for name in names}) == len(hostile)
    assert all(re.fullmatch(r"[\w.-]{1,93}\.jpg", name, re.ASCII) for name in names)


def test_the_usual_range_is_that_of_the_references_of_a_run(tmp_path):
    six = [f"c-{number}" for number in range(6)]
    run = write_run(tmp_path / "run", cases=six, test=six)
    rows = pd.read_csv(run / "rows.csv")
    is_core = (rows["metric"] == "reference_volume_mm3") & (rows["label"] == "core")
    rows.loc[is_core, "value"] = np.arange(10.0, 16.0)
    rows.to_csv(run / "rows.csv", index=False)
    target = Target(**{key: value for key, value in TARGET.items() if key != "_target_"} | PARSED)
    usual = usual_sizes([run, tmp_path / "none"], target)
    assert usual.ranges["core"] == (10.0, 15.0)
    assert "6 held-out cases" in usual.source


PARSED = {
    "labels": {"core": (1,), "shell": (2,)},
    "contrasts": ("t1",),
    "spacing_mm": (1.0, 1.0, 1.0),
    "patch_vox": (16, 16, 16),
    "hypotheses": (),
}


def test_of_few_references_the_range_is_that_of_the_target(run):
    plain = {key: value for key, value in TARGET.items() if key != "_target_"} | PARSED
    target = Target(**plain, volume_range_mm3={"core": (1.0, 2.0)})
    usual = usual_sizes([run], target)
    assert usual.ranges == {"core": (1.0, 2.0)}
    assert usual.source == "plausible range of the target"
