import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchio as tio

from neurotarget.data.augmentation.axis_maps import segment_maps
from neurotarget.data.augmentation.batch_plan import (
    Dropped,
    Gains,
    Grains,
    Moved,
    Powers,
    Scaled,
    Warped,
)
from neurotarget.data.augmentation.batch_transforms import (
    apply_bias,
    apply_gamma,
    apply_motion,
    apply_noise,
    apply_scale,
    drop_channels,
    exchange_classes,
)
from neurotarget.data.augmentation.batch_warp import positions, read_images, read_labels
from neurotarget.data.augmentation.shading import BiasField, Gamma
from neurotarget.data.augmentation.warp import (
    LPS,
    Elastic,
    draw_elastic,
    rotation,
    rotations,
    scanner_rotation,
)

SIDES, REGION = (8, 10, 6), (12, 14, 8)


def images(count=3, contrasts=2, sides=REGION, seed=0):
    return torch.randn(count, contrasts, *sides, generator=torch.Generator().manual_seed(seed))


def warped(count=3, *, degrees=0.0, shift=(0.0, 0.0, 0.0), steps=None):
    angles = np.full((count, 3), np.deg2rad(degrees), dtype=np.float32)
    matrix = torch.from_numpy(rotations(angles))
    bent = None if steps is None else torch.arange(count)
    return Warped(torch.arange(count), matrix, torch.tensor([shift] * count), bent, steps)


def middle(array):
    margin = [(whole - side) // 2 for whole, side in zip(REGION, SIDES, strict=True)]
    inner = (slice(first, first + side) for first, side in zip(margin, SIDES, strict=True))
    return array[(..., *inner)]


def classes(count=3, sides=REGION, dtype=torch.uint8):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 5, (count, *sides), generator=generator).to(dtype)


def test_the_identity_changes_nothing():
    places = positions(warped(), SIDES, REGION, spacing=1.0)
    torch.testing.assert_close(read_images(images(), places), middle(images()), atol=1e-4, rtol=0)
    assert torch.equal(read_labels(classes(), places), middle(classes()))


def test_a_shift_by_whole_voxels_moves_image_and_labels_alike():
    places = positions(warped(shift=(1.0, -2.0, 1.0)), SIDES, REGION, spacing=1.0)
    moved = torch.roll(images(), (-1, 2, -1), (2, 3, 4))
    torch.testing.assert_close(read_images(images(), places), middle(moved), atol=1e-4, rtol=0)
    assert torch.equal(
        read_labels(classes(), places), middle(torch.roll(classes(), (-1, 2, -1), (1, 2, 3)))
    )


@pytest.mark.parametrize("sides", [REGION, (9, 11, 1), (1, 9, 11), (7, 1, 6)])
def test_two_planes_and_their_mean_are_a_trilinear_reading(sides):
    regions, labels = images(sides=sides), classes(sides=sides)
    plan = warped(degrees=25.0, shift=(0.3, 2.2, -0.6))
    flat = torch.tensor([side == 1 for side in sides])
    plan.matrix[:, flat] = torch.eye(3)[flat]  # stays in the plane
    plan.shift[:, flat] = 0
    places = positions(plan, sides, sides, spacing=1.0)
    last = torch.tensor([max(side - 1, 1) for side in sides])
    grid = (places.movedim(1, -1) * 2 / last - 1).flip(-1)
    for axis in flat.nonzero()[:, 0].tolist():
        grid[..., 2 - axis] = 0
    expected = F.grid_sample(regions, grid, padding_mode="border", align_corners=True)
    torch.testing.assert_close(read_images(regions, places), expected, atol=1e-4, rtol=0)
    nearest = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=True)
    assert torch.equal(read_labels(labels, places), nearest[:, 0].to(torch.uint8))


def test_beyond_the_region_is_background():
    places = positions(warped(shift=(40.0, 0.0, 0.0)), SIDES, REGION, spacing=1.0)
    assert read_labels(classes() + 1, places).sum() == 0


def test_large_class_numbers_are_kept():
    labels = classes(dtype=torch.int32) + 700
    places = positions(warped(), SIDES, REGION, spacing=1.0)
    assert torch.equal(read_labels(labels, places), middle(labels))


def test_control_points_bend_as_those_of_one_patch():
    torch.manual_seed(4)
    whole = draw_elastic(Elastic(spacing_mm=3.0, displacement_mm=1.0), REGION, (1, 1, 1))
    torch.manual_seed(4)
    points = [int((side - 1) / 3.0) + 4 for side in REGION]
    steps = (torch.rand(3, *points) * 2 - 1)[None]
    bent = positions(warped(1, steps=steps), SIDES, REGION, spacing=3.0)
    still = positions(warped(1), SIDES, REGION, spacing=3.0)
    torch.testing.assert_close((bent - still)[0], middle(whole), atol=1e-5, rtol=0)


def test_rotations_are_those_of_one_patch():
    angles = np.array([[0.3, -0.2, 0.5], [0.0, 1.0, -0.4]], dtype=np.float32)
    for own, one in zip(rotations(angles), angles, strict=True):
        np.testing.assert_allclose(own, rotation(torch.from_numpy(one)).numpy(), atol=1e-6)


@pytest.mark.parametrize("times", [(0.3, 0.7), (0.28, 0.45), (0.6, 0.7)])
def test_motion_is_that_of_torchio(times):
    degrees = np.array([[4.0, -3, 5], [-2, 5, 1]])
    shift = np.array([[1.2, 2.3, -2.9], [0.6, -1.1, 2.2]])
    still = images(1)
    moves = tio.Motion(
        degrees=degrees,
        translation=shift,
        times=np.array(times, dtype=np.float32),
        image_interpolation="linear",
    )
    expected = moves(tio.Subject(image=tio.ScalarImage(tensor=still[0].clone())))["image"].data
    parts = scanner_rotation(np.deg2rad(degrees)[None]), (shift[None] * LPS).astype(np.float32)
    maps = segment_maps(np.array([times]), REGION[2])
    apply_motion(still, Moved(torch.tensor([0]), *map(torch.from_numpy, (*parts, maps))))
    torch.testing.assert_close(still[0], expected, atol=1e-4, rtol=0)


def test_a_bias_field_is_that_of_one_patch():
    whole = images(1)
    field = BiasField(coefficients=0.3, order=2, p=1)
    torch.manual_seed(2)
    expected = field(tio.Subject(image=tio.ScalarImage(tensor=whole[0].clone())))["image"].data
    torch.manual_seed(2)
    torch.rand(1)  # whether it happens
    total = torch.from_numpy(np.indices((3, 3, 3)).sum(axis=0))
    drawn = torch.stack([torch.rand(3, 3, 3) for _ in range(2)]) * 2 - 1
    coefficients = torch.where(total <= 2, drawn * 0.3, 0.0)[None]
    apply_bias(whole, Gains(torch.tensor([0]), coefficients), REGION)
    torch.testing.assert_close(whole[0], expected, atol=1e-5, rtol=0)


def test_a_patch_has_the_middle_of_its_regions_field():
    gains = Gains(torch.tensor([0]), torch.randn(1, 2, 4, 4, 4) * 0.2)
    fields = []
    for sides in (REGION, SIDES):
        ones = torch.ones(1, 2, *sides)
        ones[..., 0, 0, 0] = 0  # the darkest voxel
        apply_bias(ones, gains, REGION)
        fields.append(ones)
    inside = middle(fields[0])
    torch.testing.assert_close(inside[..., 1:, :, :], fields[1][..., 1:, :, :])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_power_is_that_of_one_patch(sign):
    values = images(2)
    beta = torch.tensor([[0.2, 0.9], [0.5, 0.7]])
    expected = values.clone()
    for row in range(2):
        for contrast in range(2):
            drawn = torch.tensor([beta[row, contrast], 0.2 if sign > 0 else 0.8])
            torch_rand, torch.rand = torch.rand, lambda _, drawn=drawn: drawn
            try:
                image = tio.ScalarImage(tensor=values[row, contrast][None])
                made = Gamma(log_gamma=0.4).apply_transform(tio.Subject(image=image))
                expected[row, contrast] = made["image"].data[0]
            finally:
                torch.rand = torch_rand
    gamma = ((2 * beta - 1) * 0.4).exp()
    apply_gamma(values, Powers(torch.arange(2), gamma, torch.full((2, 2), sign)))
    torch.testing.assert_close(values, expected, atol=1e-4, rtol=0)


def test_a_constant_patch_keeps_its_grey():
    values = torch.full((1, 1, 4, 4, 4), 3.0)
    apply_gamma(values, Powers(torch.tensor([0]), torch.tensor([[1.3]]), torch.tensor([[1.0]])))
    assert (values == 3.0).all()


def test_noise_has_its_mean_and_sd_and_depends_on_its_seed_alone():
    both, single = torch.zeros(3, 1, 20, 20, 20), torch.zeros(1, 1, 20, 20, 20)
    mean, sd = torch.tensor([0.5, 0.0]), torch.tensor([0.2, 0.1])
    apply_noise(both, Grains(torch.tensor([0, 2]), mean, sd, (5, 6)))
    apply_noise(single, Grains(torch.tensor([0]), mean[1:], sd[1:], (6,)))
    assert torch.equal(both[2], single[0])
    assert both[1].abs().sum() == 0
    assert abs(float(both[0].mean()) - 0.5) < 0.01
    assert abs(float(both[0].std()) - 0.2) < 0.01


def test_mirrored_patches_exchange_their_pairs():
    labels = classes()
    before = labels.clone()
    exchange_classes(labels, torch.tensor([1]), (0, 2, 1, 3, 4))
    assert torch.equal(labels[0], before[0])
    assert torch.equal(labels[1] == 1, before[1] == 2)
    assert torch.equal(labels[1] > 2, before[1] > 2)


def test_channels_drop_out_of_their_patches_alone():
    image = torch.rand(3, 2, 4, 4, 4) + 1
    before = image.clone()
    drop_channels(
        image, Dropped(torch.tensor([0, 2]), torch.tensor([[True, False], [False, True]]))
    )
    assert (image[0, 0] == 0).all()
    assert (image[2, 1] == 0).all()
    before[0, 0] = before[2, 1] = 0
    torch.testing.assert_close(image, before)


def test_rescaled_patches_keep_their_background_and_the_others_stay():
    image = torch.rand(3, 2, 4, 4, 4) + 1
    image[:, :, 0] = 0
    values = image.clone()
    factor, shift = torch.tensor([[2.0, 0.5]]), torch.tensor([[-1.0, 3.0]])
    apply_scale(values, Scaled(torch.tensor([1]), factor, shift))
    torch.testing.assert_close(values[1, 0, 1:], 2 * image[1, 0, 1:] - 1)
    torch.testing.assert_close(values[1, 1, 1:], image[1, 1, 1:] / 2 + 3)
    assert not values[1, :, 0].any()
    torch.testing.assert_close(values[[0, 2]], image[[0, 2]])
