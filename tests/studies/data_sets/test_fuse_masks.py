import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import neurotarget as nt
from neurotarget.cli.main import run
from neurotarget.problems import DataError
from neurotarget.studies.data_sets.fuse_masks import fuse_masks, fused_labels


def labels(start, value=1):
    array = np.zeros((14, 8, 8), np.uint8)
    array[start : start + 4, 2:6, 2:6] = value
    return array


def save(path, array, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


def test_masks_of_one_case_are_fused_without_the_one_that_marks_all(tmp_path, capsys):
    for name, array in {"a": labels(4), "b": labels(5), "c": labels(3)}.items():
        save(tmp_path / "case7" / f"{name}.nii.gz", array)
    save(tmp_path / "case7" / "broken.nii.gz", np.ones((14, 8, 8), np.uint8))
    out = tmp_path / "out"
    assert run(["fuse", f"{tmp_path / 'case7'}", f"output={out}", "method=staple"]) == 0
    assert "broken is left out: all voxels are marked" in capsys.readouterr().out
    fused = np.asarray(nib.load(out / "case7.nii.gz").dataobj)
    np.testing.assert_array_equal(fused, labels(4))
    table = pd.read_csv(out / "fused.tsv", sep="\t").set_index("mask")
    assert table["status"].to_dict() == {"broken": "refused", "a": "kept", "b": "kept", "c": "kept"}
    assert table["dice_with_fused"].round(2).to_dict() | {"broken": 0} == {
        "broken": 0,
        "a": 1.0,
        "b": 0.75,
        "c": 0.75,
    }
    pairs = pd.read_csv(out / "agreement.tsv", sep="\t")
    assert pairs["dice"].tolist() == [0.75, 0.75, 0.5]


def test_a_folder_a_program_has_the_cases_by_name_and_failed_ones_are_counted(tmp_path):
    for program, start in {"one": 4, "two": 4, "three": 5}.items():
        save(tmp_path / "in" / program / "p1.nii.gz", labels(start))
        shifted = np.diag([1.0, 1, 1, 1]) if program != "two" else np.diag([2.0, 1, 1, 1])
        save(tmp_path / "in" / program / "p2.nii.gz", labels(start), shifted)
    save(tmp_path / "in" / "one" / "p3.nii.gz", labels(4))
    table = nt.fuse(tmp_path / "in", tmp_path / "out")
    failed = table[table["status"] == "failed"].set_index("case_id")["reason"]
    assert "not that of" in failed["p2"]
    assert "one mask" in failed["p3"]
    assert (table["case_id"] == "p1").sum() == 3
    assert not (tmp_path / "out" / "p2.nii.gz").exists()


def test_a_case_that_fails_in_a_later_call_keeps_no_earlier_mask(tmp_path):
    for program, start in {"one": 4, "two": 4}.items():
        for case in ("p1", "p2"):
            save(tmp_path / "in" / program / f"{case}.nii.gz", labels(start))
    out = tmp_path / "out"
    fuse_masks(tmp_path / "in", out)
    assert (out / "p2.nii.gz").is_file()
    save(tmp_path / "in" / "two" / "p2.nii.gz", labels(4), np.diag([2.0, 1, 1, 1]))
    fuse_masks(tmp_path / "in", out)
    assert sorted(path.name for path in out.glob("*.nii.gz")) == ["p1.nii.gz"]
    table = pd.read_csv(out / "fused.tsv", sep="\t").set_index("case_id")
    assert table.loc["p2", "status"] == "failed"
    assert "not that of one" in table.loc["p2", "reason"]


def test_a_failing_case_leaves_a_mask_that_somebody_has_changed(tmp_path):
    for program in ("one", "two"):
        save(tmp_path / "in" / program / "p1.nii.gz", labels(4))
    out = tmp_path / "out"
    fuse_masks(tmp_path / "in", out)
    save(out / "p1.nii.gz", labels(6))
    save(tmp_path / "in" / "two" / "p1.nii.gz", labels(4), np.diag([2.0, 1, 1, 1]))
    with pytest.raises(DataError, match=r"changed since .p1\.nii\.gz"):
        fuse_masks(tmp_path / "in", out)
    fuse_masks(tmp_path / "in", out, overwrite=True)
    np.testing.assert_array_equal(nib.load(out / "p1.nii.gz").dataobj, labels(6))


def test_labels_are_fused_one_by_one_and_the_most_votes_decide():
    maps = {"a": labels(4, 1), "b": labels(4, 1), "c": labels(4, 2)}
    np.testing.assert_array_equal(fused_labels(maps, "majority"), labels(4, 1))
    for method in ("simple", "staple"):
        assert set(np.unique(fused_labels(maps, method))) <= {0, 1, 2}
        assert (fused_labels(maps, method)[labels(4) > 0] == 1).all()


def test_large_ids_of_labels_are_kept(tmp_path):
    for name, start in {"a": 4, "b": 5, "c": 4}.items():
        save(tmp_path / "case7" / f"{name}.nii.gz", labels(start).astype(np.int32) * 40_000)
    fuse_masks(tmp_path / "case7", tmp_path / "out")
    fused = np.asarray(nib.load(tmp_path / "out" / "case7.nii.gz").dataobj)
    np.testing.assert_array_equal(fused, labels(4).astype(np.int32) * 40_000)


def test_a_folder_without_two_masks_and_an_output_over_masks_are_refused(tmp_path):
    save(tmp_path / "in" / "a.nii.gz", labels(4))
    with pytest.raises(DataError, match="no case with two masks"):
        fuse_masks(tmp_path / "in", tmp_path / "out")
    save(tmp_path / "in" / "in.nii.gz", labels(4))
    with pytest.raises(DataError, match="found the folder of the masks"):
        fuse_masks(tmp_path / "in", tmp_path / "in")
