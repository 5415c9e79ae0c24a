import math

import pytest
import torch
import torch.nn.functional as F

from neurotarget import losses
from neurotarget.losses import (
    DeepSupervision,
    DiceCrossEntropy,
    SquaredDice,
    crop,
    cross_entropy,
    downsample,
    level_weights,
    soft_dice,
)


def scores_of(classes, num_labels, sure=40.0):
    """Logits that are all but certain of `classes` (B, I, J, K)."""
    return sure * torch.nn.functional.one_hot(classes, num_labels).movedim(-1, 1).float()


def cube(value=1, side=4, size=2):
    labels = torch.zeros(1, side, side, side, dtype=torch.long)
    labels[:, :size, :size, :size] = value
    return labels


def test_perfect_scores_cost_nothing():
    assert DiceCrossEntropy()(scores_of(cube(), 2), cube()).item() == pytest.approx(0, abs=1e-4)


def test_half_shifted_cube_has_dice_one_half():
    truth, pred = torch.zeros(2, 1, 4, 4, 4, dtype=torch.long).unbind()
    truth[:, :, :, 0:2], pred[:, :, :, 1:3] = 1, 1
    dice = soft_dice(scores_of(pred, 2), truth, over_batch=True, smooth=0.0)
    assert dice[1].item() == pytest.approx(2 * 16 / 64)


def test_even_odds_cost_the_log_of_the_classes():
    assert cross_entropy(torch.zeros(1, 4, 2, 2, 2), cube(side=2)).item() == pytest.approx(
        math.log(4)
    )


def test_batch_dice_counts_patches_together():
    labels = torch.cat([cube(), torch.zeros_like(cube())])  # the target is missing from one patch
    logits = scores_of(torch.cat([cube(), cube()]), 2)
    together = soft_dice(logits, labels, over_batch=True, smooth=0.0)
    apart = soft_dice(logits, labels, over_batch=False, smooth=0.0)
    assert together[1].item() == pytest.approx(2 * 8 / 24)
    assert apart[:, 1].tolist() == pytest.approx([1.0, 0.0])


def test_absent_class_costs_nothing_and_has_a_finite_gradient():
    logits = scores_of(cube(), 3).requires_grad_()
    loss = DiceCrossEntropy(batch_dice=False)(logits, cube())
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-4)
    assert logits.grad.isfinite().all()


def test_background_has_a_dice_part_on_request():
    logits, labels = torch.randn(1, 2, 4, 4, 4), cube()
    parts = soft_dice(logits, labels, over_batch=True)
    alone = {"cross_entropy_weight": 0.0}
    with_it = DiceCrossEntropy(include_background=True, **alone)(logits, labels)
    assert with_it.item() == pytest.approx(1 - parts.mean().item())
    assert DiceCrossEntropy(**alone)(logits, labels).item() == pytest.approx(1 - parts[1].item())


def test_ignored_voxels_change_nothing():
    labels = torch.randint(0, 3, (2, 4, 4, 4))
    logits = torch.randn(2, 3, 4, 4, 4)
    padded = torch.cat([labels, torch.full((2, 4, 4, 2), 255)], dim=3)
    noise = torch.cat([logits, 9 * torch.randn(2, 3, 4, 4, 2)], dim=4)
    loss = DiceCrossEntropy(ignore_label=255)
    assert loss(noise, padded).item() == pytest.approx(loss(logits, labels).item(), rel=1e-5)


def test_patch_of_ignored_voxels_costs_nothing():
    labels = torch.full((1, 2, 2, 2), 255)
    loss = DiceCrossEntropy(ignore_label=255)(torch.randn(1, 2, 2, 2, 2), labels)
    assert loss.item() == 0


def test_small_label_types_are_taken():
    logits = torch.randn(1, 2, 4, 4, 4)
    whole = DiceCrossEntropy()(logits, cube())
    assert DiceCrossEntropy()(logits, cube().to(torch.uint8)).item() == whole.item()


def test_bfloat16_scores_are_counted_in_float32():
    logits = torch.randn(2, 3, 24, 24, 24).bfloat16()
    labels = torch.randint(0, 3, (2, 24, 24, 24))
    with torch.autocast("cpu", torch.bfloat16):
        loss = DiceCrossEntropy()(logits, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(DiceCrossEntropy()(logits.float(), labels).item())


def test_level_weights_halve_and_sum_to_one():
    assert level_weights(3) == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_coarse_labels_are_values_of_the_fine_ones():
    coarse = downsample(cube(value=5, side=8, size=4), (4, 4, 4))
    assert torch.equal(coarse, cube(value=5, side=4, size=2))


def test_deep_supervision_weighs_levels_and_leaves_one_level_alone():
    labels = cube(side=8, size=4)
    fine, coarse = torch.randn(1, 2, 8, 8, 8), torch.randn(1, 2, 4, 4, 4)
    plain, deep = DiceCrossEntropy(), DeepSupervision(DiceCrossEntropy())
    wanted = 2 / 3 * plain(fine, labels) + 1 / 3 * plain(coarse, downsample(labels, (4, 4, 4)))
    assert deep([fine, coarse], labels).item() == pytest.approx(wanted.item())
    assert deep(fine, labels).item() == plain(fine, labels).item()


def test_levels_that_are_no_whole_fractions_are_weighed_too():
    labels = torch.randint(0, 2, (1, 9, 7, 5))
    levels = [torch.randn(1, 2, 9, 7, 5), torch.randn(1, 2, 5, 4, 3), torch.randn(1, 2, 2, 2, 1)]
    plain = DiceCrossEntropy()
    parts = [plain(one, downsample(labels, one.shape[2:])) for one in levels]
    wanted = sum(weight * part for weight, part in zip([4 / 7, 2 / 7, 1 / 7], parts, strict=True))
    assert DeepSupervision(plain)(levels, labels).item() == pytest.approx(wanted.item())


def test_crop_leaves_the_middle():
    labels = torch.arange(6 * 5 * 7).reshape(1, 6, 5, 7)
    assert torch.equal(crop(labels, 2), labels[:, 2:4, 2:3, 2:5])
    assert torch.equal(crop(labels, 0), labels)


@pytest.mark.usefixtures("any_array")
@pytest.mark.parametrize("levels", [1, 2])
def test_scores_of_another_grid_than_the_labels_are_refused(levels):
    scores = [torch.randn(1, 2, 4, 4, 2), torch.randn(1, 2, 2, 2, 2)]
    given = scores[0] if levels == 1 else scores
    with pytest.raises(ValueError, match="got scores of 4×4×2 voxels for labels of 4×4×4"):
        DeepSupervision(DiceCrossEntropy())(given, cube())


@pytest.mark.parametrize("batch_dice", [True, False])
def test_ignored_voxels_have_no_gradient_at_any_level(batch_dice):
    labels = torch.randint(0, 2, (2, 8, 8, 8))
    labels[:, 4:] = 2
    levels = [torch.randn(2, 2, side, side, side, requires_grad=True) for side in (8, 4)]
    loss = DiceCrossEntropy(ignore_label=2, batch_dice=batch_dice)
    DeepSupervision(loss)(levels, labels).backward()
    for level in levels:
        half = level.shape[2] // 2
        assert (level.grad[:, :, half:] == 0).all()
        assert (level.grad[:, :, :half] != 0).all()


def plain_loss(logits, labels, *, ignore_label=None, over_batch=True):
    """Dice and cross-entropy by PyTorch's own functions, with one-hot labels."""
    counted = torch.ones_like(labels, dtype=torch.bool)
    if ignore_label is not None:
        counted = labels != ignore_label
    entropy = torch.nn.functional.cross_entropy(
        logits, torch.where(counted, labels, -100), ignore_index=-100
    )
    truth = torch.nn.functional.one_hot(torch.where(counted, labels, 0), logits.shape[1])
    truth, likely = truth.movedim(-1, 1) * counted[:, None], logits.softmax(1) * counted[:, None]
    axes = (0, 2, 3, 4) if over_batch else (2, 3, 4)
    shared, total = (truth * likely).sum(axes), (truth + likely).sum(axes)
    return entropy + 1 - ((2 * shared + 1) / (total + 1))[..., 1:].mean()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("ignore_label", [None, 2])
@pytest.mark.parametrize("over_batch", [True, False])
@pytest.mark.parametrize("num_labels", [5, 40])
def test_value_and_gradient_are_those_of_the_plain_formula(
    monkeypatch, layout, ignore_label, over_batch, num_labels
):
    monkeypatch.setattr(losses, "MOST_VALUES", (1000, 1000))  # several parts of a patch
    torch.manual_seed(0)
    logits = (3 * torch.randn(2, num_labels, 4, 5, 6)).contiguous(memory_format=layout)
    labels = torch.randint(0, num_labels, (2, 4, 5, 6))
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = DiceCrossEntropy(batch_dice=over_batch, ignore_label=ignore_label)(ours, labels)
    plain = plain_loss(theirs, labels, ignore_label=ignore_label, over_batch=over_batch)
    loss.backward()
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-6)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-8)
    assert ours.grad.is_contiguous(memory_format=layout)


def test_sums_of_slabs_have_the_loss_of_the_whole():
    labels, logits = torch.randint(0, 4, (1, 8, 5, 6)), torch.randn(1, 3, 8, 5, 6)
    loss = DiceCrossEntropy(ignore_label=3)
    slabs = zip(logits.split(3, dim=2), labels.split(3, dim=1), strict=True)
    first, *others = [loss.sums(*slab) for slab in slabs]
    for other in others:
        first = first.plus(other)
    assert loss.of(first).item() == pytest.approx(loss(logits, labels).item(), rel=1e-6)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_voxels_of_small_classes_count_more_in_a_balanced_cross_entropy(balance):
    torch.manual_seed(3)
    scores = torch.randn(2, 3, 4, 4, 4)
    labels = torch.zeros(2, 4, 4, 4, dtype=torch.long)
    labels[0, 0, 0], labels[1, 2, 2, 2] = 1, 2  # 123, 4 and 1 voxels
    weights = torch.bincount(labels.flatten(), minlength=3).float() ** -balance
    loss = DiceCrossEntropy(dice_weight=0, balance=balance)
    wanted = F.cross_entropy(scores, labels, weights)
    torch.testing.assert_close(loss(scores, labels), wanted)
    absent = DiceCrossEntropy(dice_weight=0, balance=balance)(scores, torch.zeros_like(labels))
    torch.testing.assert_close(absent, F.cross_entropy(scores, torch.zeros_like(labels)))


def weningers_dice(p, one_hot, epsilon=1e-5):
    """The formula of Weninger's code, class by class."""
    whole = 0.0
    for label in range(p.shape[1]):
        shared = (p[:, label] * one_hot[:, label]).sum()
        squares = (p[:, label] ** 2).sum() + (one_hot[:, label] ** 2).sum()
        whole += (2 * shared + epsilon) / (squares + epsilon) / p.shape[1]
    return 1 - whole


def test_squared_dice_and_its_gradient_are_those_of_weningers_formula():
    torch.manual_seed(1)
    labels = torch.randint(4, (2, 3, 4, 5))
    ours = torch.randn(2, 4, 3, 4, 5, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    loss = SquaredDice()(ours, labels)
    wanted = weningers_dice(theirs.softmax(1), F.one_hot(labels, 4).movedim(-1, 1).float())
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)
    loss.backward()
    wanted.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_squared_dice_costs_nothing_where_scores_are_perfect_and_a_class_is_absent():
    assert SquaredDice()(scores_of(cube(), 3), cube()).item() == pytest.approx(0, abs=1e-4)


def test_squared_dice_leaves_ignored_voxels_out():
    torch.manual_seed(2)
    logits, labels = torch.randn(1, 2, 4, 4, 4), cube()
    labels[:, 3] = 9
    alone = SquaredDice()(logits[:, :, :3], labels[:, :3])
    assert SquaredDice(ignore_label=9)(logits, labels).item() == pytest.approx(alone.item())


def test_squared_dice_of_slabs_is_that_of_the_volume():
    torch.manual_seed(3)
    logits, labels, loss = torch.randn(1, 2, 4, 4, 4), cube(), SquaredDice()
    first, second = (loss.sums(logits[:, :, part], labels[:, part]) for part in HALVES)
    assert loss.of(first.plus(second)).item() == pytest.approx(loss(logits, labels).item())


HALVES = slice(0, 2), slice(2, 4)
