"""Centroids of masks, distances between them, and the highest places of maps."""

import numpy as np
import pytest

from neurotarget.metrics.masks.position import centroid_distance_mm, centroid_mm, hit_of

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


def test_a_hit_is_in_the_finding_and_a_slice_hit_beside_it():
    finding = np.zeros((6, 5, 4), bool)
    finding[1:3, 1:3, 2] = True
    for place, expected in {(1, 2, 2): (1, 1), (5, 4, 2): (0, 1), (1, 2, 3): (0, 0)}.items():
        activation = np.full(finding.shape, -5.0)
        activation[place] = -1.0
        found = hit_of(activation, finding)
        assert (found.hit, found.slice_hit) == expected
        assert found.chance == pytest.approx(4 / 120)


@pytest.mark.usefixtures("any_array")
def test_other_grids_and_cases_without_a_finding_are_refused():
    with pytest.raises(ValueError, match="use one grid"):
        hit_of(np.zeros((2, 2, 2)), np.ones((2, 2, 3), bool))
    with pytest.raises(ValueError, match="no voxel of the finding"):
        hit_of(np.zeros((2, 2, 2)), np.zeros((2, 2, 2), bool))
