import math

import pytest
import torch
from neurotarget.problems import DataError

from neurotarget.physics.mask import brain_mask, reliable
from oracles.magnetised import places

SHAPE, SPACING_MM = (72, 84, 60), (2.5, 2.5, 3.0)


def head():
    """Magnitude of a head with neck, shaded by its coil, and its brain with the fluid about it."""
    x, y, z = places(SHAPE, SPACING_MM)
    z = z - 20

    def within(side, front, top):
        return (x / side) ** 2 + (y / front) ** 2 + (z / top) ** 2 < 1

    brain = within(66, 82, 60) | ((x**2 + (y + 20) ** 2 < 14**2) & (z < 0) & (z > -75))
    bone = within(74, 90, 68) & ~brain
    neck = ((x / 60) ** 2 + (y / 70) ** 2 < 1) & (z < -62)
    scalp = within(80, 98, 75)
    image = torch.where(scalp | neck, 1.3, 0.0)
    image[bone] = 0.1
    image[brain] = 1.0
    image[(x / 10) ** 2 + (y / 20) ** 2 + ((z + 5) / 10) ** 2 < 1] = 0.3  # iron, dark
    image *= torch.exp(-x / 150) * (1 + (y / 90) ** 2)
    noise = torch.randn((2, *SHAPE), generator=torch.Generator().manual_seed(0)) * 0.05
    return ((image + noise[0]) ** 2 + noise[1] ** 2).sqrt().float(), brain & (z > -55)


def test_the_brain_is_cut_out_of_a_head_with_its_neck():
    image, brain = head()
    found = brain_mask(image, SPACING_MM)
    dice = 2 * (found & brain).sum() / (found.sum() + brain.sum())
    assert dice > 0.94
    assert (found & ~brain).sum() < 0.03 * brain.sum()
    middle = tuple(side // 2 for side in SHAPE)
    assert found[middle]


def test_the_mask_is_the_same_at_any_brightness_and_way_round():
    image, _ = head()
    found = brain_mask(image, SPACING_MM)
    assert torch.equal(brain_mask(image * 4000, SPACING_MM), found)
    turned = brain_mask(image.permute(2, 0, 1).flip(0), (3.0, 2.5, 2.5)).flip(0).permute(1, 2, 0)
    assert (turned != found).float().mean() < 0.005


def test_a_brain_that_is_cut_out_already_stays_nearly_whole():
    image, brain = head()
    found = brain_mask(image * brain, SPACING_MM)
    assert (found & ~brain).sum() == 0
    assert found.sum() > 0.85 * brain.sum()  # less the rim


@pytest.mark.parametrize("image", [torch.zeros(SHAPE), torch.eye(20)[None].repeat(20, 1, 1)])
def test_an_image_without_a_brain_is_refused(image):
    with pytest.raises(DataError, match=r"brain mask: found .* ml of tissue, wanted a brain"):
        brain_mask(image, (1.0, 1.0, 1.0))


def test_noise_is_taken_off_the_outside_and_holes_inside_are_kept():
    mask = torch.zeros(20, 20, 20, dtype=torch.bool)
    mask[2:18, 2:18, 2:18] = True
    phase = 0.3 * places((20, 20, 20), (1, 1, 1))[0].float()
    noise = 2 * math.pi * torch.rand((20, 20, 20), generator=torch.Generator().manual_seed(0))
    phase[14:] = noise[14:]
    phase[8:10, 8:10, 8:10] = noise[8:10, 8:10, 8:10]
    found = reliable(phase, mask)
    assert found[2:13, 3:17, 3:17].all()
    assert found[15:].float().mean() < 0.1 * mask[15:].float().mean()
    assert not (found & ~mask).any()


def test_a_mask_of_noise_alone_is_returned_as_it_is():
    mask = torch.ones(16, 16, 16, dtype=torch.bool)
    noise = 2 * math.pi * torch.rand(mask.shape, generator=torch.Generator().manual_seed(0))
    assert reliable(noise, mask).all()
