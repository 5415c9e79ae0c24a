from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.types import Target

TARGET = Target("a", ("t1",), {"a": 1}, spacing_mm=(1, 1, 1), patch_vox=(8, 8, 8))


def people(folder, *names):
    lines = ["participant_id\tage", *(f"{name}\t{30 + n}" for n, name in enumerate(names))]
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")
    return folder / "participants.tsv"


def put(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"0")


def test_scans_and_masks_are_found_by_the_id_of_the_person(tmp_path):
    put(tmp_path / "t1", "1.nii.gz", "02.nii.gz", "3.nii.gz")
    put(tmp_path / "masks", "1_seg.nii.gz", "sub-02.nii.gz")
    manifest, problems = scan_manifest(people(tmp_path, "1", "sub-02"), TARGET)
    assert not problems
    first, second = manifest.cases
    assert (first.images["t1"].name, first.label.name) == ("1.nii.gz", "1_seg.nii.gz")
    assert (second.images["t1"].name, second.label.name) == ("02.nii.gz", "sub-02.nii.gz")
    assert second.covariates == {"age": 31}


def test_a_person_without_a_scan_or_with_two_is_reported(tmp_path):
    put(tmp_path / "images", "1_a.nii.gz", "1_b.nii.gz")
    _, problems = scan_manifest(people(tmp_path, "1", "2"), TARGET)
    texts = "\n".join(map(str, problems))
    assert "1: " in texts
    assert "found 2 files (1_a.nii.gz, 1_b.nii.gz), wanted one file per person" in texts
    assert "found no t1 image" in texts


def test_participants_of_a_bids_data_set_stand_for_its_listed_people(tmp_path):
    (tmp_path / "dataset_description.json").write_text('{"Name": "a", "BIDSVersion": "1.10.0"}')
    for name in ("sub-1", "sub-2"):
        put(tmp_path / name / "anat", f"{name}_T1w.nii.gz")
    manifest, _ = scan_manifest(people(tmp_path, "sub-2"), TARGET)
    assert [case.case_id for case in manifest.cases] == ["sub-2"]
