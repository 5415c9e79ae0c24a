import nibabel as nib
import numpy as np
import pytest

from neurotarget.metrics.masks.fusion import FUSIONS, agreement, failed_masks, majority, simple
from neurotarget.metrics.masks.overlap import dice


def cube(start, side=6):
    mask = np.zeros((20, 16, 16), bool)
    mask[start : start + side, 4:10, 4:10] = True
    return mask


MASKS = {"a": cube(4), "b": cube(5), "c": cube(3), "far": cube(13), "all": np.ones_like(cube(0))}


def test_a_mask_of_all_voxels_and_one_elsewhere_have_failed():
    failed = {one.name: one.reason for one in failed_masks(MASKS)}
    assert failed == {
        "all": "all voxels are marked",
        "far": "median Dice 0.00 with the other masks",
    }
    good = {name: MASKS[name] for name in ("a", "b", "c")}
    assert failed_masks(good) == []
    empty = {**good, "empty": np.zeros_like(cube(0))}
    assert [one.name for one in failed_masks(empty)] == ["empty"]


def test_of_two_masks_nobody_knows_which_has_failed():
    assert failed_masks({"a": cube(1), "b": cube(12)}) == []


@pytest.mark.parametrize("name", FUSIONS)
def test_masks_around_a_truth_are_fused_to_it(name):
    masks = {"a": cube(4), "b": cube(5), "c": cube(3)}
    np.testing.assert_array_equal(FUSIONS[name](masks), cube(4))
    assert not FUSIONS[name]({"a": cube(0, 0), "b": cube(0, 0)}).any()


def test_half_of_the_votes_are_no_majority():
    assert majority({"a": cube(4), "b": cube(13)}).sum() == 0


def test_simple_drops_what_is_far_below():
    masks = {f"good{number}": cube(4) for number in range(6)} | {"bad": cube(12)}
    np.testing.assert_array_equal(simple(masks), cube(4))


def test_agreement_is_the_dice_of_every_two():
    found = agreement({"a": cube(4), "b": cube(5), "c": cube(4)})
    assert found == {("a", "b"): pytest.approx(5 / 6), ("a", "c"): 1.0, ("b", "c"): 5 / 6}


def test_the_broken_fusion_of_real_masks_is_found(shared_data):
    folder = shared_data / "bratstoolkit_multialgorithm"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    box = np.s_[60:180, 60:200, 40:130]
    masks = {
        path.name.removesuffix(".nii.gz"): np.asarray(nib.load(path).dataobj[box]) > 0
        for path in sorted(folder.glob("*.nii.gz"))
    }
    assert [(one.name, one.reason) for one in failed_masks(masks)] == [
        ("mav", "all voxels are marked")
    ]
    theirs = masks.pop("simple")
    del masks["mav"]
    assert dice(theirs, simple(masks)) > 0.95
    assert dice(theirs, majority(masks)) > 0.95
