import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.data.labels import class_of_id
from neurotarget.problems import DataError


def test_cases_are_called_after_their_files(msd, make_target):
    manifest = read_manifest(msd(), make_target())
    assert [case.case_id for case in manifest.cases] == ["scan_000", "scan_001", "scan_002"]
    assert manifest.cases[0].images["t1"].is_file()
    assert manifest.cases[0].label.parent.name == "labelsTr"


def test_labels_are_matched_by_name(msd, make_target):
    target = make_target(labels={"b": 1, "a": 2})
    manifest = read_manifest(msd(), target)
    assert manifest.label_ids == {"background": 0, "A": 1, "B": 2}
    assert class_of_id(target, manifest.label_ids) == {0: 0, 2: 1, 1: 2}


def test_files_that_are_missing_are_listed_at_once(msd, make_target):
    folder = msd()
    (folder / "imagesTr" / "scan_001.nii.gz").unlink()
    (folder / "labelsTr" / "scan_002.nii.gz").unlink()
    problems = scan_manifest(folder, make_target())[1]
    assert [(problem.case_id, problem.found) for problem in problems] == [
        ("scan_001", "no such file"),
        ("scan_002", "no such file"),
    ]


def test_what_macos_leaves_is_no_case(msd, make_target):
    folder = msd(training=[{"image": "./imagesTr/._scan_000.nii.gz"}], numTraining=0)
    with pytest.raises(DataError, match="no case"):
        read_manifest(folder, make_target())


def test_stacked_channels_are_volumes_of_one_file(msd, make_target, image):
    folder = msd(1, modality=("FLAIR", "T1w"))
    case = read_manifest(folder, make_target(("t1", "flair"))).cases[0]
    assert {name: path.name for name, path in case.images.items()} == {
        "t1": "scan_000.nii.gz[1]",
        "flair": "scan_000.nii.gz[0]",
    }


def test_channels_in_files_of_their_own_are_read(msd, make_target, image):
    folder = msd(1, modality=("FLAIR", "T1w"))
    stacked = folder / "imagesTr" / "scan_000.nii.gz"
    for channel in (0, 1):
        image(folder / "imagesTr" / f"scan_000_{channel:04d}.nii.gz")
    stacked.unlink()
    case = read_manifest(folder, make_target(("t1", "flair"))).cases[0]
    assert {name: path.name for name, path in case.images.items()} == {
        "t1": "scan_000_0001.nii.gz",
        "flair": "scan_000_0000.nii.gz",
    }


def test_participants_give_covariates_and_people(msd, make_target):
    folder = msd()
    rows = "participant_id\tage\tsubject_id\nscan_000\t30\tann\nscan_001\t31\tann\n"
    (folder / "participants.tsv").write_text(rows)
    manifest, problems = scan_manifest(folder, make_target())
    assert [case.covariates["age"] for case in manifest.cases] == [30.0, 31.0, None]
    assert [case.subject_id for case in manifest.cases] == ["ann", "ann", "scan_002"]
    assert [(problem.level, problem.case_id) for problem in problems] == [("warning", "scan_002")]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"training": []}, "no case"),
        ({"training": ["x.nii.gz"]}, "the training entry x.nii.gz, wanted an image"),
    ],
)
def test_a_broken_description_is_reported(msd, make_target, more, message):
    with pytest.raises(DataError, match=message):
        read_manifest(msd(**more), make_target())


def test_json_that_cannot_be_read_is_reported(msd, make_target):
    folder = msd()
    (folder / "dataset.json").write_text('{"training": [')
    with pytest.raises(DataError, match=r"dataset\.json: found unreadable JSON"):
        read_manifest(folder, make_target())


def test_a_short_copy_is_a_warning(msd, make_target):
    _, problems = scan_manifest(msd(3, numTraining=260), make_target())
    assert [str(problem) for problem in problems if problem.level == "warning"] != []
    assert "3 training cases, wanted numTraining 260" in str(problems[0])


def test_the_real_hippocampus_is_read(shared_data, make_target):
    target = make_target(labels={"anterior": 1, "posterior": 2})
    manifest = read_manifest(shared_data / "hippocampus", target)
    assert len(manifest.cases) == 200
    assert class_of_id(target, manifest.label_ids) == {0: 0, 1: 1, 2: 2}
    values = np.unique(np.asanyarray(nib.load(manifest.cases[0].label).dataobj))
    assert values.tolist() == [0, 1, 2]


def test_backslashes_of_windows_part_folders(msd, make_target):
    entry = {"image": ".\\imagesTr\\scan_000.nii.gz", "label": ".\\labelsTr\\scan_000.nii.gz"}
    (case,) = read_manifest(msd(1, training=[entry]), make_target()).cases
    assert (case.case_id, case.label.is_file()) == ("scan_000", True)
