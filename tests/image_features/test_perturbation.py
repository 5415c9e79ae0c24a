"""Perturbed masks: what each change does, counted by hand."""

import numpy as np
import pytest

from neurotarget.image_features.perturbation import PERTURBATIONS, perturbed
from neurotarget.problems import DataError


def cube(side=6, size=14):
    mask = np.zeros((size,) * 3, dtype=bool)
    mask[4 : 4 + side, 4 : 4 + side, 4 : 4 + side] = True
    return mask


def test_erosion_and_dilation_take_off_and_add_one_layer_across_faces():
    mask = cube()
    assert perturbed(mask, "erode").sum() == 4**3
    assert perturbed(mask, "dilate").sum() == 6**3 + 6 * 6**2
    assert (perturbed(mask, "dilate") >= mask).all()


def test_a_shift_keeps_the_size_and_moves_by_one_voxel():
    mask = cube()
    moved = perturbed(mask, "shift", seed=1)
    assert moved.sum() == mask.sum()
    centres = [np.argwhere(one).mean(axis=0) for one in (mask, moved)]
    assert sorted(np.abs(centres[1] - centres[0])) == [0, 0, 1]


def test_contour_noise_moves_the_border_by_about_a_voxel_and_hardly_changes_the_size():
    mask = cube(12, 24)
    sizes = [perturbed(mask, "contour", seed).sum() / mask.sum() for seed in range(20)]
    assert np.mean(sizes) == pytest.approx(1, abs=0.1)
    changed = perturbed(mask, "contour", 0)
    assert (changed != mask).any()
    assert changed[8:12, 8:12, 8:12].all()  # four voxels from every face
    assert (perturbed(mask, "contour", 0) == changed).all()
    assert (perturbed(mask, "contour", 1) != changed).any()


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_a_mask_of_a_slice_stays_in_its_slice(kind):
    mask = np.zeros((12, 12, 5), dtype=bool)
    mask[3:9, 3:9, 2] = True
    changed = perturbed(mask, kind, 3)
    assert set(np.nonzero(changed)[2]) == {2}
    assert (changed != mask).any()


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_empty_masks_and_masks_at_the_edge_are_no_error(kind):
    assert not perturbed(np.zeros((4, 4, 4), dtype=bool), kind).any()
    full = np.ones((4, 4, 4), dtype=bool)
    assert perturbed(full, kind, 1).shape == full.shape
    assert perturbed(full, "erode").all()  # the edge of the image is no edge of the mask


def test_an_unknown_change_is_one_sentence():
    with pytest.raises(DataError, match="perturb: found twist, wanted some of erode, dilate"):
        perturbed(cube(), "twist")
