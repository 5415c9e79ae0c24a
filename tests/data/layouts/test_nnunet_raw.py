import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.data.layouts.nnunet_raw import channels_of
from neurotarget.problems import DataError


def test_each_channel_is_a_contrast_by_name(nnunet, make_target):
    folder = nnunet(channels=("FLAIR", "T1w"))
    case = read_manifest(folder, make_target(("t1", "flair"))).cases[0]
    assert [path.name for path in case.images.values()] == [
        "xTr_0_0001.nii.gz",
        "xTr_0_0000.nii.gz",
    ]
    assert case.label.name == "xTr_0.nii.gz"


def test_a_single_channel_needs_no_matching_name(nnunet, make_target):
    assert list(read_manifest(nnunet(channels=("MRI",)), make_target()).cases[0].images) == ["t1"]


def test_a_missing_channel_is_named(nnunet, make_target):
    with pytest.raises(DataError, match=r"no channel t2 \(only T1, FLAIR\)"):
        read_manifest(nnunet(channels=("T1", "FLAIR")), make_target(("t1", "t2")))


def test_habits_of_naming_contrasts_are_known(make_target):
    target = make_target(("t1", "t1c", "t2", "qsm"))
    channels, problems = channels_of(target, ["T2w", "T1w", "T1-Gd", "Chimap"])
    assert channels == {"t1": 1, "t1c": 2, "t2": 0, "qsm": 3}
    assert problems == []


def test_test_scans_with_labels_are_the_test_split(nnunet, make_target, image):
    folder = nnunet(cases=2, tests=1)
    image(folder / "imagesTs" / "unlabelled_0000.nii.gz")
    cases = read_manifest(folder, make_target()).cases
    assert [(case.case_id, case.split) for case in cases] == [
        ("xTr_0", "train"),
        ("xTr_1", "train"),
        ("xTs_0", "test"),
    ]


def test_folds_are_those_of_the_validation_lists(nnunet, make_target, jsonfile):
    folder = nnunet()
    folds = [{"train": ["xTr_1"], "val": ["xTr_0"]}, {"train": ["xTr_0"], "val": ["xTr_1"]}]
    jsonfile(folder / "splits_final.json", folds)
    assert [case.fold for case in read_manifest(folder, make_target()).cases] == [0, 1, None]


def test_folds_of_another_form_are_reported(nnunet, make_target, jsonfile):
    folder = nnunet()
    jsonfile(folder / "splits_final.json", [["xTr_0"]])
    with pytest.raises(DataError, match=r"splits_final\.json: found folds of another form"):
        read_manifest(folder, make_target())


def test_images_and_masks_without_partner_are_named(nnunet, make_target, label):
    folder = nnunet(cases=2)
    (folder / "labelsTr" / "xTr_1.nii.gz").unlink()
    label(folder / "labelsTr" / "alone.nii.gz")
    (folder / "labelsTr" / "._alone.nii.gz").touch()
    errors = [item for item in scan_manifest(folder, make_target())[1] if item.level == "error"]
    assert [problem.case_id for problem in errors] == ["alone", "xTr_1"]


def test_files_elsewhere_are_found_by_the_dataset_key(nnunet, make_target):
    entry = {"images": ["imagesTr/xTr_1_0000.nii.gz"], "label": "labelsTr/xTr_1.nii.gz"}
    cases = read_manifest(nnunet(dataset={"other": entry}, numTraining=1), make_target()).cases
    assert [(case.case_id, case.label.name) for case in cases] == [("other", "xTr_1.nii.gz")]


def test_regions_name_no_ids(nnunet, make_target):
    folder = nnunet(labels={"background": 0, "whole": [1, 2], "core": [2]})
    assert read_manifest(folder, make_target()).label_ids is None


def test_participants_give_covariates(nnunet, make_target):
    folder = nnunet(cases=2)
    (folder / "participants.tsv").write_text("case_id\tsex\nxTr_0\tmale\nxTr_1\tF\n")
    cases = read_manifest(folder, make_target()).cases
    assert [case.covariates for case in cases] == [{"sex": "M"}, {"sex": "F"}]


def test_the_ignore_label_is_known_beside_labels_and_regions(nnunet, make_target):
    named = {"background": 0, "a": 1, "b": 2, "ignore": 3}
    assert read_manifest(nnunet(labels=named), make_target()).label_ids["ignore"] == 3
    regions = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    assert read_manifest(nnunet(labels=regions), make_target()).label_ids == {"ignore": 3}
