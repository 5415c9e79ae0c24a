import numpy as np
import pytest

from neurotarget.data.batches.roi import box_of
from neurotarget.data.batches.target_boxes import Box, Boxes, box_error_mm, mask_box, share_inside
from neurotarget.data.scans.geometry import crop, whole_grid
from neurotarget.types import Roi

TILT = np.array([[0.8, -0.6, 0, 5], [0.6, 0.8, 0, -3], [0, 0, 1, 10], [0, 0, 0, 1.0]])
OTHERWISE = Roi((9, 9, 9), "scan")


def grid(spacing_mm=(2, 2, 2), affine=None, shape=(40, 40, 40)):
    affine = np.eye(4) if affine is None else affine
    return whole_grid(shape, affine, spacing_mm)


def marked(shape, low, high):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def boxes(errors_mm=(), of_masks=None, located=None, least_mm=(8, 8, 8)):
    return Boxes(2.0, least_mm, of_masks or {}, located or {}, tuple(errors_mm))


def test_the_box_of_a_mask_is_in_world_mm():
    fine = grid((1, 1, 1))
    box = mask_box(marked(fine.shape, (10, 20, 5), (14, 22, 6)), fine)
    assert box == Box((11.5, 20.5, 5.0), (4.0, 2.0, 1.0))
    assert mask_box(np.zeros(fine.shape, dtype=bool), fine) is None


def test_a_box_located_on_a_coarse_oblique_grid_is_cut_at_the_same_place_on_the_fine_one():
    coarse, fine = grid((4, 4, 4), TILT), grid((1, 1, 1), TILT)
    box = mask_box(marked(coarse.shape, (3, 4, 5), (5, 6, 7)), coarse)  # 12…20, 16…24, 20…28 mm
    assert box.size_mm == pytest.approx((8, 8, 8))
    roi = box.roi(margin_mm=0, least_mm=(1, 1, 1))
    cut = box_of(np.zeros((40, 40, 40)), fine, roi, case_id="a", file="a.nii")
    assert cut.start == pytest.approx((12, 16, 20))
    assert cut.shape == (8, 8, 8)


def test_a_region_has_a_margin_and_is_at_least_a_patch():
    roi = Box((0, 0, 0), (10, 2, 4)).roi(margin_mm=3, least_mm=(12, 12, 8))
    assert roi == Roi((16, 12, 10), "world", (0, 0, 0))


def test_errors_run_along_the_axes_of_the_scan():
    tilted = grid(affine=TILT)
    true = Box((0, 0, 0), (4, 4, 4))
    found = Box(tuple(TILT[:3, :3] @ [1.0, -2.0, 3.0]), (6, 4, 2))
    assert box_error_mm(found, true, tilted) == pytest.approx((1, -2, 3, 2, 0, -2))


def test_training_regions_hold_every_jittered_box():
    errors = [(3.0, -1.0, 0.0, 2.0, 0.0, -4.0), (-5.0, 2.0, 1.0, 0.0, 1.0, 0.0)]
    fine, true = grid((1, 1, 1), shape=(80, 80, 80)), Box((40.0, 40.0, 40.0), (10, 10, 10))
    those = boxes(errors, {"a": true})
    wide = box_of(
        np.zeros((80, 80, 80)),
        fine,
        those.roi_of("a", trains=True, otherwise=None),
        case_id="a",
        file="a.nii",
    )
    rng = np.random.default_rng(0)
    for _ in range(200):
        low, sides = those.sample("a", wide, rng)
        assert (low >= -1).all()  # half a voxel of rounding at either end
        assert (low + sides <= np.array(wide.shape) + 1).all()


def test_a_drawn_box_lies_about_the_mask_as_the_localiser_errs():
    fine, true = grid((1, 1, 1), shape=(80, 80, 80)), Box((40.0, 40.0, 40.0), (10, 10, 10))
    exact = boxes([(0.0,) * 6], {"a": true})
    low, sides = exact.sample("a", fine, np.random.default_rng(0))
    assert low.tolist() == [34, 34, 34]
    assert sides.tolist() == [14, 14, 14]  # a margin of 2 mm at each face
    off = boxes([(6.0, 0.0, 0.0, 0.0, 0.0, 0.0)], {"a": true})
    lows = {tuple(off.sample("a", fine, np.random.default_rng(seed))[0]) for seed in range(20)}
    assert lows == {(28, 34, 34), (40, 34, 34)}


def test_others_are_prepared_where_they_were_found():
    box = Box((1.0, 2.0, 3.0), (20.0, 20.0, 20.0))
    those = boxes(
        of_masks={"a": Box((0, 0, 0), (4, 4, 4)), "b": None}, located={"a": box, "b": None}
    )
    assert those.roi_of("a", trains=False, otherwise=OTHERWISE).offset_mm == (1, 2, 3)
    assert those.roi_of("b", trains=False, otherwise=OTHERWISE) is OTHERWISE
    assert those.roi_of("a", trains=True, otherwise=OTHERWISE).offset_mm == (0, 0, 0)
    assert those.sample("b", grid(), np.random.default_rng(0)) is None


def test_boxes_are_read_as_they_were_written():
    those = boxes([(1.0,) * 6], {"a": Box((0, 0, 0), (4, 4, 4)), "b": None}, {"a": None})
    assert Boxes.from_dict(those.as_dict()) == those


@pytest.mark.parametrize(("shift", "share"), [(0, 1), (4, 1), (8, 0.5), (12, 0), (50, 0)])
def test_the_share_of_a_mask_in_the_box_that_is_cut(shift, share):
    true, cut = Box((0, 0, 0), (8, 8, 8)), Box((shift, 0, 0), (16, 16, 16))
    assert share_inside(true, cut, grid()) == pytest.approx(share)


def test_the_middle_of_a_cropped_grid_is_no_other_place():
    fine = grid((1, 1, 1), TILT)
    part = crop(fine, (20, 20, 20), (10, 10, 10))
    mask = np.ones(part.shape, dtype=bool)
    whole = marked(fine.shape, *zip(*[(int(a), int(a) + 10) for a in part.start], strict=True))
    assert mask_box(mask, part).centre_mm == pytest.approx(mask_box(whole, fine).centre_mm)
