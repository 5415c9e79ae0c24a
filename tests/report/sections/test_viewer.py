import base64
import gzip

import nibabel as nib
import numpy as np
import pytest

from neurotarget.report.sections.viewer import (
    MOST_MISSES,
    PageCase,
    Volumes,
    cropped,
    encode,
    fit_budget,
    fit_pictures,
    nifti_base64,
)

# 1 × 2 × 0.5 mm, the first axis to the left, the others swapped, away from the origin
AFFINE = np.array([[-1, 0, 0, 40], [0, 0, 0.5, -30], [0, 2, 0, 7], [0, 0, 0, 1]], float)


def scan(shape=(90, 60, 130)):
    """A dark scan with a mask of 10 × 6 × 20 voxels, whose first voxel is one of a kind."""
    image = np.random.default_rng(0).normal(100, 10, shape)
    truth = np.zeros(shape, np.int16)
    truth[40:50, 25:31, 60:80] = 2
    truth[40, 25, 60] = 1
    return image, truth


def case(case_id="p01", rank="worst", size=None, png=None):
    image = None if size is None else np.arange(size, dtype=np.uint8).reshape(1, 1, -1)
    return PageCase(case_id, rank, "", (), png, image, None, None, np.eye(4))


def opened(text):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


def world(array, affine, value=1):
    return nib.affines.apply_affine(affine, np.argwhere(array == value))


def test_the_box_has_20_mm_around_the_masks():
    image, truth = scan()
    shown = cropped(image, truth, None, AFFINE)
    assert shown.truth.shape == (10 + 2 * 20, 6 + 2 * 10, 20 + 2 * 40)
    assert shown.image.shape == shown.truth.shape
    assert shown.pred is None


def test_the_box_holds_both_masks_and_ends_with_the_scan():
    image, truth = scan()
    pred = np.zeros_like(truth)
    pred[2, 25, 60] = 1
    shown = cropped(image, truth, pred, AFFINE)
    assert shown.pred.sum() == 1
    assert shown.image.shape[0] == 50 + 20  # from the first voxel


def test_masks_without_a_scan_have_5_mm_around_them():
    _, truth = scan()
    assert cropped(None, truth, None, AFFINE).truth.shape == (20, 12, 40)


def test_a_voxel_keeps_its_place_in_the_world():
    image, truth = scan()
    shown = cropped(image, truth, None, AFFINE)
    np.testing.assert_allclose(world(shown.truth, shown.affine), world(truth, AFFINE), atol=1e-9)
    file = opened(nifti_base64(shown.truth, shown.affine))
    np.testing.assert_allclose(
        world(np.asarray(file.dataobj), file.affine), world(truth, AFFINE), atol=1e-4
    )


def test_files_are_in_canonical_order():
    _, truth = scan()
    assert nib.aff2axcodes(opened(nifti_base64(truth.astype(np.uint8), AFFINE)).affine) == tuple(
        "RAS"
    )


def test_a_scan_without_masks_is_whole():
    image = np.random.default_rng(0).normal(size=(30, 20, 40))
    for masks in ((None, None), (np.zeros(image.shape, int), None)):
        shown = cropped(image, *masks, AFFINE)
        assert shown.image.shape == image.shape
        np.testing.assert_array_equal(shown.affine, AFFINE)


def test_a_large_scan_is_thinned_where_its_voxels_are_small():
    image = np.zeros((120, 90, 400), np.float32)  # of 1 × 2 × 0.5 mm, 4.3 million voxels
    image[40, 30, 200] = 1
    shown = cropped(image, None, None, AFFINE)
    assert shown.image.shape == (120, 90, 200)
    np.testing.assert_allclose(shown.affine @ [40, 30, 100, 1], AFFINE @ [40, 30, 200, 1])


def test_shades_run_from_the_low_to_the_high_percentile():
    image = np.linspace(0, 1000, 1001).reshape(1001, 1, 1)
    shades = cropped(image[:, :, :], np.ones(image.shape, int), None, np.eye(4)).image.ravel()
    assert shades.dtype == np.uint8
    assert (shades[5], shades[995]) == (0, 255)  # 0.5 and 99.5 % of 1000
    assert shades[500] == pytest.approx(127.5, abs=1)
    assert (np.diff(shades.astype(int)) >= 0).all()


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_a_scan_without_contrast_is_black(value):
    image = np.full((4, 4, 4), value)
    assert not cropped(image, None, None, np.eye(4)).image.any()


def test_undefined_voxels_are_black_and_leave_the_others_alone():
    image, truth = scan()
    image[45, 28, 70] = np.nan
    shown = cropped(image, truth, None, AFFINE).image
    assert shown[25, 13, 50] == 0
    assert 100 < shown.mean() < 150


def test_cropping_twice_is_cropping_once():
    image, truth = scan()
    once = cropped(image, truth, None, AFFINE)
    for first, second in zip(once, cropped(*once), strict=True):
        np.testing.assert_array_equal(first, second)


def test_classes_begin_again_after_127():
    classes = np.array([0, 1, 127, 128, 254, 255]).reshape(1, 1, 6)
    assert cropped(None, classes, None, np.eye(4)).truth.ravel().tolist() == [0, 1, 127, 1, 127, 1]


def test_a_case_without_arrays_has_nothing_for_the_viewer():
    assert encode(case()) is None


def test_the_same_case_gives_the_same_letters():
    image, truth = scan()
    one = PageCase("a", "", "", (), None, image, truth, truth, AFFINE)
    assert encode(one) == encode(one)
    assert encode(one).truth == encode(one).pred


def letters(one):
    """Stands for volumes as long as the case's image; nothing is compressed."""
    return Volumes("x" * one.image.size, None, None)


def kept(cases, limit):
    return [one.case_id for one, found in zip(cases, fit_budget(cases, limit, letters), strict=True)
            if found]  # fmt: skip


def test_one_of_each_rank_is_kept_before_others():
    ranks = ["failed", "worst", "worst", "median", "median", "best", "best"]
    cases = [case(f"{rank}{place}", rank, 10) for place, rank in enumerate(ranks)]
    assert kept(cases, 30) == ["worst1", "median3", "best5"]
    assert kept(cases, 40) == ["failed0", "worst1", "median3", "best5"]
    assert kept(cases, 59) == ["failed0", "worst1", "worst2", "median3", "best5"]
    assert len(kept(cases, 70)) == len(cases)


def test_a_large_case_leaves_room_for_small_ones():
    cases = [case("large", "worst", 100), case("small", "best", 10)]
    assert kept(cases, 50) == ["small"]


def test_cases_that_cannot_fit_are_not_tried_for_ever():
    tried = []

    def encoder(one):
        tried.append(one)
        return letters(one)

    fit_budget([case(size=100) for _ in range(50)], 10, encoder)
    assert len(tried) == MOST_MISSES


def test_pictures_fit_as_base64():
    cases = [case("a", "median", png=bytes(30)), case("b", "worst", png=bytes(30)), case("c")]
    assert fit_pictures(cases, 79) == [None, base64.b64encode(bytes(30)).decode(), None]
    assert [bool(one) for one in fit_pictures(cases, 80)] == [True, True, False]
