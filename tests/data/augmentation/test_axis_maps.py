import numpy as np
import pytest
import torch
import torchio as tio
from scipy import ndimage

from neurotarget.data.augmentation.axis_maps import (
    along_axes,
    blurring_map,
    ghosting_map,
    low_resolution_map,
    segment_maps,
)

SIDES = (12, 14, 15)
IMAGE = np.random.default_rng(3).normal(size=(2, *SIDES)).astype(np.float32)


def mapped(image, *maps):
    image, maps = torch.from_numpy(image)[None], tuple(map(torch.from_numpy, maps))
    return along_axes(image, maps)[0].numpy()


def on_axis(axis, own):
    """A map along one axis, and none along the others."""
    return [
        own if n == axis else np.eye(side, dtype=np.float32)[None] for n, side in enumerate(SIDES)
    ]


def subject():
    return tio.Subject(image=tio.ScalarImage(tensor=torch.from_numpy(IMAGE.copy())))


def test_maps_are_the_blur_of_scipy():
    sigma = (0.4, 1.0, 1.6)
    maps = [blurring_map(side, np.array([sd])) for side, sd in zip(SIDES, sigma, strict=True)]
    expected = np.stack([ndimage.gaussian_filter(one, sigma) for one in IMAGE])
    np.testing.assert_allclose(mapped(IMAGE, *maps), expected, atol=1e-6)


def test_each_patch_has_its_own_blur():
    both = blurring_map(9, np.array([0.3, 1.5]))
    for row, sd in enumerate((0.3, 1.5)):
        np.testing.assert_allclose(both[row], blurring_map(9, np.array([sd]))[0], atol=1e-7)
    assert np.allclose(blurring_map(9, np.array([0.0]))[0], np.eye(9))
    assert blurring_map(1, np.array([2.0])).tolist() == [[[1.0]]]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("factor", [1.5, 2.3, 3.0])
def test_maps_are_the_low_resolution_of_torchio_inside_of_the_image(axis, factor):
    maps = on_axis(axis, low_resolution_map(SIDES[axis], np.array([factor])))
    made = mapped(IMAGE, *maps)
    coarse = tio.RandomAnisotropy(axes=axis, downsampling=(factor, factor))(subject())
    inner = [slice(None)] * 4
    inner[axis + 1] = slice(1, -1)  # beyond its last voxels TorchIO has zeros
    inner = tuple(inner)
    np.testing.assert_allclose(made[inner], coarse["image"].numpy()[inner], atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("count", "restore"), [(2, None), (5, None), (3, 0.4), (0, None)])
def test_maps_are_the_ghosts_of_torchio(axis, count, restore):
    share = None if restore is None else np.array([restore])
    maps = on_axis(axis, ghosting_map(SIDES[axis], np.array([count]), np.array([0.6]), share))
    ghosts = tio.Ghosting(num_ghosts=count, axis=axis, intensity=0.6, restore=restore)
    expected = ghosts(subject())["image"].numpy()
    np.testing.assert_allclose(mapped(IMAGE, *maps), expected, atol=2e-6)


def test_a_head_that_stays_gives_the_same_image():
    maps = segment_maps(np.array([[0.2, 0.4, 0.8], [0.1, 0.6, 0.9]]), 11)
    np.testing.assert_allclose(maps.sum(axis=1), np.tile(np.eye(11), (2, 1, 1)), atol=1e-6)
