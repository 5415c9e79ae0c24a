import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.formats.scratch import Scratch
from neurotarget.data.scans.volume import read_volume
from neurotarget.inference.inputs import find_inputs
from neurotarget.problems import DataError


def scan(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones((2, 3, 4), np.float32), np.eye(4)), path)
    return path


def touch(folder, *names):
    """Files whose content is not read here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def found(source, *contrasts):
    cases = find_inputs(source, contrasts, scratch=Scratch(Path("unused")))
    return {
        case.case_id: [path.relative_to(source).as_posix() for path in case.images.values()]
        for case in cases
    }


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mgz", ".mgh", ".nrrd", ".mha", ".NII.GZ"])
def test_one_file_is_a_case_named_after_it(tmp_path, ending):
    touch(tmp_path, f"scan.v2{ending}")
    (case,) = find_inputs(tmp_path / f"scan.v2{ending}", ("t1",), scratch=Scratch(tmp_path))
    assert case.case_id == case.subject_id == "scan.v2"
    assert case.images == {"t1": tmp_path / f"scan.v2{ending}"}
    assert case.label is None


def test_one_file_cannot_give_two_contrasts(tmp_path):
    touch(tmp_path, "scan.nii.gz")
    error = r"found one file .*scan\.nii\.gz, wanted the contrasts t1, t2; .*<case>_t2\.nii\.gz"
    with pytest.raises(DataError, match=error):
        find_inputs(tmp_path / "scan.nii.gz", ("t1", "t2"), scratch=Scratch(tmp_path))


def test_each_dicom_file_is_a_case_where_films_are_wanted(tmp_path):
    for name in ("a.dcm", "b.DCM", "notes.txt"):
        touch(tmp_path, name)
    found = find_inputs(tmp_path, ("film",), scratch=Scratch(tmp_path), films=True)
    assert [(case.case_id, case.images["film"].name) for case in found] == [
        ("a", "a.dcm"),
        ("b", "b.DCM"),
    ]
    (one,) = find_inputs(tmp_path / "a.dcm", ("film",), scratch=Scratch(tmp_path), films=True)
    assert one.case_id == "a"


def test_a_file_of_another_kind_lists_the_known_ones(tmp_path):
    touch(tmp_path, "IM0001.dcm")
    with pytest.raises(DataError, match=r"for DICOM give the folder of the series"):
        find_inputs(tmp_path / "IM0001.dcm", ("t1",), scratch=Scratch(tmp_path))


def test_with_one_contrast_every_file_of_a_folder_is_a_case(tmp_path):
    touch(tmp_path, "b_0000.nii.gz", "a.nii", "c.mgz", "._a.nii", "notes.txt", "more/d.nii")
    assert found(tmp_path, "t1") == {"a": ["a.nii"], "b_0000": ["b_0000.nii.gz"], "c": ["c.mgz"]}


def test_contrasts_are_known_by_their_names(tmp_path):
    touch(tmp_path, "a_T2.nii.gz", "a_t1.nii.gz", "b_x_t1.nii.gz", "b_x_t2.nii.gz")
    assert found(tmp_path, "t1", "t2") == {
        "a": ["a_t1.nii.gz", "a_T2.nii.gz"],
        "b_x": ["b_x_t1.nii.gz", "b_x_t2.nii.gz"],
    }


def test_contrasts_are_known_by_nnunets_numbers(tmp_path):
    touch(tmp_path, "a_0001.nii.gz", "a_0000.nii.gz")
    assert found(tmp_path, "t1", "t2") == {"a": ["a_0000.nii.gz", "a_0001.nii.gz"]}


def test_the_longer_of_two_contrast_names_wins(tmp_path):
    touch(tmp_path, "a_t1.nii.gz", "a_late_t1.nii.gz")
    assert found(tmp_path, "t1", "late_t1") == {"a": ["a_t1.nii.gz", "a_late_t1.nii.gz"]}


def test_other_habits_of_naming_a_contrast_are_known(tmp_path):
    touch(tmp_path, "a_T1w.nii.gz", "a_t1ce.nii.gz")
    assert found(tmp_path, "t1", "t1c") == {"a": ["a_T1w.nii.gz", "a_t1ce.nii.gz"]}


def test_files_named_as_a_contrast_alone_are_the_folders_case(tmp_path):
    touch(tmp_path / "anna", "t1.nii.gz", "t2.nii.gz")
    assert found(tmp_path / "anna", "t1", "t2") == {"anna": ["t1.nii.gz", "t2.nii.gz"]}


def test_missing_contrasts_are_listed_for_all_cases_at_once(tmp_path):
    touch(tmp_path, "a_t1.nii.gz", "b_t2.nii.gz", "c_t1.nii.gz", "c_t2.nii.gz")
    with pytest.raises(DataError, match=r"a: found no t2 image.*\n.*b: found no t1 image") as error:
        find_inputs(tmp_path, ("t1", "t2"), scratch=Scratch(tmp_path))
    assert len(error.value.problems) == 2


def test_contrasts_may_be_missing_where_they_can_be_filled(tmp_path):
    touch(tmp_path / "a", "a_t1.nii.gz")
    touch(tmp_path / "b", "b_t2.nii.gz", "b_t1.nii.gz")
    scan(tmp_path / "x.nii.gz")
    (tmp_path / "new.csv").write_text("case_id,t1,t2\nanna,x.nii.gz,\n")
    settings = {"scratch": Scratch(tmp_path), "fill": True}
    (anna,) = find_inputs(tmp_path / "new.csv", ("t1", "t2"), **settings)
    assert [*anna.images] == ["t1"]
    (alone,) = find_inputs(tmp_path / "a" / "a_t1.nii.gz", ("t1", "t2"), **settings)
    assert (alone.case_id, [*alone.images]) == ("a", ["t1"])
    (tmp_path / "x.nii.gz").unlink()
    cases = find_inputs(tmp_path, ("t1", "t2"), **settings)
    assert {one.case_id: sorted(one.images) for one in cases} == {"a": ["t1"], "b": ["t1", "t2"]}


def test_files_that_name_no_contrast_are_left_out_with_a_word(tmp_path, caplog):
    touch(tmp_path, "a_t1.nii.gz", "a_t2.nii.gz", "a_mask.nii.gz")
    assert list(found(tmp_path, "t1", "t2")) == ["a"]
    assert "1 files name no contrast and are left out: ['a_mask.nii.gz']" in caplog.text


def test_where_no_file_names_a_contrast_the_names_are_reported(tmp_path):
    touch(tmp_path, "a.nii.gz", "b.nii.gz")
    error = r"2 image files that name no contrast.*<case>_t2\.nii\.gz or <case>_0000\.nii\.gz"
    with pytest.raises(DataError, match=error):
        find_inputs(tmp_path, ("t1", "t2"), scratch=Scratch(tmp_path))


def test_two_files_of_one_contrast_are_refused(tmp_path):
    touch(tmp_path, "a_t1.nii.gz", "a_T1w.nii", "a_t2.nii")
    with pytest.raises(DataError, match=r"a: found 2 files for t1 .a_T1w\.nii, a_t1\.nii\.gz."):
        find_inputs(tmp_path, ("t1", "t2"), scratch=Scratch(tmp_path))


def test_two_files_of_one_name_are_refused(tmp_path):
    touch(tmp_path, "a.nii", "a.nii.gz")
    with pytest.raises(DataError, match=r"a: found 2 files of one name .a\.nii, a\.nii\.gz."):
        find_inputs(tmp_path, ("t1",), scratch=Scratch(tmp_path))


def test_a_subfolder_per_case_names_the_cases(tmp_path):
    touch(tmp_path, "anna/brain.nii.gz", "bela/x.mgz", ".cache/x.nii", "readme.md")
    assert found(tmp_path, "t1") == {"anna": ["anna/brain.nii.gz"], "bela": ["bela/x.mgz"]}


def test_a_subfolder_per_case_may_hold_several_contrasts(tmp_path):
    touch(tmp_path, "anna/t1.nii.gz", "anna/t2.nii.gz", "bela/b_0000.nii", "bela/b_0001.nii")
    assert found(tmp_path, "t1", "t2") == {
        "anna": ["anna/t1.nii.gz", "anna/t2.nii.gz"],
        "bela": ["bela/b_0000.nii", "bela/b_0001.nii"],
    }


def test_in_a_subfolder_of_many_the_named_contrast_is_taken(tmp_path):
    touch(tmp_path, "anna/a_t1.nii.gz", "anna/a_flair.nii.gz", "bela/x.nii", "bela/y.nii")
    with pytest.raises(DataError, match="bela: found no t1 image") as error:
        find_inputs(tmp_path, ("t1",), scratch=Scratch(tmp_path))
    assert len(error.value.problems) == 1


def test_a_folder_of_predictions_is_no_case(tmp_path):
    touch(tmp_path, "anna/brain.nii.gz", "out/volumes.tsv", "out/anna.nii.gz")
    assert list(found(tmp_path, "t1")) == ["anna"]


def test_an_empty_folder_names_what_was_looked_for(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(DataError, match=r"found no scan in .*\.nii\.gz.*DICOM.*BIDS.*manifest"):
        find_inputs(tmp_path, ("t1",), scratch=Scratch(tmp_path))


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder: .*nowhere; check the path"):
        find_inputs(tmp_path / "nowhere", ("t1",), scratch=Scratch(tmp_path))
    with pytest.raises(DataError, match="no such file or folder: ~no-user; check the path"):
        find_inputs("~no-user", ("t1",), scratch=Scratch(tmp_path))


def test_a_dicom_series_is_one_case_named_after_its_folder(tmp_path, mr):
    folder = mr.write(tmp_path / "anna", [mr.slice_of(number) for number in range(3)])
    scratch = Scratch(tmp_path / "scratch")
    (case,) = find_inputs(folder, ("t1",), scratch=scratch)
    assert case.case_id == "anna"
    assert not case.images["t1"].exists()
    with scratch.ready(case):
        assert nib.load(case.images["t1"]).shape == (mr.columns, mr.rows, 3)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_folder_of_dicom_folders_has_a_case_each_whatever_is_wrong_with_some(tmp_path, mr):
    source = tmp_path / "study"
    mr.write(source / "anna", [mr.slice_of(number) for number in range(3)])
    mr.write(source / "bela", [mr.slice_of(number) for number in (0, 1, 3, 4)])
    mr.write(source / "cleo", [mr.slice_of(0)])
    dora = mr.write(source / "dora", [mr.slice_of(number) for number in range(3)])
    (dora / "IM0999").write_bytes(sorted(dora.iterdir())[0].read_bytes()[:200])
    scratch = Scratch(tmp_path / "scratch")
    anna, *others = find_inputs(source, ("t1",), scratch=scratch)
    with scratch.ready(anna):
        assert anna.images["t1"].is_file()
    result = (r"bela: .*a gap of 5\.00 mm", r"cleo: .*one DICOM slice", r"dora: .*cannot be read")
    for case, reason in zip(others, result, strict=True):
        with pytest.raises(DataError, match=reason), scratch.ready(case):
            pass
    assert list((tmp_path / "scratch").iterdir()) == []


def test_dicom_deeper_in_a_case_folder_is_found(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(3)]
    mr.write(tmp_path / "study" / "anna" / "ST1" / "SE1", slices)
    mr.write(tmp_path / "study" / "bela", slices)
    mr.write(tmp_path / "study" / "bela" / "scout", [mr.slice_of(0, series="2")])
    cases = find_inputs(tmp_path / "study", ("t1",), scratch=Scratch(tmp_path / "scratch"))
    assert [case.case_id for case in cases] == ["anna", "bela"]


def test_a_disc_is_one_case_of_the_series_that_is_asked_for(cases_folder, tmp_path):
    disc = cases_folder / "dicom_on_a_cd"
    listed = r"localizer \(3 slices, in DICOM/ST000000/SE000000\).*t1_mprage \(20 slices"
    scratch = Scratch(tmp_path)
    (case,) = find_inputs(disc, ("t1",), scratch=scratch)
    with pytest.raises(DataError, match=listed), scratch.ready(case):
        pass
    (case,) = find_inputs(disc, ("t1",), scratch=scratch, series="t1_mprage")
    assert case.case_id == "dicom_on_a_cd"
    with scratch.ready(case):
        assert nib.load(case.images["t1"]).shape[2] == 20


def test_a_series_of_no_dicom_is_refused(tmp_path):
    touch(tmp_path, "a.nii.gz")
    with pytest.raises(DataError, match=r"found no DICOM in .*; leave series=4 out"):
        find_inputs(tmp_path, ("t1",), scratch=Scratch(tmp_path / "scratch"), series="4")


def test_a_scan_too_deep_in_a_folder_is_reported_with_its_path(tmp_path, caplog):
    touch(tmp_path, "anna/anat/t1.nii.gz", "bela/t1.nii.gz")
    assert list(found(tmp_path, "t1")) == ["bela"]
    assert "anna/anat/t1.nii.gz: give its folder, or a manifest" in caplog.text


def test_dicom_cannot_give_two_contrasts(tmp_path, mr):
    folder = mr.write(tmp_path / "anna", [mr.slice_of(number) for number in range(3)])
    with pytest.raises(DataError, match=r"anna: .*wanted the contrasts t1, t2.*dcm2niix"):
        find_inputs(folder, ("t1", "t2"), scratch=Scratch(tmp_path))


def test_a_manifest_needs_no_labels(tmp_path):
    scan(tmp_path / "scans" / "x.nii.gz")
    (tmp_path / "new.tsv").write_text("case_id\tt1\tage\nanna\tscans/x.nii.gz\tunknown\n")
    (case,) = find_inputs(tmp_path / "new.tsv", ("t1",), scratch=Scratch(tmp_path))
    assert (case.case_id, case.label) == ("anna", None)
    assert case.images == {"t1": tmp_path / "scans" / "x.nii.gz"}


def test_what_prediction_does_not_use_in_a_manifest_cannot_stop_it(tmp_path):
    scan(tmp_path / "x.nii.gz")
    scan(tmp_path / "y.nii.gz")
    lines = [
        "case_id,subject_id,t1,label,split,fold,age",
        "a,s,x.nii.gz,gone.nii.gz,train,one,12",
        "b,s,y.nii.gz,gone.nii.gz,test,two,13",
        "c,s,y.nii.gz,gone.nii.gz,never,0,old",
    ]
    (tmp_path / "new.csv").write_text("\n".join(lines))
    cases = find_inputs(tmp_path / "new.csv", ("t1",), scratch=Scratch(tmp_path))
    assert [case.case_id for case in cases] == ["a", "b", "c"]
    assert {case.label for case in cases} == {None}


@pytest.mark.parametrize("layout", ["nnunet", "msd", "bids"])
def test_masks_and_participants_of_a_data_set_are_no_matter(tmp_path, layout):
    image = {
        "nnunet": "imagesTr/sub-1_0000.nii.gz",
        "msd": "imagesTr/sub-1.nii.gz",
        "bids": "sub-1/anat/sub-1_T1w.nii.gz",
    }[layout]
    scan(tmp_path / image)
    touch(tmp_path, "labelsTr/elsewhere.nii.gz", "derivatives/x/sub-1/anat/sub-1_dseg.nii.gz")
    (tmp_path / "participants.tsv").write_text("who\tage\nsub-1\told\n")
    (tmp_path / "splits_final.json").write_text("{")
    content = {"channel_names": {"0": "T1"}, "file_ending": ".nii.gz"}
    if layout == "msd":
        content["training"] = [{"image": image, "label": "labelsTr/gone.nii.gz"}]
    if layout == "bids":
        content = {"Name": "tiny", "BIDSVersion": "1.9.0"}
    name = "dataset_description.json" if layout == "bids" else "dataset.json"
    (tmp_path / name).write_text(json.dumps(content))
    assert found(tmp_path, "t1") == {"sub-1": [image]}


def test_a_manifest_that_lacks_a_contrast_is_refused(tmp_path):
    scan(tmp_path / "x.nii.gz")
    (tmp_path / "new.csv").write_text("case_id,t1,t2\nanna,x.nii.gz,\n")
    with pytest.raises(DataError, match=r"anna.*no t2 image"):
        find_inputs(tmp_path / "new.csv", ("t1", "t2"), scratch=Scratch(tmp_path))


def test_a_bids_data_set_gives_its_sessions(tmp_path):
    description = {"Name": "tiny", "BIDSVersion": "1.9.0"}
    (tmp_path / "dataset_description.json").write_text(json.dumps(description))
    for name in ("sub-01", "sub-02"):
        scan(tmp_path / name / "anat" / f"{name}_T1w.nii.gz")
    assert found(tmp_path, "t1") == {
        "sub-01": ["sub-01/anat/sub-01_T1w.nii.gz"],
        "sub-02": ["sub-02/anat/sub-02_T1w.nii.gz"],
    }


def test_the_real_head_is_one_case(shared_data):
    path = shared_data / "heads" / "datalad_T1.nii.gz"
    (case,) = find_inputs(path, ("t1",), scratch=Scratch(path.parent))
    assert (case.case_id, case.images["t1"]) == ("datalad_T1", path)


@pytest.mark.parametrize("layout", ["files", "subfolders", "contrasts", "table", "bids"])
def test_scans_that_were_not_fetched_stay_cases(tmp_path, layout):
    contrasts = ("t1", "t2") if layout == "contrasts" else ("t1",)
    names = {
        "files": ["a.nii.gz", "b.nii.gz"],
        "subfolders": ["a/x.nii.gz", "b/x.nii.gz"],
        "contrasts": ["a_t1.nii.gz", "b_t1.nii.gz", "a_t2.nii.gz", "b_t2.nii.gz"],
        "table": ["a.nii.gz", "b.nii.gz"],
        "bids": ["sub-a/anat/sub-a_T1w.nii.gz", "sub-b/anat/sub-b_T1w.nii.gz"],
    }[layout]
    touch(tmp_path, *names)
    (tmp_path / names[1]).unlink()
    (tmp_path / names[1]).symlink_to("gone")
    source = tmp_path
    if layout == "table":
        source = tmp_path / "cases.tsv"
        source.write_text("case_id\tt1\na\ta.nii.gz\nb\tb.nii.gz\nc\tc.nii.gz\n")
    if layout == "bids":
        touch(tmp_path, "dataset_description.json")
    cases = [
        case.case_id.removeprefix("sub-")
        for case in find_inputs(source, contrasts, scratch=Scratch(tmp_path))
    ]
    assert cases == (["a", "b", "c"] if layout == "table" else ["a", "b"])


POINTERS = {
    "annex": "/annex/objects/MD5E-s1--a.dcm\n",
    "lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n",
}


@pytest.mark.parametrize("kind", ["link", *POINTERS])
@pytest.mark.parametrize("layout", ["anna", "anna/ST0/SE1", "."])
def test_a_dicom_series_with_unfetched_slices_fails_as_a_case(tmp_path, mr, caplog, kind, layout):
    source = tmp_path / "study"
    last = mr.write(source / layout, [mr.slice_of(number) for number in range(4)]) / "IM0103"
    (source / layout / "notes.txt").symlink_to("gone")  # no slice
    last.unlink()
    last.symlink_to("gone") if kind == "link" else last.write_text(POINTERS[kind])
    (case,) = find_inputs(source, ("t1",), scratch=Scratch(tmp_path / "scratch"))
    assert case.case_id == ("study" if layout == "." else "anna")
    assert case.images["t1"].name == "IM0103"
    with pytest.raises(DataError, match=r"IM0103: found a (broken link|pointer).*fetch it"):
        read_volume(case.images["t1"])
    assert "1 files were not fetched" in caplog.text


@pytest.mark.parametrize("contrasts", [("t1",), ("t1", "t2")])
def test_a_case_of_broken_links_only_fails_as_a_case(tmp_path, contrasts):
    for name in ("IM0", "IM1"):
        (tmp_path / "study" / "anna" / "SE1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "study" / "anna" / "SE1" / name).symlink_to("gone")
    (tmp_path / "study" / "bela").symlink_to("gone")
    cases = find_inputs(tmp_path / "study", contrasts, scratch=Scratch(tmp_path), series="4")
    assert sorted(case.case_id for case in cases) == ["anna", "bela"]
    assert {path.name for case in cases for path in case.images.values()} == {"IM0", "bela"}


def test_a_scan_that_was_not_fetched_is_named(tmp_path):
    (tmp_path / "a.nii.gz").symlink_to("gone")
    with pytest.raises(DataError, match=r"input: found a broken link: .*a\.nii\.gz; fetch it"):
        find_inputs(tmp_path / "a.nii.gz", ("t1",), scratch=Scratch(tmp_path))
