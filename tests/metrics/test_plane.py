"""Scores of pictures: contours in the plane, in pixels or mm², never volumes."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from neurotarget.metrics.case import measure_case, score_case
from neurotarget.metrics.masks.elements import surface_elements
from neurotarget.metrics.masks.shape import touches_edge
from neurotarget.metrics.masks.surface import hd95_mm, in_plane, surface_distances
from neurotarget.metrics.metric_units import UNITS, is_own
from neurotarget.types import Case, Target

FILMS = Target("lungs", ("film",), {"lungs": (1,)}, spacing_px=(2, 2), patch_vox=(8, 8))
SLICES = Target("knee", ("mr",), {"knee": (1,)}, (0.5, 0.5, 3), (8, 8, 1), dimensions=2)
VOLUMES = Target("gland", ("t1",), {"gland": (1,)}, (1, 1, 1), (8, 8, 8))
CASE = Case("c1", "c1", {})


def square(*corner, side=4, grid=(12, 10)):
    mask = np.zeros(grid, dtype=np.uint8)
    mask[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = 1
    return mask[..., None]


def scored(target, truth, pred, spacing_mm=(1.0, 1.0, 1.0)):
    affine = np.diag([*spacing_mm, 1.0])
    rows = score_case(CASE, truth, pred, target, affine=affine, spacing_mm=spacing_mm)
    return {row.metric: (row.value, row.unit) for row in rows}


def test_rows_of_a_picture_are_in_pixels():
    found = scored(FILMS, square(3, 3), square(4, 3))
    assert found["area_px"] == found["reference_area_px"] == (16, "px")
    assert found["area_error_px"] == found["area_error_abs_px"] == (0, "px")
    assert found["hd95_px"] == (1, "px")
    assert found["surface_dice"] == (1, "px/px")
    assert found["touches_edge"] == found["reference_touches_edge"] == (0, "")
    assert not [name for name in found if "mm" in name or "volume" in name]
    assert found.keys() <= UNITS.keys()
    assert not any(map(is_own, found))


def test_rows_of_a_slice_are_in_mm2_of_its_plane():
    found = scored(SLICES, square(3, 3), square(4, 3), (0.5, 0.5, 1.0))
    assert found["area_mm2"] == (4, "mm2")
    assert found["hd95_mm"] == (0.5, "mm")
    assert found["surface_dice"] == (1, "mm/mm")


def test_rows_of_a_volume_have_the_names_and_the_order_of_before():
    names = list(scored(VOLUMES, np.repeat(square(3, 3), 3, 2), np.repeat(square(4, 3), 3, 2)))
    assert names[:6] == ["dice", "precision", "recall", "hd95_mm", "assd_mm", "surface_dice"]
    assert names[6:8] == ["volume_mm3", "reference_volume_mm3"]


def test_a_reference_alone_has_an_area():
    rows = measure_case(CASE, square(0, 3), FILMS, affine=np.eye(4))
    assert [(row.metric, row.value) for row in rows] == [
        ("reference_area_px", 16),
        ("reference_pieces", 1),
        ("reference_touches_edge", 1),
    ]


def test_a_side_of_one_voxel_is_no_edge():
    assert not touches_edge((slice(3, 7), slice(3, 7), slice(0, 1)), (12, 10, 1))
    assert touches_edge((slice(0, 4), slice(3, 7), slice(0, 1)), (12, 10, 1))
    assert touches_edge((slice(3, 7), slice(3, 7), slice(0, 1)), (12, 10, 2))


def test_the_surface_of_one_slice_is_its_outline():
    truth, pred = square(2, 2, side=6).astype(bool), square(2, 2, side=3).astype(bool)
    *planes, sides_mm = in_plane(truth.shape, (1.0, 2.0, 5.0), truth, pred, None)
    assert (sides_mm, planes[2]) == ((1.0, 2.0), None)
    found = surface_distances(*planes[:2], sides_mm)
    outlines = [surface_elements(mask, sides_mm).corners * sides_mm for mask in planes[:2]]
    between = cdist(*outlines)
    assert found.truth_to_pred_mm == pytest.approx(between.min(axis=1))
    assert found.pred_to_truth_mm == pytest.approx(between.min(axis=0))
    # by hand: the far corner is 3 pixels of 1 mm and 3 of 2 mm away
    assert found.truth_to_pred_mm.max() == pytest.approx(np.hypot(3, 6))
    # the outline of 6 × 6 pixels: 5 steps of each side, and 4 corners cut at half a pixel
    assert found.truth_mm2.sum() == pytest.approx(2 * 5 * (1 + 2) + 4 * np.hypot(1, 2) / 2)


def test_faces_above_and_below_a_slice_do_not_hide_a_hole():
    """In 3D the faces of a slice would be the nearest surface of the pixels of a hole."""
    whole, holed = square(1, 1, side=8), square(1, 1, side=8)
    holed[3:7, 3:7] = 0
    planes = in_plane(whole.shape, (1.0, 1.0, 1.0), whole > 0, holed > 0)
    assert hd95_mm(surface_distances(planes[0], planes[1], planes[2])) == 2
    solid = surface_distances(whole > 0, holed > 0, (1.0, 1.0, 1.0))
    assert hd95_mm(solid) < 2


def test_a_mask_of_several_slices_stays_as_it_is():
    mask = np.repeat(square(2, 2), 2, 2) > 0
    found, sides_mm = in_plane(mask.shape, (1.0, 1.0, 1.0), mask)
    assert found is mask
    assert sides_mm == (1.0, 1.0, 1.0)
