import nibabel as nib
import pytest

from neurotarget.data.checkup import check_case
from neurotarget.types import Case, Roi


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
