"""Centroids of masks and distances between them."""

import numpy as np
import pytest

from neurotarget.metrics.position import centroid_distance_mm, centroid_mm

AFFINE = np.array([[-2.0, 0, 0, 10], [0, 0, 3, 0], [0, 1, 0, -5], [0, 0, 0, 1]])


def box(*spans, shape=(8, 8, 8)):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return mask


def test_the_centroid_is_the_mean_position_in_mm():
    mask = box((0, 2), (4, 5), (1, 4))
    places = np.argwhere(mask) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    assert centroid_mm(mask, AFFINE) == pytest.approx(places.mean(axis=0))


def test_the_distance_is_in_mm_along_every_axis():
    first, second = box((0, 1), (0, 1), (0, 1)), box((3, 4), (0, 1), (0, 1))
    assert centroid_distance_mm(first, second, AFFINE) == pytest.approx(6.0)
    second = box((0, 1), (4, 5), (1, 2))  # 4 voxels of 1 mm, 1 voxel of 3 mm
    assert centroid_distance_mm(first, second, AFFINE) == pytest.approx(5.0)


def test_an_empty_mask_has_no_position():
    assert np.isnan(centroid_mm(box((0, 0), (0, 0), (0, 0)), AFFINE)).all()
    assert np.isnan(
        centroid_distance_mm(
            box((0, 0), (0, 0), (0, 0)),
            box(
                (0, 1),
            ),
            AFFINE,
        )
    )


@pytest.mark.usefixtures("any_array")
def test_masks_on_two_grids_are_refused():
    with pytest.raises(ValueError, match="wanted one grid"):
        centroid_distance_mm(box((0, 1)), box((0, 1), shape=(8, 8, 9)), AFFINE)
