import itertools
import json

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.scans.geometry import (
    Grid,
    crop,
    image_to_native,
    image_to_work,
    labels_to_work,
    whole_grid,
)
from neurotarget.inference.windows.slab_labels import label_maps

ORIENTATIONS = ["RAS", "LPS", "LAS", "PSR", "SPL", "AIL"]


def affine_for(codes: str, spacing, tilt: float = 0.0) -> np.ndarray:
    """Affine of a scan stored as `codes`, turned by `tilt` radians about two axes."""
    order = nib.orientations.axcodes2ornt(codes)
    axes = np.zeros((3, 3))
    for stored, (axis, sign) in enumerate(order):
        axes[int(axis), stored] = sign * spacing[stored]
    c, s = np.cos(tilt), np.sin(tilt)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, c, -s], [0, s, c]]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ axes, (-31.0, 17.0, 5.0)
    return affine


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    return np.stack([classes == label for label in range(count)]).astype(np.float32)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_equal_spacing_comes_back_to_the_voxel(codes, tilt):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (7, 9, 11)).astype(np.uint8)
    affine = affine_for(codes, (1.2, 1.2, 1.2), tilt)
    grid = whole_grid(labels.shape, affine, (1.2, 1.2, 1.2))
    assert grid.is_exact
    work = labels_to_work(labels, grid)
    np.testing.assert_array_equal(label_maps([one_hot(work, 3)], grid, 3).native, labels)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_work_affine_points_at_the_same_places(codes):
    image = np.random.default_rng(1).random((6, 8, 10)).astype(np.float32)
    affine = affine_for(codes, (1.0, 1.0, 1.0), 0.2)
    grid = crop(whole_grid(image.shape, affine, (1, 1, 1)), (3, 4, 5), (3, 3, 3))
    work = image_to_work(image, grid)
    for voxel in itertools.product(*map(range, work.shape)):
        place = grid.work_affine @ [*voxel, 1]
        stored = np.rint(np.linalg.inv(affine) @ place)[:3].astype(int)
        assert work[voxel] == image[tuple(stored)]


@pytest.mark.parametrize(("codes", "spacing"), [("PSR", (0.94, 0.94, 1.2)), ("LAS", (0.7, 1, 3))])
def test_anisotropic_oblique_ball_keeps_place_and_volume(codes, spacing):
    shape = tuple(int(44 / side) for side in spacing)
    affine = affine_for(codes, spacing, 0.25)
    middle = affine @ [*(np.array(shape) / 2), 1]
    places = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    ball = (np.linalg.norm(places - middle[:3], axis=-1) < 11).astype(np.uint8)
    grid = whole_grid(shape, affine, (1, 1, 1))
    assert grid.spacing_mm == pytest.approx((1, 1, 1), abs=0.05)
    work = labels_to_work(ball, grid)
    centre = grid.work_affine @ [*np.argwhere(work).mean(axis=0), 1]
    np.testing.assert_allclose(centre[:3], middle[:3], atol=0.8)
    assert work.sum() * np.prod(grid.spacing_mm) == pytest.approx(4 / 3 * np.pi * 11**3, rel=0.03)
    back = label_maps([one_hot(work, 2)], grid, 2).native
    dice = 2 * (back & ball).sum() / (back.sum() + ball.sum())
    assert dice > 0.96


def test_linear_ramp_is_resampled_exactly():
    ramp = np.broadcast_to(np.arange(20.0)[:, None, None], (20, 4, 4)).astype(np.float32)
    grid = whole_grid(ramp.shape, np.eye(4), (0.5, 1, 1))
    work = image_to_work(ramp, grid)
    assert grid.shape == (40, 4, 4)
    np.testing.assert_allclose(np.diff(work[6:-6, 0, 0]), 0.5, atol=1e-4)


def test_probability_outside_the_box_is_background():
    grid = crop(whole_grid((10, 10, 10), np.eye(4), (1, 1, 1)), (2, 2, 2), (3, 3, 3))
    native = label_maps([one_hot(np.ones(grid.shape, dtype=int), 2)], grid, 2).native
    assert native.sum() == 27
    assert native[1:4, 1:4, 1:4].all()
    assert image_to_native(np.full(grid.shape, 0.25, np.float32), grid).sum() == 27 * 0.25


def test_crop_beyond_the_edge_keeps_the_part_inside_and_none_where_they_miss():
    grid = whole_grid((10, 10, 10), np.eye(4), (1, 1, 1))
    assert crop(grid, (0, 5, 5), (7, 5, 5)).shape == (4, 5, 5)
    assert crop(grid, (40, 5, 5), (6, 4, 4)) is None


def test_rounded_header_is_no_reason_to_interpolate():
    affine = np.diag([0.99998, 1.00002, 1.0, 1.0])
    assert whole_grid((200, 200, 200), affine, (1, 1, 1)).is_exact


def test_grid_survives_json():
    grid = crop(
        whole_grid((9, 8, 7), affine_for("PSR", (1, 2, 3)), (1, 1, 1)), (4, 4, 4), (3, 3, 3)
    )
    assert Grid(**json.loads(json.dumps(grid.as_dict()))) == grid
