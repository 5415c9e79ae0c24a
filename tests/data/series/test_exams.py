"""Exams of several series: MRNet's folders, tables, missing series, and what is refused."""

import csv

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.series.exams import Exams
from neurotarget.problems import DataError
from neurotarget.types import Target

RNG = np.random.default_rng(1)


def mrnet(folder, *, lacks=()):
    """Three exams for training and two held out, of which `lacks` has no files."""
    for split, names in (("train", ["0000", "0001", "0002"]), ("valid", ["1130", "1131"])):
        for plane in ("axial", "coronal", "sagittal"):
            (folder / split / plane).mkdir(parents=True, exist_ok=True)
            for name in names:
                if (plane, name) not in lacks:
                    slices = RNG.integers(0, 255, (5, 8, 8), dtype=np.uint8)
                    np.save(folder / split / plane / f"{name}.npy", slices)
        for finding in ("abnormal", "acl", "meniscus"):
            rows = [f"{name},{number % 2}" for number, name in enumerate(names)]
            (folder / f"{split}-{finding}.csv").write_text("\n".join(rows) + "\n")
    return folder


def source(tmp_path, series="axial", **settings):
    return Exams(str(tmp_path / "written"), series, **settings)


def target(series="axial"):
    outcomes = {"acl": {"kind": "binary", "classes": ["absent", "present"]}}
    grid = {"size_vox": [8, 8, 5], "slices_last": True}
    codes = {"acl": {0: "absent", 1: "present"}}
    return Target("acl", [series], {}, outcomes=outcomes, levels=codes, **grid)


def test_mrnets_folders_become_a_table_of_one_series(tmp_path):
    path = source(tmp_path).obtain(str(mrnet(tmp_path / "MRNet")))
    cases = read_manifest(path, target()).cases
    assert [case.case_id for case in cases] == ["0000", "0001", "0002", "1130", "1131"]
    assert [case.split for case in cases] == ["train"] * 3 + ["test"] * 2
    assert [case.covariates["acl"] for case in cases] == [
        "absent",
        "present",
        "absent",
        "absent",
        "present",
    ]


def test_an_exam_without_the_series_is_left_out_and_counted(tmp_path, caplog):
    folder = mrnet(tmp_path / "MRNet", lacks=[("axial", "0001")])
    path = source(tmp_path).obtain(str(folder))
    assert len(read_manifest(path, target()).cases) == 4
    assert "1 of 5 exams have no axial series" in caplog.text
    path = source(tmp_path, "coronal").obtain(str(folder))
    assert len(read_manifest(path, target("coronal")).cases) == 5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "train-acl.csv").write_text("0000,2\n0001,1\n0002,0\n"),
            "0000: .*found acl '2', wanted 0 or 1",
        ),
        (
            lambda folder: np.save(folder / "train/axial/0001.npy", np.ones((1, 8, 8))),
            "0001: .*found one slice as axial series",
        ),
        (
            lambda folder: (folder / "train/axial/0002.npy").write_bytes(
                (folder / "train/coronal/0002.npy").read_bytes()
            ),
            "0002: .*found the same voxels as coronal and axial series",
        ),
        (
            lambda folder: nib.save(
                nib.Nifti1Image(np.ones((8, 8, 5)), np.diag([0.5, 0.5, 3, 1])),
                folder / "train/axial/0000.nii.gz",
            ),
            "0000: .*found two axial series",
        ),
        (
            lambda folder: (folder / "valid-acl.csv").write_text("1130,0\n1131,1\n1132,1\n"),
            r"found no series of 1 exams of its tables \(1132\)",
        ),
    ],
)
def test_odd_exams_are_refused_with_their_name(tmp_path, spoil, message):
    folder = mrnet(tmp_path / "MRNet")
    spoil(folder)
    with pytest.raises(DataError, match=message):
        source(tmp_path).obtain(str(folder))


def nifti_exams(folder, axial=(0.5, 0.5, 4)):
    folder.mkdir()
    rows = [["case_id", "subject_id", "Sagittal", "axial", "acl"]]
    for number in range(6):
        name = f"k{number}"
        affine = np.diag([*axial, 1.0])
        nib.save(nib.Nifti1Image(RNG.normal(size=(8, 8, 5)), affine), folder / f"{name}_ax.nii.gz")
        side = np.array([[0, 0, 4.0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0, 1]])
        nib.save(nib.Nifti1Image(RNG.normal(size=(8, 8, 5)), side), folder / f"{name}_sag.nii.gz")
        sagittal = f"{name}_sag.nii.gz" if number else ""
        rows.append([name, f"p{number // 2}", sagittal, f"{name}_ax.nii.gz", number % 2])
    with (folder / "exams.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder / "exams.csv"


def test_a_table_of_exams_gets_the_same_folds_for_every_series(tmp_path):
    table = nifti_exams(tmp_path / "exams")
    folds = {}
    for series in ("sagittal", "axial"):
        path = source(tmp_path, series, n_folds=3).obtain(str(table))
        cases = read_manifest(path, target(series)).cases
        folds[series] = {case.case_id: (case.fold, case.subject_id) for case in cases}
    assert len(folds["axial"]) == 6
    assert folds["sagittal"] == {
        name: fold for name, fold in folds["axial"].items() if name != "k0"
    }
    assert len({fold for fold, _ in folds["axial"].values()}) == 3
    assert len(set(folds["axial"].values())) == 3  # no person in two folds


def test_swapped_planes_are_told_by_their_orientation(tmp_path):
    table = nifti_exams(tmp_path / "exams", axial=(4, 0.5, 0.5))
    with pytest.raises(DataError, match="found sagittal slices as axial series"):
        source(tmp_path).obtain(str(table))


def test_a_person_in_two_folds_is_refused(tmp_path):
    table = nifti_exams(tmp_path / "exams")
    text = table.read_text().splitlines()
    table.write_text(
        "\n".join([f"{text[0]},fold"] + [f"{line},{n % 2}" for n, line in enumerate(text[1:])])
    )
    with pytest.raises(DataError, match="subject p0 in 2 folds"):
        read_manifest(source(tmp_path).obtain(str(table)), None)
