import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.data.formats.detached import scan_digest
from neurotarget.data.formats.members import file_and_number, member
from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import inspect_volume, missing_file, read_volume
from neurotarget.problems import DataError
from neurotarget.types import Target

OLD = ("_t1", "_t1ce", "_t2", "_flair", "_seg")
NEW = ("-t1n", "-t1c", "-t2w", "-t2f", "-seg")
LABELS = {"non_enhancing": 1, "edema": 2, "enhancing": 4}
TUMOUR = Target("tumour", ["flair", "t1", "t1ce", "t2"], LABELS, [1] * 3, [4] * 3)


def files(folder, case_id, endings):
    folder.mkdir(parents=True, exist_ok=True)
    for ending in endings:
        nib.save(
            nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), None),
            folder / f"{case_id}{ending}.nii.gz",
        )


def test_files_of_brats_2021_are_cases(tmp_path):
    files(tmp_path, "BraTS2021_00001", OLD)
    files(tmp_path / "BraTS2021_00002", "BraTS2021_00002", OLD)
    manifest = read_manifest(tmp_path, TUMOUR)
    assert [case.case_id for case in manifest.cases] == ["BraTS2021_00001", "BraTS2021_00002"]
    names = {name: path.name[16:-7] for name, path in manifest.cases[0].images.items()}
    assert names == {"flair": "flair", "t1": "t1", "t1ce": "t1ce", "t2": "t2"}
    assert manifest.cases[1].label.name == "BraTS2021_00002_seg.nii.gz"
    assert manifest.label_ids is None


def test_grades_of_2018_are_covariates(tmp_path):
    for grade in ("HGG", "LGG"):
        files(tmp_path / grade / f"Brats18_{grade}_1", f"Brats18_{grade}_1", OLD)
    grades = [case.covariates["grade"] for case in read_manifest(tmp_path, TUMOUR).cases]
    assert grades == ["HGG", "LGG"]


def test_names_since_2023_number_the_enhancing_tumour_3(tmp_path):
    for time in ("000", "001"):
        files(tmp_path / f"BraTS-GLI-00005-{time}", f"BraTS-GLI-00005-{time}", NEW)
    manifest = read_manifest(tmp_path, TUMOUR)
    assert {case.subject_id for case in manifest.cases} == {"BraTS-GLI-00005"}
    assert {*manifest.cases[0].images} == {*TUMOUR.contrasts}
    assert class_of_id(TUMOUR, manifest.label_ids) == {0: 0, 1: 1, 2: 2, 3: 3}


def test_missing_contrasts_and_mixed_names_are_errors(tmp_path):
    files(tmp_path, "a", OLD[1:])
    files(tmp_path, "b", NEW)
    _, problems = scan_manifest(tmp_path, TUMOUR)
    text = "\n".join(map(str, problems))
    assert "a: " in text
    assert "found no t1 image, wanted the contrasts flair, t1, t1ce, t2" in text
    assert "keep them apart: the masks number the enhancing tumour 4 and 3" in text


@pytest.mark.parametrize(("value", "own"), [(3, 4), (4, 3)])
def test_the_other_number_of_the_enhancing_tumour_is_named(value, own):
    target = Target("t", ["t1"], {**LABELS, "enhancing": own}, [1] * 3, [4] * 3)
    message = f"4 until 2021 and 3 since 2023: set target.labels.enhancing={value}"
    with pytest.raises(DataError, match=message):
        to_classes(np.array([[[0, 1, 2, value]]]), class_of_id(target))


def test_names_of_msd_decide_over_the_numbers_of_the_target():
    theirs = {"background": 0, "edema": 1, "non-enhancing tumor": 2, "enhancing tumour": 3}
    assert class_of_id(TUMOUR, theirs) == {0: 0, 1: 2, 2: 1, 3: 3}


def test_a_volume_of_a_4d_file_is_a_path_of_its_own(tmp_path):
    path, voxels = tmp_path / "a.nii.gz", np.arange(48, dtype=np.int16).reshape(4, 3, 2, 2)
    nib.save(nib.Nifti1Image(voxels, np.diag([2, 2, 2, 1])), path)
    second = member(path, 1)
    assert file_and_number(second) == (path, 1)
    volume = read_volume(second)
    np.testing.assert_array_equal(volume.array, voxels[..., 1])
    assert volume.header.get_data_shape() == (4, 3, 2)
    assert missing_file(second) is None
    assert len({scan_digest(one) for one in (path, second, member(path, 0))}) == 3
    _, problems = inspect_volume(member(path, 2))
    assert "found 2 volumes in the file, wanted a volume [2]" in str(problems[0])
    assert "no such file" in str(missing_file(member(tmp_path / "b.nii.gz", 0)))


def test_real_cases_are_read(shared_data):
    folder = shared_data / "brats2021_2mm"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    manifest = read_manifest(folder, TUMOUR)
    assert len(manifest.cases) == 10
    assert all(case.label and len(case.images) == 4 for case in manifest.cases)
