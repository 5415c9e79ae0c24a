import importlib.util
import math
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.data.manifest import read_manifest
from neurotarget.evaluate import evaluate, read_rows, score_case, write_rows
from neurotarget.types import Case, DataError, Manifest, Row, Target

spec = importlib.util.spec_from_file_location(
    "make_rows", Path(__file__).parent / "golden" / "make_rows.py"
)
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return golden.score(tmp_path_factory.mktemp("golden"))


@pytest.fixture
def folder(tmp_path):
    golden.write_cases(tmp_path)
    return tmp_path


def values(rows, case_id, label):
    return {row.metric: row.value for row in rows if (row.case_id, row.label) == (case_id, label)}


def score_only(folder, *case_ids, **options):
    cases = [case for case in golden.write_cases(folder).cases if case.case_id in case_ids]
    splits = dict.fromkeys(case_ids, "test")
    manifest = Manifest(tuple(cases), folder / "cases.csv")
    return evaluate(manifest, folder / "predictions", golden.TARGET, splits, **options)


def test_scores_equal_the_golden_rows(scored, tmp_path):
    write_rows(scored, tmp_path / "rows.csv")
    pd.testing.assert_frame_equal(
        read_rows(tmp_path / "rows.csv"), read_rows(golden.GOLDEN), rtol=1e-6, atol=1e-9
    )


def test_a_case_is_scored_as_counted_by_hand(scored):
    shifted = values(scored, "shifted", "left")  # one voxel of 0.9 mm along a side of four
    assert shifted["dice"] == pytest.approx(0.75)
    assert shifted["hd95_mm"] == pytest.approx(0.9)
    assert shifted["volume_mm3"] == pytest.approx(60 * 0.9 * 0.9 * 1.5)
    assert shifted["volume_error_mm3"] == pytest.approx(0)
    grown = values(scored, "grown", "right")  # six voxels long where four are true
    assert (grown["precision"], grown["recall"]) == pytest.approx((4 / 6, 1))
    assert grown["volume_error_percent"] == pytest.approx(50)


def test_merged_ids_are_one_label(scored):
    assert values(scored, "same", "right")["dice"] == 1


@pytest.mark.parametrize("case_id", ["missing", "unread"])
def test_a_case_without_a_usable_prediction_is_a_counted_failure(scored, case_id):
    found = values(scored, case_id, "left")
    assert (found["dice"], found["failed"]) == (0, 1)
    assert math.isnan(found["hd95_mm"])
    assert math.isnan(found["volume_mm3"])
    assert found["reference_volume_mm3"] == pytest.approx(72.9)


def test_a_label_that_is_missed_has_failed_and_one_that_is_not_there_has_not(scored):
    missed, absent = (values(scored, f"half_{kind}", "right") for kind in ("missed", "absent"))
    assert (missed["dice"], missed["failed"], missed["volume_error_percent"]) == (0, 1, -100)
    assert math.isnan(absent["dice"])
    assert (absent["failed"], absent["volume_mm3"]) == (0, 0)


def test_a_case_without_a_reference_has_its_volumes(scored):
    assert values(scored, "no_reference", "left") == {
        "volume_mm3": pytest.approx(72.9),
        "failed": 0,
    }


def test_a_failure_is_named(folder, caplog):
    score_only(folder, "same", "missing")
    assert "missing" in caplog.text
    assert "no such file" in caplog.text


def test_only_the_splits_asked_for_are_scored(folder):
    manifest = golden.write_cases(folder)
    splits = {"same": "test", "grown": "val", "shifted": "train"}
    rows = evaluate(manifest, folder / "predictions", golden.TARGET, splits, which=("val", "test"))
    assert {(row.case_id, row.split) for row in rows} == {("same", "test"), ("grown", "val")}


def test_threads_change_nothing(folder):
    names = ("same", "shifted", "grown", "missing")
    one, four = (score_only(folder, *names, workers=number) for number in (1, 4))
    assert [row[:5] for row in one] == [row[:5] for row in four]
    assert [row.value for row in one] == pytest.approx([row.value for row in four], nan_ok=True)


def test_no_case_to_score_is_refused(folder):
    manifest = golden.write_cases(folder)
    with pytest.raises(DataError, match="found no case in test, wanted one to score"):
        evaluate(manifest, folder / "predictions", golden.TARGET, {"same": "train"})


def test_everything_that_cannot_be_compared_is_told_at_once(folder):
    moved = golden.affine()
    moved[0, 3] += 2
    shared = {"same": (golden.brick(), moved), "grown": (golden.brick()[1:], golden.affine())}
    shared["shifted"] = (golden.brick(ids=(3, 9)), golden.affine())
    golden.write_cases(folder)
    for case_id, (array, affine) in shared.items():
        nib.save(nib.Nifti1Image(array, affine), folder / "predictions" / f"{case_id}.nii.gz")
    cases = tuple(
        Case(case_id, case_id, {}, folder / f"{case_id}_label.nii.gz") for case_id in shared
    )
    manifest = Manifest(cases, folder)
    splits = dict.fromkeys(shared, "test")
    with pytest.raises(DataError, match=r"same: .*at another place") as caught:
        evaluate(manifest, folder / "predictions", golden.TARGET, splits)
    assert [problem.case_id for problem in caught.value.problems] == ["same", "grown", "shifted"]
    assert "19 × 14 × 10 voxels" in str(caught.value)
    assert "label values 9" in str(caught.value)


def test_a_broken_reference_is_an_error_and_no_failure(folder):
    (folder / "same_label.nii.gz").write_bytes(b"not a scan")
    case = Case("same", "s", {}, folder / "same_label.nii.gz")
    with pytest.raises(DataError, match=r"same: .*unreadable"):
        evaluate(Manifest((case,), folder), folder / "predictions", golden.TARGET, {"same": "test"})


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [
        Row("007", "NA", "test", "nan", "dice", 1 / 3, ""),
        Row('a,"b"', "s", "test", "left", "hd95_mm", math.nan, "mm"),
    ]
    write_rows(rows, tmp_path / "new" / "rows.csv")
    table = read_rows(tmp_path / "new" / "rows.csv")
    assert list(table["case_id"]) == ["007", 'a,"b"']
    assert list(table.iloc[0]) == list(rows[0])
    assert math.isnan(table["value"][1])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "found no table of rows"),
        ("case_id,value\na,1\n", "found no column subject_id, split, label, metric, unit"),
        (",".join(Row._fields) + "\na,a,test,left,dice,high,\n", "found no table of rows"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused(tmp_path, text, message):
    path = tmp_path / "rows.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_rows(path)


def test_a_small_target_in_a_large_scan_is_scored_in_a_moment():
    truth = np.zeros((256, 256, 256), dtype=np.uint8)
    truth[120:132, 118:130, 90:98] = 1
    pred = np.roll(truth, 1, axis=0)
    target = Target("gland", ("t1",), {"gland": (1,)}, (1, 1, 1), (32, 32, 32))
    begin = time.perf_counter()
    rows = score_case(
        Case("a", "a", {}), truth, pred, target, affine=np.eye(4), spacing_mm=(1.0, 1.0, 1.0)
    )
    assert time.perf_counter() - begin < 1
    assert values(rows, "a", "gland")["dice"] == pytest.approx(11 / 12)


def test_real_hippocampi_moved_by_a_voxel_score_alike(shared_data, tmp_path):
    target = Target(
        "hippocampus", ("t1",), {"anterior": (1,), "posterior": (2,)}, (1, 1, 1), (40, 56, 40)
    )
    whole = read_manifest(shared_data / "hippocampus", target)
    manifest = Manifest(whole.cases[:6], whole.source, whole.label_ids)
    for case in manifest.cases:
        label = nib.load(case.label)
        moved = np.roll(np.asarray(label.dataobj), 1, axis=1).astype(np.uint8)
        nib.save(nib.Nifti1Image(moved, label.affine), tmp_path / f"{case.case_id}.nii.gz")
    splits = dict.fromkeys((case.case_id for case in manifest.cases), "test")
    table = pd.DataFrame(evaluate(manifest, tmp_path, target, splits), columns=Row._fields)
    means = table.groupby("metric")["value"].mean()
    assert 0.8 < means["dice"] < 0.95
    assert means["hd95_mm"] == pytest.approx(1, abs=0.01)
    assert means["volume_error_abs_mm3"] == 0
