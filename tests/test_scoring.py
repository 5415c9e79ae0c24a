import importlib.util
import math
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.metrics.case import score_case
from neurotarget.metrics.rater_rows import Further
from neurotarget.problems import DataError
from neurotarget.scoring import distances_by, evaluate, measure, read_rows, write_rows
from neurotarget.types import Case, Manifest, Row, Target

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


def test_rows_say_what_distances_are_measured_by(scored, tmp_path):
    write_rows(scored, tmp_path / "rows.csv")
    rows = read_rows(tmp_path / "rows.csv")
    assert distances_by(rows) == "surface elements"
    assert distances_by(rows.assign(unit="")) == "surface voxels"
    assert distances_by(rows[rows["metric"] == "dice"]) == ""


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


def test_a_case_without_a_reference_has_what_its_prediction_says_alone(scored):
    assert values(scored, "no_reference", "left") == {
        "volume_mm3": pytest.approx(72.9),
        "failed": 0,
        "pieces": 1,
        "touches_edge": 0,
        "swapped": 1,  # by the affine, which runs to the left
    }


def test_a_stray_voxel_is_a_second_piece_and_may_lie_on_the_edge(scored):
    stray = values(scored, "stray", "left")
    assert (stray["pieces"], stray["touches_edge"]) == (2, 1)
    assert (stray["reference_pieces"], stray["reference_touches_edge"]) == (1, 0)


def test_a_reference_tells_swapped_sides_whatever_the_affine_says(scored):
    for label in ("left", "right"):
        assert values(scored, "swapped", label)["swapped"] == 1
        assert values(scored, "same", label)["swapped"] == 0
        assert values(scored, "same", label)["reference_swapped"] == 1


def test_what_is_not_predicted_has_no_piece_and_no_side(scored):
    missed, missing = values(scored, "half_missed", "right"), values(scored, "missing", "right")
    assert (missed["pieces"], missed["touches_edge"], missed["swapped"]) == (0, 0, 0)
    assert all(math.isnan(missing[metric]) for metric in ("pieces", "touches_edge", "swapped"))
    assert (missing["reference_pieces"], missing["reference_swapped"]) == (1, 1)


def test_only_labels_in_pairs_have_sides():
    truth = np.zeros((6, 6, 6), dtype=np.uint8)
    truth[1:3, 1:3, 1:3] = 1
    target = Target("gland", ("t1",), {"gland": (1,)}, (1, 1, 1), (4, 4, 4))
    rows = score_case(
        Case("a", "a", {}), truth, truth, target, affine=np.eye(4), spacing_mm=(1.0, 1.0, 1.0)
    )
    assert not [row for row in rows if "swapped" in row.metric]


def test_a_header_without_orientation_says_nothing_of_sides(folder):
    path = folder / "predictions" / "no_reference.nii.gz"
    image = nib.Nifti1Image(golden.brick(), None)
    image.header["pixdim"][1:4] = 0.9, 0.9, 1.5
    nib.save(image, path)
    case = Case("no_reference", "s", {})
    rows = evaluate(Manifest((case,), folder), path.parent, golden.TARGET, {"no_reference": "test"})
    assert math.isnan(values(rows, "no_reference", "left")["swapped"])
    assert values(rows, "no_reference", "left")["pieces"] == 1


def test_masks_alone_have_their_volumes_pieces_edges_and_sides(folder):
    cases = [case for case in golden.write_cases(folder).cases if case.label]
    one = [case for case in cases if case.case_id == "half_absent"]
    rows = measure(Manifest(tuple(one), folder), golden.TARGET)
    assert values(rows, "half_absent", "left") == {
        "reference_volume_mm3": pytest.approx(72.9),
        "reference_pieces": 1,
        "reference_touches_edge": 0,
        "reference_swapped": pytest.approx(math.nan, nan_ok=True),
    }
    empty = values(rows, "half_absent", "right")
    assert (empty["reference_volume_mm3"], empty["reference_pieces"]) == (0, 0)
    assert {row.split for row in rows} == {""}
    scored = evaluate(
        Manifest(tuple(cases), folder),
        folder / "predictions",
        golden.TARGET,
        {case.case_id: "test" for case in cases},
    )
    alone = measure(Manifest(tuple(cases), folder), golden.TARGET, workers=3)
    assert [row._replace(split="test", value=0) for row in alone] == [
        row._replace(value=0) for row in scored if row.metric.startswith("reference_")
    ]


def test_a_case_without_a_mask_is_counted_with_nan(folder):
    cases = golden.write_cases(folder).cases
    rows = measure(Manifest(cases, folder), golden.TARGET)
    found = values(rows, "no_reference", "right")
    assert len(found) == 4
    assert all(math.isnan(value) for value in found.values())


def test_masks_that_cannot_be_measured_are_reported_at_once(folder):
    cases = []
    for case_id, array in (("odd", golden.brick(ids=(3, 9))), ("broken", None), ("gone", None)):
        path = folder / f"{case_id}.nii.gz"
        if array is not None:
            nib.save(nib.Nifti1Image(array, golden.affine()), path)
        elif case_id == "broken":
            path.write_bytes(b"not a scan")
        cases.append(Case(case_id, case_id, {}, path))
    with pytest.raises(DataError, match="label values 9") as caught:
        measure(Manifest(tuple(cases), folder), golden.TARGET)
    assert [problem.case_id for problem in caught.value.problems] == ["odd", "broken", "gone"]


def test_no_mask_at_all_is_refused(folder):
    manifest = Manifest((Case("a", "a", {}),), folder / "cases.csv")
    with pytest.raises(DataError, match=r"cases\.csv: found no mask of any case, wanted masks"):
        measure(manifest, golden.TARGET)


def test_a_failure_is_named(folder, caplog):
    score_only(folder, "same", "missing")
    assert "missing: found no mask in" in caplog.text
    assert "wanted missing.nii.gz; predict the case, or restore the file" in caplog.text


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


def test_everything_that_cannot_be_compared_is_reported_at_once(folder):
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


def test_many_scattered_labels_in_a_large_scan_are_scored_in_seconds():
    generator = np.random.default_rng(0)
    truth = np.zeros((200, 200, 200), dtype=np.uint8)
    labels = {f"l{number}": (number,) for number in range(1, 61)}
    for number in range(1, 61):
        i, j, k = generator.integers(5, 175, size=3)
        truth[i : i + 20, j : j + 20, k : k + 20] = number
    pairs = [(f"l{number}", f"l{number + 1}") for number in range(1, 60, 2)]
    target = Target("many", ("t1",), labels, (1, 1, 1), (32, 32, 32), pairs)
    begin = time.perf_counter()
    rows = score_case(
        Case("a", "a", {}),
        truth,
        np.roll(truth, 1, axis=0),
        target,
        affine=np.eye(4),
        spacing_mm=(1.0, 1.0, 1.0),
    )
    assert time.perf_counter() - begin < 10
    assert sum(row.metric == "swapped" for row in rows) == 60


def test_real_pituitaries_are_measured_as_their_voxels_are(shared_data):
    target = Target("pituitary", ("t1",), {"pituitary": (1,)}, (1, 1, 1), (32, 32, 32))
    source = shared_data / "pituitary_masks" / "participants.tsv"
    manifest = read_manifest(source, target, need_images=False, repeats=True)
    rows = measure(Manifest(manifest.cases[:8], manifest.source), target)
    for case in manifest.cases[:8]:
        image = nib.load(case.label)
        counted = np.count_nonzero(image.dataobj) * np.prod(image.header.get_zooms())
        found = values(rows, case.case_id, "pituitary")
        assert found["reference_volume_mm3"] == pytest.approx(counted, rel=1e-4)
        assert (found["reference_pieces"], found["reference_touches_edge"]) == (1, 0)


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


UNITED = replace(golden.TARGET, contrasts=("t1", "qsm"), units={"qsm": "ppm"})


def with_beside(folder, *case_ids, rater=None, scan=None):
    """Cases with the reference moved by a voxel as rater2, and a scan that is 0.1 everywhere."""
    moved = folder / "moved.nii.gz"
    nib.save(nib.Nifti1Image(rater if rater is not None else golden.brick(left=(5, 4, 4)),
                             golden.affine()), moved)  # fmt: skip
    scan = np.full((20, 14, 10), 0.1, np.float32) if scan is None else scan
    nib.save(nib.Nifti1Image(scan, golden.affine()), folder / "qsm.nii.gz")
    kept = [case for case in golden.write_cases(folder).cases if case.case_id in case_ids]
    images = {"t1": folder / "absent.nii.gz", "qsm": folder / "qsm.nii.gz"}
    made = [replace(case, images=images, raters={"rater2": moved}) for case in kept]
    return Manifest(tuple(made), folder / "cases.csv")


def test_raters_and_scans_with_a_unit_add_their_rows(folder):
    manifest = with_beside(folder, "same", "missing")
    splits = dict.fromkeys(("same", "missing"), "test")
    rows = evaluate(manifest, folder / "predictions", UNITED, splits)
    found = values(rows, "same", "left")
    assert (found["dice"], found["dice@rater2"]) == pytest.approx((1, 0.75))
    assert found["rater_dice@rater2"] == pytest.approx(0.75)
    assert found["mean_qsm"] == found["reference_mean_qsm@rater2"] == pytest.approx(0.1)
    lost = values(rows, "missing", "left")
    assert (lost["dice@rater2"], lost["reference_mean_qsm"]) == pytest.approx((0, 0.1))
    assert math.isnan(lost["mean_qsm"])
    alone = measure(manifest, UNITED)
    assert {row.metric for row in alone} == {
        row.metric for row in rows if row.metric.startswith(("reference_", "rater_"))
    }


def test_scans_are_read_only_where_a_unit_asks_for_them(folder):
    manifest = with_beside(folder, "same")
    rows = evaluate(manifest, folder / "predictions", golden.TARGET, {"same": "test"})
    assert not [row for row in rows if "mean" in row.metric]
    bare = [replace(case, images={}) for case in manifest.cases]
    rows = evaluate(Manifest(tuple(bare), folder), folder / "predictions", UNITED, {"same": "test"})
    assert not [row for row in rows if "mean" in row.metric]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ({"rater": golden.brick()[1:]}, r"moved\.nii\.gz: found a mask on a grid of 19 × 14"),
        ({"rater": golden.brick(ids=(3, 9))}, r"moved\.nii\.gz: found label values 9"),
        ({"scan": np.ones((20, 14, 9))}, r"qsm\.nii\.gz: found a scan on a grid of 20 × 14 × 9"),
    ],
)
def test_a_rater_or_scan_that_does_not_fit_is_reported(folder, harm, message):
    manifest = with_beside(folder, "same", **harm)
    with pytest.raises(DataError, match=message):
        evaluate(manifest, folder / "predictions", UNITED, {"same": "test"})


@pytest.mark.parametrize(
    ("metric", "value", "error"),
    [
        ("reference_volume_mm3@rater2", "-1", "a size below 0 in line 2"),
        ("rater_dice@rater2", "1.5", "a Dice outside 0 to 1 in line 2"),
    ],
)
def test_impossible_values_of_raters_are_refused(tmp_path, metric, value, error):
    path = tmp_path / "rows.csv"
    path.write_text(",".join(Row._fields) + f"\na,a,test,left,{metric},{value},\n")
    with pytest.raises(DataError, match=error):
        read_rows(path)


def ignoring(truth, pred, **beside):
    target = Target("toy", ("t1",), {"a": 1, "b": 2}, (1, 1, 1), (4, 4, 4))
    rows = score_case(
        Case("c", "s", {}),
        truth,
        pred,
        target,
        affine=np.eye(4),
        spacing_mm=(1, 1, 1),
        further=Further(**beside),
    )
    return {label: values(rows, "c", label) for label in target.labels}


def test_ignored_voxels_are_neither_reference_nor_prediction():
    truth, pred = np.zeros((2, 8, 8, 8), np.uint8)
    truth[1:3, 1:4, 1], pred[2:4, 1:4, 1] = 1, 1
    truth[6, 6, 6] = pred[6, 6, 6] = 2
    truth[3:6] = 3  # ignored; the prediction goes on in it
    pred[4, 5, 5] = 1  # a piece that no rater labelled
    a, b = ignoring(truth, pred).values()
    assert a["dice"] == pytest.approx(2 * 3 / (6 + 3))
    assert (a["volume_mm3"], a["reference_volume_mm3"], a["pieces"]) == (3, 6, 1)
    assert a["hd95_mm"] == pytest.approx(1)
    assert (a["reference_borders_on_ignored"], b["reference_borders_on_ignored"]) == (1, 1)
    assert b["dice"] == 1


def test_a_prediction_among_ignored_voxels_only_is_none():
    truth, pred = np.zeros((2, 8, 8, 8), np.uint8)
    truth[:4], truth[6, 6, 6] = 3, 2
    pred[1, 1, 1] = pred[6, 6, 6] = 1
    a, b = ignoring(truth, pred).values()
    # what it finds where there is nothing has a Dice of 0, which is a failed mask
    assert (a["failed"], a["reference_volume_mm3"], a["volume_mm3"]) == (1, 0, 1)
    assert (b["failed"], b["dice"], b["reference_borders_on_ignored"]) == (1, 0, 0)


def test_each_pair_of_masks_leaves_out_what_either_ignores():
    truth, pred, rater = np.zeros((3, 8, 8, 8), np.uint8)
    truth[1, 1, 1:5] = pred[1, 1, 1:5] = rater[1, 1, 1:5] = 1
    truth[1, 1, 3:5] = 3
    rater[1, 1, 1] = 3
    pred[1, 1, 4] = 0
    a = ignoring(truth, pred, raters={"x": rater})["a"]
    assert a["dice"] == 1  # of two voxels
    assert a["rater_dice@x"] == 1  # of one, the second
    assert a["dice@x"] == 1  # what the reference ignores is no prediction either
    assert a["reference_volume_mm3@x"] == 3


def test_without_ignored_voxels_no_row_speaks_of_them(scored):
    assert not any("ignored" in row.metric for row in scored)
