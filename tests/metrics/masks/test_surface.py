import math
import time

import numpy as np
import pytest
import torch
from monai.metrics import compute_surface_dice
from monai.metrics.utils import get_code_to_measure_table
from scipy.ndimage import gaussian_filter

from neurotarget.metrics.masks import surface
from neurotarget.metrics.masks.elements import _sizes, surface_elements
from neurotarget.metrics.masks.surface import assd_mm, hd95_mm, surface_dice, surface_distances


def voxel(*place, grid=(9, 9, 9)):
    mask = np.zeros(grid, dtype=bool)
    mask[place] = True
    return mask


def blob(seed, grid=(20, 24, 18)):
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(grid), 3)
    return noise > np.quantile(noise, 0.85)


def scores(truth, pred, spacing_mm, tolerance_mm=1.0):
    distances = surface_distances(truth, pred, spacing_mm)
    return hd95_mm(distances), assd_mm(distances), surface_dice(distances, tolerance_mm)


def test_two_voxels_are_apart_by_their_spacing():
    distances = surface_distances(voxel(1, 1, 1), voxel(4, 1, 3), (1.0, 1.0, 2.0))
    # from their corners to the nearest of the other: 3 or 2 steps of 1 mm, 2 or 1 of 2 mm
    each = [math.hypot(*steps) for steps in ((3, 4), (3, 2), (2, 4), (2, 2))]
    assert hd95_mm(distances) == pytest.approx(5)
    assert assd_mm(distances) == pytest.approx(np.mean(each))


def test_the_same_mask_has_no_distance():
    assert scores(blob(1), blob(1), (0.7, 0.7, 1.2)) == (0, 0, 1)


def test_two_voxels_more_are_counted_by_hand():
    bar = voxel(2, 2, 2) | voxel(3, 2, 2) | voxel(4, 2, 2)
    longer = bar | voxel(5, 2, 2) | voxel(6, 2, 2)
    distances = surface_distances(bar, longer, (1.0, 1.0, 1.0))
    end, side = math.sqrt(3) / 8, math.sqrt(2) / 2  # area at a corner of one and of two voxels
    areas = distances.truth_mm2.sum(), distances.pred_mm2.sum()
    assert areas == pytest.approx((8 * end + 8 * side, 8 * end + 16 * side))
    assert sorted(distances.pred_to_truth_mm) == [0] * 16 + [1] * 4 + [2] * 4
    assert not distances.truth_to_pred_mm.any()
    assert assd_mm(distances) == pytest.approx((4 * side + 8 * end) / sum(areas))
    assert surface_dice(distances, 1.0) == pytest.approx(1 - 4 * end / sum(areas))
    assert hd95_mm(distances) == 2  # 4 of the ends are over 5 % of the longer bar


def test_the_inside_of_a_mask_is_no_surface():
    cube = np.zeros((9, 9, 9), dtype=bool)
    cube[1:6, 1:6, 1:6] = True
    places, areas_mm2 = surface_elements(cube, (1.0, 1.0, 1.0))
    assert len(places) == 6**3 - 4**3
    by_hand = 6 * 16 + 12 * 4 * math.sqrt(2) / 2 + 8 * math.sqrt(3) / 8  # faces, edges, corners
    assert areas_mm2.sum() == pytest.approx(by_hand)


def test_the_border_of_the_scan_ends_a_mask():
    whole = np.ones((3, 3, 3), dtype=bool)
    assert surface_distances(whole, whole, (1.0, 1.0, 1.0)).truth_to_pred_mm.size == 4**3 - 2**3


@pytest.mark.parametrize(
    "spacing_mm", [(1.0, 1.0, 1.0), (0.94, 0.8, 1.2), (0.5, 0.4, 3.0), (0.8, 1.1)]
)
def test_elements_have_the_areas_of_marching_cubes(spacing_mm):
    theirs, kernel = get_code_to_measure_table(spacing_mm)
    assert _sizes(spacing_mm) == pytest.approx(theirs.numpy(), abs=1e-6)
    assert kernel.ravel().tolist() == [2**power for power in range(2 ** len(spacing_mm))][::-1]


# HD95, ASSD by area and surface Dice at 1 mm by DeepMind's surface-distance 0.1 on these masks
DEEPMIND = {
    (0, (1.0, 1.0, 1.0)): (5.0, 0.207003, 0.961387),
    (0, (0.94, 0.94, 1.2)): (4.55864, 0.200044, 0.962256),
    (0, (0.5, 0.5, 3.0)): (3.0, 0.135193, 0.96641),
    (2, (1.0, 1.0, 1.0)): (2.236068, 0.13307, 0.956552),
    (2, (0.94, 0.94, 1.2)): (2.420331, 0.149776, 0.951596),
    (2, (0.5, 0.5, 3.0)): (2.5, 0.158217, 0.949089),
    (4, (1.0, 1.0, 1.0)): (7.0, 0.62977, 0.882969),
    (4, (0.94, 0.94, 1.2)): (6.746999, 0.615043, 0.8812),
    (4, (0.5, 0.5, 3.0)): (4.5, 0.409412, 0.891653),
}


@pytest.mark.parametrize(("seed", "spacing_mm"), DEEPMIND)
def test_scores_equal_those_of_surface_distance(seed, spacing_mm):
    truth, pred = blob(seed), blob(seed) ^ (blob(seed + 1) & blob(seed + 7))
    found = scores(truth, pred, spacing_mm)
    assert found == pytest.approx(DEEPMIND[seed, spacing_mm], abs=1e-5)
    y, y_pred = (torch.tensor(mask[None, None]) for mask in (truth, pred))
    theirs = compute_surface_dice(
        y_pred, y, [1.0], include_background=True, spacing=spacing_mm, use_subvoxels=True
    )
    assert found[2] == pytest.approx(theirs.item(), abs=1e-5)


def test_masks_in_a_plane_have_outlines():
    truth, pred = blob(0)[:, :, 9], blob(2)[:, :, 9]
    # 11.002272 by surface-distance
    assert hd95_mm(surface_distances(truth, pred, (0.8, 1.1))) == pytest.approx(11.002272)


def test_both_ways_to_search_find_the_same(monkeypatch):
    found = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(surface, "DENSE", share)
        found.append(surface_distances(blob(3), blob(5), (0.9, 0.9, 1.5)))
    for one_way, other in zip(*found, strict=True):
        assert one_way == pytest.approx(other)


@pytest.mark.parametrize(("truth", "pred"), [(0, 1), (1, 0), (0, 0)])
def test_an_empty_mask_leaves_the_distance_undefined(truth, pred):
    masks = {0: np.zeros((9, 9, 9), dtype=bool), 1: voxel(2, 2, 2)}
    assert all(math.isnan(score) for score in scores(masks[truth], masks[pred], (1.0, 1.0, 1.0)))


def test_a_distance_equal_to_the_tolerance_counts_in_spite_of_rounding():
    rounded = float(np.float32(1) + np.float32(1e-7))
    apart = surface_distances(voxel(1, 1, 1), voxel(2, 1, 1), (rounded, 1.0, 1.0))
    assert surface_dice(apart, 1.0) == 1


def test_a_small_target_in_a_large_scan_takes_a_moment():
    truth = np.zeros((256, 256, 256), dtype=bool)
    truth[120:132, 118:130, 90:98] = True
    pred = np.roll(truth, 1, axis=0)
    pred[3, 250, 250] = True  # a stray voxel widens the box
    begin = time.perf_counter()
    scores(truth, pred, (1.0, 1.0, 1.0))
    assert time.perf_counter() - begin < 1


@pytest.mark.usefixtures("any_array")
def test_masks_of_two_grids_are_refused():
    with pytest.raises(ValueError, match=r"surface_distances: got truth \(9, 9, 9\), pred \(8"):
        surface_distances(voxel(1, 1, 1), voxel(1, 1, 1, grid=(8, 9, 9)), (1.0, 1.0, 1.0))


def test_a_mask_that_ends_at_ignored_voxels_has_no_surface_there():
    truth = np.zeros((9, 9, 9), dtype=bool)
    truth[2:5, 2:7, 2:7] = True
    pred, ignored = truth.copy(), np.zeros_like(truth)
    ignored[5:] = True
    pred[2] = False  # one slice is missing, away from the ignored voxels
    near = surface_distances(truth, pred, (1, 1, 1), ignored)
    # a slice that ends the mask has 6 × 6 corners, one between two slices 20 at its rim
    assert (len(near.truth_to_pred_mm), len(near.pred_to_truth_mm)) == (36 + 20 + 20, 36 + 20)
    both = surface_distances(truth, pred, (1, 1, 1))
    assert (len(both.truth_to_pred_mm), len(both.pred_to_truth_mm)) == (36 + 40 + 36, 36 + 20 + 36)


def test_a_mask_amid_ignored_voxels_has_no_distance():
    mask = voxel(4, 4, 4)
    assert np.isnan(hd95_mm(surface_distances(mask, mask, (1, 1, 1), ~mask)))
