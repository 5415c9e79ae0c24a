import os
import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.formats.scratch import Scratch
from neurotarget.data.scans.volume import read_volume
from neurotarget.files.record import CLAIMED
from neurotarget.inference.inputs import find_inputs
from neurotarget.inference.predict_folder import predict_all
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.problems import DataError
from neurotarget.types import Case, Roi, Target


class Bright(nn.Module):
    """Scores a voxel as foreground where it is brighter than 0.5."""

    def forward(self, image):
        return torch.cat([0.5 - image, image - 0.5], dim=1) * 100


@pytest.fixture
def target():
    return Target(
        name="cube",
        contrasts=["t1"],
        labels={"cube": 9},
        spacing_mm=[1, 1, 1],
        patch_vox=[8, 8, 8],
        roi=Roi(size_mm=(10, 10, 10), anchor="scan"),
        volume_range_mm3={"cube": (10, 100)},
    )


@pytest.fixture
def predictor(target):
    return Predictor(Bright(), target, Preparation("none", None))


@pytest.fixture
def cases(tmp_path):
    made = []
    for number, low in enumerate((6, 4)):  # the second touches the edge of the box
        scan = np.zeros((16, 16, 16), np.float32)
        scan[low : low + 3, 7:10, 7:10] = 1
        if low == 4:
            scan[3, 7:10, 7:10] = 1
        path = tmp_path / f"c{number}.nii.gz"
        nib.save(nib.Nifti1Image(scan, np.eye(4)), path)
        made.append(Case(f"c{number}", f"c{number}", {"t1": path}))
    return made


def test_labels_are_written_with_the_targets_id_and_measured(predictor, cases, tmp_path):
    outcomes = predict_all(predictor, cases[:1], tmp_path / "out", made_by="w")
    assert outcomes[0].values == {"cube": 27.0}
    assert outcomes[0].note == ""
    labels = np.asarray(nib.load(tmp_path / "out" / "c0.nii.gz").dataobj)
    assert set(np.unique(labels)) == {0, 9}
    np.testing.assert_array_equal(np.argwhere(labels)[0], (6, 7, 7))


def test_implausible_masks_are_noted(predictor, cases, tmp_path):
    (outcome,) = predict_all(predictor, cases[1:], tmp_path / "out", made_by="w")
    assert "touches the edge of the region of interest" in outcome.note
    empty = tmp_path / "empty.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((16, 16, 16), np.float32), np.eye(4)), empty)
    (outcome,) = predict_all(
        predictor, [Case("e", "e", {"t1": empty})], tmp_path / "out", made_by="w"
    )
    assert outcome.note == "cube: empty; one value in all voxels (export the image again)"


def test_a_case_without_its_line_is_predicted_again(predictor, cases, tmp_path):
    out = tmp_path / "out"
    predict_all(predictor, cases, out, made_by="w")
    lines = (out / "volumes.tsv").read_text().splitlines(keepends=True)
    (out / "volumes.tsv").write_text("".join(lines[:2]))  # killed before the second line
    stamps = [(out / f"c{number}.nii.gz").stat().st_mtime_ns for number in (0, 1)]
    outcomes = predict_all(predictor, cases, out, made_by="w")
    after = [(out / f"c{number}.nii.gz").stat().st_mtime_ns for number in (0, 1)]
    assert after[0] == stamps[0]
    assert after[1] > stamps[1]
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert (out / "volumes.tsv").read_text() == "".join(lines)


def test_predictions_of_other_weights_are_not_mixed_in(predictor, cases, tmp_path):
    predict_all(predictor, cases, tmp_path / "out", made_by="first")
    with pytest.raises(DataError, match=r"found predictions of other weights \(first\)"):
        predict_all(predictor, cases, tmp_path / "out", made_by="second")
    predict_all(predictor, cases, tmp_path / "out", made_by="second", overwrite=True)
    predict_all(predictor, cases, tmp_path / "out", made_by="second")


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.nii.gz")}


def test_probabilities_asked_for_later_are_written(predictor, cases, tmp_path):
    out = tmp_path / "out"
    predict_all(predictor, cases[:1], out, made_by="w")
    predict_all(predictor, cases[:1], out, made_by="w", probabilities=True)
    before = stamps(out)
    assert set(before) == {"c0.nii.gz", "c0_cube_probability.nii.gz"}
    predict_all(predictor, cases[:1], out, made_by="w", probabilities=True)
    predict_all(predictor, cases[:1], out, made_by="w")
    assert stamps(out) == before


def test_a_replaced_scan_is_predicted_again_and_its_old_maps_go(predictor, cases, tmp_path, caplog):
    out = tmp_path / "out"
    predict_all(predictor, cases, out, made_by="w", probabilities=True)
    before = stamps(out)
    cases[0].images["t1"].write_bytes(cases[1].images["t1"].read_bytes())
    outcomes = predict_all(predictor, cases, out, made_by="w")
    assert [outcome.values["cube"] for outcome in outcomes] == [36.0, 36.0]
    assert "1 finished cases were made from another scan" in caplog.text
    assert "predicted again: c0" in caplog.text
    kept = {name: stamp for name, stamp in stamps(out).items() if before[name] == stamp}
    assert set(kept) == {"c1.nii.gz", "c1_cube_probability.nii.gz"}
    assert not (out / "c0_cube_probability.nii.gz").exists()


def test_the_same_scan_elsewhere_is_the_same_scan(predictor, cases, tmp_path):
    predict_all(predictor, cases[:1], tmp_path / "out", made_by="w")
    before = stamps(tmp_path / "out")
    (tmp_path / "moved").mkdir()
    moved = cases[0].images["t1"].rename(tmp_path / "moved" / "c0.nii.gz")
    predict_all(predictor, [Case("c0", "c0", {"t1": moved})], tmp_path / "out", made_by="w")
    assert stamps(tmp_path / "out") == before


def test_another_overlap_is_another_prediction(predictor, target, cases, tmp_path):
    predict_all(predictor, cases[:1], tmp_path / "out", made_by="w")
    before = stamps(tmp_path / "out")
    inferer = SlidingWindow(target.patch_vox, overlap=0.25)
    other = Predictor(Bright(), target, Preparation("none", None), inferer=inferer)
    predict_all(other, cases[:1], tmp_path / "out", made_by="w")
    assert stamps(tmp_path / "out") != before


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError("Unable to allocate 9 GiB"), r"out of memory \(Unable to allocate 9 GiB\)"),
        (RuntimeError("can't allocate memory: 9 bytes"), "out of memory .*; close other programs"),
        (RuntimeError("broken\nkernel"), "RuntimeError: broken kernel"),
    ],
)
def test_a_case_that_breaks_the_network_is_a_line_and_the_others_go_on(
    target, cases, tmp_path, error, expected
):
    class Fails(Bright):
        calls = 0

        def forward(self, image):
            Fails.calls += 1
            if Fails.calls == 1:
                raise error
            return super().forward(image)

    predictor = Predictor(Fails(), target, Preparation("none", None))
    outcomes = predict_all(predictor, cases, tmp_path / "out", made_by="w")
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert re.match(expected, outcomes[0].note)
    assert outcomes[0].note in (tmp_path / "out" / "volumes.tsv").read_text()


def test_a_network_that_cannot_run_fails_each_case_and_can_show_its_stack(
    target, cases, tmp_path, monkeypatch, capsys
):
    class Bug(Bright):
        def forward(self, image):
            return image.no_such_name

    predictor = Predictor(Bug(), target, Preparation("none", None))
    monkeypatch.setenv("NEUROTARGET_TRACEBACK", "1")
    for outcome in predict_all(predictor, cases, tmp_path / "out", made_by="w"):
        assert outcome.status == "failed"
        assert outcome.note.startswith("AttributeError: ")
    assert capsys.readouterr().err.count("in forward") == len(cases)


def test_an_output_that_is_a_file_is_one_sentence(predictor, cases, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match=r"output: found the file .*out, wanted a folder"):
        predict_all(predictor, cases, tmp_path / "out", made_by="w")
    with pytest.raises(DataError, match=r"out/inner cannot be written \(Not a directory\)"):
        predict_all(predictor, cases, tmp_path / "out" / "inner", made_by="w")


def test_a_run_keeps_the_lines_that_another_adds_meanwhile(predictor, target, cases, tmp_path):
    class Meanwhile(Bright):
        def forward(self, image):
            predict_all(predictor, cases[1:], tmp_path / "out", made_by="w")
            return super().forward(image)

    slow = Predictor(Meanwhile(), target, Preparation("none", None))
    predict_all(slow, cases[:1], tmp_path / "out", made_by="w")
    lines = (tmp_path / "out" / "volumes.tsv").read_text().splitlines()
    assert sorted(line.split("\t")[0] for line in lines[1:]) == ["c0", "c1"]


def test_overwriting_some_cases_keeps_the_lines_of_the_others(predictor, cases, tmp_path):
    predict_all(predictor, cases, tmp_path / "out", made_by="w")
    before = stamps(tmp_path / "out")
    predict_all(predictor, cases[:1], tmp_path / "out", made_by="w", overwrite=True)
    after = stamps(tmp_path / "out")
    assert [name for name in before if before[name] != after[name]] == ["c0.nii.gz"]
    assert (tmp_path / "out" / "volumes.tsv").read_text().count("done") == 2


def test_drafts_of_killed_runs_are_swept_and_those_at_work_stay(predictor, cases, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name, age_s in (("old", 2 * 3600), ("fresh", 60)):
        draft = out / f".draft-99999-{name}.nii.gz"
        draft.write_bytes(b"half")
        then = draft.stat().st_mtime - age_s
        os.utime(draft, (then, then))
    predict_all(predictor, cases[:1], out, made_by="w")
    assert [path.name for path in out.glob(".draft-*")] == [".draft-99999-fresh.nii.gz"]


def test_several_contrasts_are_one_case(target, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    low, high = np.zeros((16, 16, 16), np.float32), np.zeros((16, 16, 16), np.float32)
    low[6:9, 7:10, 7:10], high[6:9, 7:10, 7:10] = 0.4, 0.3  # bright enough only together
    nib.save(nib.Nifti1Image(low, np.eye(4)), scans / "anna_t1.nii.gz")
    nib.save(nib.Nifti1Image(high, np.eye(4)), scans / "anna_t2.nii.gz")

    class Sum(nn.Module):
        def forward(self, image):
            return Bright()(image.sum(dim=1, keepdim=True))

    both = replace(target, contrasts=("t1", "t2"))
    cases = find_inputs(scans, both.contrasts, scratch=Scratch(tmp_path / "scratch"))
    predictor = Predictor(Sum(), both, Preparation("none", None))
    (outcome,) = predict_all(predictor, cases, tmp_path / "out", made_by="w")
    assert (outcome.case_id, outcome.values) == ("anna", {"cube": 27.0})


def test_a_missing_contrast_is_a_note_of_its_case(target, tmp_path):
    scan = np.zeros((16, 16, 16), np.float32)
    scan[6:9, 7:10, 7:10] = 1
    nib.save(nib.Nifti1Image(scan, np.eye(4)), tmp_path / "t2.nii.gz")

    class Sum(nn.Module):
        def forward(self, image):
            return Bright()(image.sum(dim=1, keepdim=True))

    both = replace(target, contrasts=("t1", "t2"))
    plain = Preparation("none", None)
    case = Case("anna", "anna", {"t2": tmp_path / "t2.nii.gz"})
    predictor = Predictor(Sum(), both, plain)
    (refused,) = predict_all(predictor, [case], tmp_path / "out", made_by="w")
    assert (refused.status, refused.note[:27]) == ("failed", "anna: found no t1 image (on")
    predictor = Predictor(Sum(), both, plain, fills_missing=True)
    (filled,) = predict_all(predictor, [case], tmp_path / "out", made_by="w")
    assert filled.values == {"cube": 27.0}
    assert "missing contrasts: filled (t1)" in filled.note


def test_a_scan_that_was_not_fetched_is_a_line_and_the_others_go_on(predictor, cases, tmp_path):
    path = cases[0].images["t1"]
    path.rename(tmp_path / "kept")
    path.symlink_to("../.git/annex/objects/x")
    first, second = predict_all(predictor, cases, tmp_path / "out", made_by="w")
    assert (first.status, second.status) == ("failed", "done")
    assert "a broken link, wanted an image file; fetch it (`datalad get c0.nii.gz`" in first.note
    path.unlink()
    (tmp_path / "kept").rename(path)
    first, _ = predict_all(predictor, cases, tmp_path / "out", made_by="w")
    assert first.status == "done"


def test_what_the_header_leaves_open_is_in_the_note_of_the_volume(predictor, cases, tmp_path):
    path = cases[0].images["t1"]
    scan = nib.load(path)
    scan.set_sform(np.eye(4), 1)
    scan.set_qform(np.diag([-1.0, 1, 1, 1]), 1)
    nib.save(scan, tmp_path / "mirrored.nii.gz")
    scan.set_sform(np.eye(4), 0)
    scan.set_qform(np.eye(4), 0)
    nib.save(scan, tmp_path / "open.nii.gz")
    both = [Case(n, n, {"t1": tmp_path / f"{n}.nii.gz"}) for n in ("mirrored", "open")]
    predict_all(predictor, both, tmp_path / "out", made_by="w")
    table = pd.read_csv(tmp_path / "out" / "volumes.tsv", sep="\t", index_col="case_id")
    assert table["cube_mm3"].tolist() == [27.0, 27.0]
    assert table["note"]["mirrored"].startswith("LEFT AND RIGHT MIRRORED between sform and qform")
    assert table["note"]["open"].startswith("no orientation (sform and qform codes are 0) (left")


def test_a_scan_in_microns_has_the_volume_of_its_twin_in_mm(predictor, cases, tmp_path):
    scan = nib.load(cases[0].images["t1"])
    small = nib.Nifti1Image(np.asarray(scan.dataobj), np.diag([1000.0, 1000, 1000, 1]))
    small.header.set_xyzt_units("micron")
    nib.save(small, tmp_path / "micron.nii.gz")
    case = Case("micron", "micron", {"t1": tmp_path / "micron.nii.gz"})
    (outcome,) = predict_all(predictor, [case], tmp_path / "out", made_by="w")
    assert (outcome.values, outcome.note) == ({"cube": 27.0}, "")
    mask = nib.load(tmp_path / "out" / "micron.nii.gz")  # lies on the scan in any viewer
    assert mask.header.get_xyzt_units()[0] == "micron"
    np.testing.assert_array_equal(mask.affine, small.affine)
    assert read_volume(tmp_path / "out" / "micron.nii.gz").spacing_mm == pytest.approx((1, 1, 1))


def expert_folder(tmp_path):
    """A folder with masks of somebody else, called as the cases are."""
    out = tmp_path / "expert"
    out.mkdir()
    for name in ("c0.nii.gz", "c1.nii.gz", "volumes.tsv"):
        (out / name).write_text("drawn by hand")
    return out


def contents(folder):
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name[0] != "."}


@pytest.mark.parametrize("prediction", [False, True])
def test_masks_of_somebody_else_are_named_and_not_touched(predictor, cases, tmp_path, prediction):
    out = expert_folder(tmp_path)
    if prediction:  # as where an old version wrote here: its table does not list them
        (out / "prediction.json").write_text('{"weights": "w"}')
    before = contents(out)
    named = r"\(volumes.tsv, c0|\(c0\.nii\.gz, c1\.nii\.gz"
    with pytest.raises(DataError, match=named):
        predict_all(predictor, cases, out, made_by="w")
    assert contents(out) == before


def test_what_failed_takes_no_mask_of_somebody_else_along(predictor, cases, tmp_path):
    out = expert_folder(tmp_path)
    cases[0].images["t1"].write_bytes(b"broken")
    outcomes = predict_all(predictor, cases, out, made_by="w", overwrite=True)
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert (out / "c0.nii.gz").read_text() == "drawn by hand"
    assert nib.load(out / "c1.nii.gz").shape == (16, 16, 16)


def test_a_mask_that_was_corrected_is_kept_until_it_is_asked_for(predictor, cases, tmp_path):
    out = tmp_path / "out"
    predict_all(predictor, cases, out, made_by="w")
    corrected = nib.Nifti1Image(np.full((16, 16, 16), 9, np.uint8), np.eye(4))
    nib.save(corrected, out / "c0.nii.gz")
    before = contents(out)
    predict_all(predictor, cases, out, made_by="w")  # all are finished
    scan = nib.load(cases[0].images["t1"])
    nib.save(nib.Nifti1Image(scan.get_fdata(dtype=np.float32) + 1, np.eye(4)), scan.get_filename())
    with pytest.raises(DataError, match=r"found 1 file .* changed since \(c0\.nii\.gz\)"):
        predict_all(predictor, cases, out, made_by="w")
    assert contents(out) == before
    predict_all(predictor, cases, out, made_by="w", overwrite=True)
    assert contents(out)["c0.nii.gz"] != before["c0.nii.gz"]


def test_a_folder_of_an_older_version_goes_on_but_for_what_was_corrected(
    predictor, cases, tmp_path, caplog
):
    out = tmp_path / "out"
    predict_all(predictor, cases, out, made_by="w", probabilities=True)
    for name in (".neurotarget.sha256", ".neurotarget.lock"):
        (out / name).unlink()
    CLAIMED.clear()
    later_s = (out / "volumes.tsv").stat().st_mtime + 10
    os.utime(out / "c1.nii.gz", (later_s, later_s))
    predict_all(predictor, cases, out, made_by="w", probabilities=True)
    assert not caplog.text
    with pytest.raises(DataError, match=r"found 1 file .*\(c1\.nii\.gz\)"):
        predict_all(replace_settings(predictor), cases, out, made_by="w", probabilities=True)


def replace_settings(predictor):
    """The same network with a setting that decides a prediction."""
    target = replace(predictor.target, volume_range_mm3={"cube": (1, 2)})
    return Predictor(Bright(), target, predictor.preparation)


def test_two_cases_that_would_write_one_file_are_refused(predictor, cases, tmp_path):
    twins = [replace(cases[0], case_id="a"), replace(cases[1], case_id="a_cube_probability")]
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"a_cube_probability\.nii\.gz, as a"):
        predict_all(predictor, twins, out, made_by="w", probabilities=True)
    assert not list(out.glob("*.nii.gz"))
    predict_all(predictor, twins, out, made_by="w")
    twins[0].images["t1"].write_bytes(b"broken")
    predict_all(predictor, twins[:1], out, made_by="w")
    assert set(contents(out)) == {"a_cube_probability.nii.gz", "prediction.json", "volumes.tsv"}
    with pytest.raises(DataError, match=r"a_cube_probability\.nii\.gz"):  # made another time
        predict_all(predictor, twins[:1], out, made_by="w", probabilities=True)


class Picky(Predictor):
    """Cannot do one of the cases, in a way that nobody thought of."""

    def predict(self, case, **how):
        if case.case_id == "c0":
            raise KeyError("voxel")
        return super().predict(case, **how)


def test_a_case_ends_as_a_line_whatever_it_raises_and_the_others_go_on(target, cases, tmp_path):
    picky = Picky(Bright(), target, Preparation("none", None))
    long, latin = "x" * 250, os.fsdecode(b"caf\xe9")
    odd = [Case(name, name, cases[1].images) for name in (long, latin)]
    out = tmp_path / "out"
    for _ in range(2):  # the second time over what the first has left
        first, *rest = predict_all(picky, [*cases, *odd], out, made_by="w")
        assert (first.status, first.note) == ("failed", "KeyError: 'voxel'")
        assert [outcome.status for outcome in rest] == ["done", "failed", "failed"]
        assert "found a name of 274 bytes for what is written" in rest[1].note
        assert rest[2].note.startswith(r"caf\udce9: found a name in another encoding")
        table = pd.read_csv(out / "volumes.tsv", sep="\t")
        assert table["case_id"].tolist() == ["c0", "c1", long, r"caf\udce9"]
    assert [path.name for path in out.glob("*.nii.gz")] == ["c1.nii.gz"]


def test_a_dicom_series_is_converted_for_as_long_as_its_case_is_worked_on(target, tmp_path, mr):
    for name in ("anna", "bela"):
        mr.write(tmp_path / "study" / name, [mr.slice_of(number) for number in range(3)])
    scratch, seen = Scratch(tmp_path / "scratch"), []

    class Watching(Predictor):
        def predict(self, case, **how):
            seen.append([path.name for path in scratch.folder.iterdir()])
            return super().predict(case, **how)

    plain = replace(target, roi=None)
    watching = Watching(Bright(), plain, Preparation("zscore", None))
    cases = find_inputs(tmp_path / "study", ("t1",), scratch=scratch)
    for _ in range(2):
        outcomes = predict_all(watching, cases, tmp_path / "out", made_by="w", ready=scratch.ready)
        assert [outcome.status for outcome in outcomes] == ["done", "done"]
        assert list(scratch.folder.iterdir()) == []
    assert seen == [["0.nii"], ["1.nii"]]


def test_a_scan_that_is_a_link_to_itself_fails_and_others_go_on(predictor, cases, tmp_path):
    path = tmp_path / "loop.nii.gz"
    path.symlink_to(path.name)
    every = [*cases, Case("l", "l", {"t1": path})]
    outcomes = predict_all(predictor, every, tmp_path / "out", made_by="w")
    failed = {one.case_id: one.note for one in outcomes if one.status == "failed"}
    assert list(failed) == ["l"]
    assert "a broken link" in failed["l"]
