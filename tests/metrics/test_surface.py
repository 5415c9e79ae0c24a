import math
import time

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy.ndimage import gaussian_filter

from neurotarget.metrics import surface
from neurotarget.metrics.surface import assd_mm, hd95_mm, surface_dice, surface_distances


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
    assert hd95_mm(distances) == assd_mm(distances) == pytest.approx(5)  # 3 and 2 × 2 mm


def test_the_same_mask_has_no_distance():
    assert scores(blob(1), blob(1), (0.7, 0.7, 1.2)) == (0, 0, 1)


def test_a_voxel_more_is_counted_by_hand():
    bar = voxel(2, 2, 2) | voxel(3, 2, 2) | voxel(4, 2, 2)
    longer = bar | voxel(5, 2, 2) | voxel(6, 2, 2)
    distances = surface_distances(bar, longer, (1.0, 1.0, 1.0))
    assert sorted(distances.pred_to_truth_mm) == [0, 0, 0, 1, 2]
    assert list(distances.truth_to_pred_mm) == [0, 0, 0]
    assert assd_mm(distances) == pytest.approx(3 / 8)
    assert surface_dice(distances, 1.0) == pytest.approx(7 / 8)
    assert hd95_mm(distances) == pytest.approx(1.8)  # 95 % of the way from 0 to 2 in five values


def test_the_inside_of_a_mask_is_no_surface():
    cube = np.zeros((9, 9, 9), dtype=bool)
    cube[1:6, 1:6, 1:6] = True
    assert surface_distances(cube, cube, (1.0, 1.0, 1.0)).truth_to_pred_mm.size == 125 - 27


def test_the_border_of_the_scan_ends_a_mask():
    whole = np.ones((3, 3, 3), dtype=bool)
    assert surface_distances(whole, whole, (1.0, 1.0, 1.0)).truth_to_pred_mm.size == 26


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.94, 0.94, 1.2), (0.5, 0.5, 3.0)])
@pytest.mark.parametrize("seed", [0, 2, 4])
def test_scores_equal_monai(seed, spacing_mm):
    truth, pred = blob(seed), blob(seed) ^ (blob(seed + 1) & blob(seed + 7))
    y, y_pred = (torch.tensor(mask[None, None]) for mask in (truth, pred))
    shared = {"include_background": True, "spacing": spacing_mm}
    theirs = [
        compute_hausdorff_distance(y_pred, y, percentile=95, **shared).item(),
        compute_average_surface_distance(y_pred, y, symmetric=True, **shared).item(),
        compute_surface_dice(y_pred, y, class_thresholds=[1.0], **shared).item(),
    ]
    assert scores(truth, pred, spacing_mm) == pytest.approx(theirs, abs=1e-5)


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
    # 3 slices of 25, of which the first is surface and the others have a rim of 16
    assert (len(near.truth_to_pred_mm), len(near.pred_to_truth_mm)) == (25 + 16 + 16, 25 + 16)
    both = surface_distances(truth, pred, (1, 1, 1))
    assert (len(both.truth_to_pred_mm), len(both.pred_to_truth_mm)) == (25 + 16 + 25, 25 + 25)


def test_a_mask_amid_ignored_voxels_has_no_distance():
    mask = voxel(4, 4, 4)
    assert np.isnan(hd95_mm(surface_distances(mask, mask, (1, 1, 1), ~mask)))
