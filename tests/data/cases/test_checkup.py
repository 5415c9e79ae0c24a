import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.batches.prepare import Preparation, prepare, read_scans
from neurotarget.data.cases.checkup import check_case
from neurotarget.problems import DataError
from neurotarget.types import Case, Manifest, Roi

NAN, INF = np.nan, np.inf
BROKEN = {
    "zero column": [[0, 0, 0], [0, 1, 0], [0, 0, 1]],
    "zero row": [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
    "parallel axes": [[1, 1, 0], [0, 0, 0], [0, 0, 1]],
    "NaN": [[NAN, 0, 0], [0, 1, 0], [0, 0, 1]],
    "Inf": [[INF, 0, 0], [0, 1, 0], [0, 0, 1]],
    "all zero": np.zeros((3, 3)),
}


@pytest.fixture
def case(tmp_path, image, label):
    paths = {"t1": image(tmp_path / "t1.nii.gz")}
    return Case("c1", "s1", paths, label(tmp_path / "mask.nii.gz"))


def test_volumes_are_in_mm3_per_label(case, make_target):
    checkup = check_case(case, make_target(), {0: 0, 1: 1, 2: 2})
    assert checkup.label_mm3 == {"a": 8.0, "b": 8.0}
    assert checkup.problems == []


@pytest.mark.parametrize(("patch", "is_small"), [((6, 6, 6), False), ((7, 6, 6), True)])
def test_a_volume_smaller_than_the_patch_is_small(case, make_target, patch, is_small):
    assert check_case(case, make_target(patch=patch), None).is_small is is_small


def test_a_region_smaller_than_the_patch_makes_it_small(case, make_target):
    target = make_target(patch=(4, 4, 4), roi=Roi((3.0, 6.0, 6.0), anchor="scan"))
    assert check_case(case, target, None).is_small


def test_the_same_voxels_have_the_same_digest_whatever_the_file(case, tmp_path, make_target):
    copy = tmp_path / "copy.nii"
    nib.save(nib.load(case.images["t1"]), copy)
    other = Case("c2", "s2", {"t1": copy}, case.label)
    digests = [check_case(each, make_target(), None).digest for each in (case, other)]
    assert digests[0] == digests[1] != ""


def test_a_case_of_which_nothing_can_be_read_has_no_digest(tmp_path, make_target):
    checkup = check_case(Case("c", "s", {"t1": tmp_path / "gone.nii"}), make_target(), None)
    assert (checkup.digest, checkup.label_mm3, len(checkup.problems)) == ("", None, 1)


def break_header(path, *, axes=None, side=None):
    """Write axes into the sform of a file, or a first voxel side into its pixdim."""
    content = bytearray(path.read_bytes())
    header = np.frombuffer(content, nib.Nifti1Header.template_dtype, 1)
    if axes is None:
        header["pixdim"][0, 1] = side
    else:
        rows = np.column_stack([axes, np.zeros(3)]).astype(np.float32)
        header["srow_x"][0], header["srow_y"][0], header["srow_z"][0] = rows
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("place", ["image", "label"])
@pytest.mark.parametrize(
    "harm",
    [*({"axes": axes} for axes in BROKEN.values()), *({"side": side} for side in (0, -1, NAN))],
    ids=[*BROKEN, "zero spacing", "negative spacing", "NaN spacing"],
)
def test_broken_geometry_is_one_sentence_in_every_command(
    tmp_path, image, label, make_target, harm, place
):
    paths = image(tmp_path / "t1.nii"), label(tmp_path / "mask.nii")
    case = Case("c1", "s1", {"t1": paths[0]}, paths[1])
    break_header(paths[place == "label"], **harm)
    target, mapping = make_target(), {0: 0, 1: 1, 2: 2}
    wanted = "affine that cannot be inverted" if "axes" in harm else "spacing"
    lists = [check_case(case, None, None).problems, check_case(case, target, mapping).problems]
    with pytest.raises(DataError, match=wanted) as refused:
        prepare(Manifest((case,), tmp_path), target, Preparation(), tmp_path / "cache")
    lists.append(refused.value.problems)
    if place == "image":
        with pytest.raises(DataError, match=wanted) as refused:
            read_scans(case, target, Preparation())
        lists.append(refused.value.problems)
    for problems in lists:
        (problem,) = problems
        assert problem.level == "error"
        assert wanted in problem.found


@pytest.mark.parametrize("has_target", [True, False], ids=["target", "no target"])
@pytest.mark.parametrize(("step_mm", "level"), [(0.005, None), (0.09, "warning"), (0.11, "error")])
def test_a_mask_a_little_off_its_scan_is_taken_for_on_it(
    case, make_target, has_target, step_mm, level
):
    mask = nib.load(case.label)
    affine = mask.affine.copy()
    affine[0, 3] += step_mm  # of voxels of 1 mm
    nib.save(nib.Nifti1Image(np.asarray(mask.dataobj), affine), case.label)
    target, mapping = (make_target(), {0: 0, 1: 1, 2: 2}) if has_target else (None, None)
    problems = check_case(case, target, mapping).problems
    assert [problem.level for problem in problems] == ([level] if level else [])
    if level == "warning":
        assert problems[0].found == "a grid 0.090 mm or 0.090 voxel off"
        assert "up to 0.1 voxel is ignored" in problems[0].todo


def test_real_masks_off_by_a_fiftieth_of_a_voxel_are_a_warning(cases_folder):
    folder = cases_folder / "mask_origin_jitter"
    case = Case("c1", "c1", {"t1": folder / "s1.nii.gz"}, folder / "m1.nii.gz")
    (problem,) = check_case(case, None, None).problems
    assert (problem.level, problem.found) == ("warning", "a grid 0.020 mm or 0.020 voxel off")


def test_labels_that_are_nearly_whole_are_measured_with_a_warning(case, make_target):
    mask = nib.load(case.label)
    array = np.asarray(mask.dataobj).astype(np.float32) * np.float32(0.9999999)
    nib.save(nib.Nifti1Image(array, mask.affine), case.label)
    checkup = check_case(case, make_target(), {0: 0, 1: 1, 2: 2})
    assert checkup.label_mm3 == {"a": 8.0, "b": 8.0}
    (problem,) = checkup.problems
    assert problem.level == "warning"
    assert "off whole numbers" in problem.found
