import math

import pytest
import torch
import torchio as tio

from neurotarget.data.augmentation.warp import (
    Affine,
    Elastic,
    Flip,
    Warp,
    draw_affine,
    draw_elastic,
    resample,
    rotation,
    sampling_grid,
    spline_basis,
)

MM = (1.0, 1.0, 1.0)
STILL = torch.zeros(3)


def patch(sides=(6, 8, 10)):
    return torch.rand(1, *sides)


def subject_of(image, label, spacing=MM):
    affine = torch.diag(torch.tensor([*spacing, 1.0])).numpy()
    return tio.Subject(
        image=tio.ScalarImage(tensor=image, affine=affine),
        label=tio.LabelMap(tensor=label, affine=affine),
    )


def quarter_turn(axis):
    angles = torch.zeros(3)
    angles[axis] = math.pi / 2
    return rotation(angles)


def test_identity_reads_every_voxel_itself():
    image = patch()
    grid = sampling_grid(image.shape[1:], MM, torch.eye(3), STILL)
    assert torch.allclose(resample(image, grid, is_label=False), image, atol=1e-5)
    classes = torch.randint(0, 200, image.shape, dtype=torch.uint8)
    assert torch.equal(resample(classes, grid, is_label=True), classes)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_quarter_turn_equals_rot90(axis):
    classes = torch.randint(0, 9, (2, 7, 7, 7), dtype=torch.uint8)
    grid = sampling_grid((7, 7, 7), MM, quarter_turn(axis), STILL)
    plane = ((axis + 1) % 3 + 1, (axis + 2) % 3 + 1)
    wanted = torch.rot90(classes, -1, plane)  # the output at o reads the input at R·o
    assert torch.equal(resample(classes, grid, is_label=True), wanted)


def test_shift_moves_by_whole_voxels_in_mm():
    image = patch((4, 6, 4))
    grid = sampling_grid((4, 6, 4), (1.0, 2.0, 1.0), torch.eye(3), torch.tensor([0.0, 4.0, 0.0]))
    moved = resample(image, grid, is_label=False)
    assert torch.allclose(moved[:, :, :4], image[:, :, 2:], atol=1e-5)


def test_turn_is_rigid_in_mm_on_anisotropic_voxels():
    line = torch.zeros(1, 9, 5, 3, dtype=torch.uint8)
    line[0, 4, :, 1] = 1  # 5 voxels of 2 mm along J
    grid = sampling_grid((9, 5, 3), (1.0, 2.0, 1.0), quarter_turn(2), STILL)
    turned = resample(line, grid, is_label=True)
    assert turned[0, :, 2, 1].tolist() == [1] * 9  # 9 voxels of 1 mm along I


def test_labels_beyond_the_patch_are_background_and_images_repeat_their_edge():
    grid = sampling_grid((4, 4, 4), MM, torch.eye(3), torch.tensor([2.0, 0.0, 0.0]))
    ones = torch.ones(1, 4, 4, 4)
    assert resample(ones.to(torch.uint8), grid, is_label=True)[0, :, 0, 0].tolist() == [1, 1, 0, 0]
    assert resample(ones, grid, is_label=False)[0, :, 0, 0].tolist() == [1, 1, 1, 1]


def test_spline_weights_sum_to_one_and_peak_at_their_point():
    basis = spline_basis(20, 1 / 5)
    assert torch.allclose(basis.sum(1), torch.ones(20))
    assert basis[10].tolist()[2:5] == pytest.approx([1 / 6, 4 / 6, 1 / 6])


def test_elastic_steps_are_bounded_and_never_fold():
    torch.manual_seed(0)
    for _ in range(20):
        steps = draw_elastic(Elastic(spacing_mm=8.0, displacement_mm=3.2), (24, 24, 24), MM)
        assert steps.abs().max() <= 3.2
        slopes = torch.stack(torch.gradient(steps, dim=(1, 2, 3)), dim=-1)  # (3, I, J, K, 3)
        assert torch.linalg.det(slopes.movedim(0, -2) + torch.eye(3)).min() > 0


def test_elastic_that_could_fold_is_refused():
    with pytest.raises(ValueError, match=r"got displacement_mm 6\.0 with spacing_mm 12\.0"):
        Elastic(spacing_mm=12.0, displacement_mm=6.0)


def test_flip_is_exact_and_swaps_the_pairs():
    image, label = patch((4, 4, 4)), torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    label[:, 0], label[:, 3], label[:, 1] = 1, 2, 3
    warp = Warp(flip=Flip(p=1.0), swap=(0, 2, 1, 3))
    turned = warp(subject_of(image, label))
    assert torch.equal(turned.image.data, image.flip(1))
    assert turned.label.data[0, :, 0, 0].tolist() == [1, 0, 3, 2]


def test_flip_along_another_axis_swaps_nothing():
    label = torch.randint(0, 3, (1, 4, 4, 4), dtype=torch.uint8)
    warp = Warp(flip=Flip(p=1.0, axes=(1,)), swap=(0, 2, 1))
    turned = warp(subject_of(patch((4, 4, 4)), label))
    assert torch.equal(turned.label.data, label.flip(2))


def test_image_and_label_move_together():
    torch.manual_seed(3)
    label = torch.zeros(1, 24, 24, 24, dtype=torch.uint8)
    label[:, 6:18, 8:16, 6:18] = 1
    warp = Warp(affine=Affine(p=1.0, degrees=30.0), elastic=Elastic(p=1.0), flip=Flip(p=1.0))
    turned = warp(subject_of(label.float(), label))
    apart = (turned.image.data > 0.5) != (turned.label.data > 0)
    assert apart.float().mean() < 0.02
    assert not torch.equal(turned.label.data, label)


def test_scale_above_one_enlarges():
    label = torch.zeros(1, 20, 20, 20, dtype=torch.uint8)
    label[:, 8:12, 8:12, 8:12] = 1
    warp = Warp(affine=Affine(p=1.0, scale=(1.5, 1.5), degrees=0.0))
    assert warp(subject_of(label.float(), label)).label.data.sum() == 6**3


def test_given_subject_is_left_as_it_was():
    image, label = patch((8, 8, 8)), torch.ones(1, 8, 8, 8, dtype=torch.uint8)
    before = image.clone()
    Warp(affine=Affine(p=1.0), flip=Flip(p=1.0))(subject_of(image, label))
    assert torch.equal(image, before)


def test_a_slice_is_turned_in_its_own_plane():
    torch.manual_seed(5)
    rotations = [draw_affine(Affine(p=1.0, scale=(1.0, 1.0)), (64, 64, 1))[0] for _ in range(5)]
    for matrix in rotations:
        assert torch.allclose(matrix[2], torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)
        assert torch.allclose(matrix[:2, :2] @ matrix[:2, :2].T, torch.eye(2), atol=1e-6)
    assert not torch.allclose(rotations[0], rotations[1])
