"""Loss functions of (logits, labels); all compute in float32, whatever the net computes in."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from neurotarget.shapes import Labels, Levels, Logits, times

Loss = Callable[[Logits, Labels], Tensor]


class DiceCrossEntropy(nn.Module):
    """Soft Dice loss plus cross-entropy, a weighted sum; lower is better."""

    def __init__(
        self,
        *,
        dice_weight: float = 1.0,
        cross_entropy_weight: float = 1.0,
        batch_dice: bool = True,
        include_background: bool = False,
        ignore_label: int | None = None,
        smooth: float = 1.0,
    ) -> None:
        """Set the two weights and how Dice is counted.

        Args:
            dice_weight: factor of the Dice part.
            cross_entropy_weight: factor of the cross-entropy.
            batch_dice: count Dice over the batch as one volume, which is stable where a tiny
                target is missing from many patches; otherwise per patch, then the mean.
            include_background: whether class 0 has a Dice part (cross-entropy always has it).
            ignore_label: class of voxels that count nowhere.
            smooth: voxels added above and below the fraction, so that an absent class that is
                not predicted costs nothing.
        """
        super().__init__()
        self.dice_weight, self.cross_entropy_weight = dice_weight, cross_entropy_weight
        self.batch_dice, self.include_background = batch_dice, include_background
        self.ignore_label, self.smooth = ignore_label, smooth

    def forward(self, logits: Logits, labels: Labels) -> Tensor:
        """Return the loss, a scalar in float32."""
        with torch.autocast(logits.device.type, enabled=False):
            scores, classes = logits.float(), labels.long()
            found = _agreement(scores, classes, self.ignore_label)
            overlap = found.dice(over_batch=self.batch_dice, smooth=self.smooth)
            counted = overlap if self.include_background else overlap[..., 1:]
            loss = self.cross_entropy_weight * found.cross_entropy
            return loss + self.dice_weight * (1 - counted.mean())


class DeepSupervision(nn.Module):
    """A loss summed over decoder levels with weights 1, 1/2, 1/4, … that sum to 1.

    A net that returns one level (in evaluation, or without heads) gets the plain loss.

    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Logits | Levels, labels: Labels) -> Tensor:
        """Return the weighted sum; coarser levels get labels downsampled by nearest neighbour.

        Raises:
            ValueError: the finest level is not on the grid of the labels.
        """
        finest = (logits if isinstance(logits, Tensor) else logits[0]).shape[2:]
        if finest != labels.shape[1:]:
            raise ValueError(
                f"loss: got scores of {times(finest)} voxels for labels of "
                f"{times(labels.shape[1:])}, wanted the same; a net that scores less than it "
                "sees has a margin_vox"
            )
        if isinstance(logits, Tensor):
            return self.loss(logits, labels)
        parts = [self.loss(level, downsample(labels, level.shape[2:])) for level in logits]
        weights = level_weights(len(parts))
        return sum(weight * part for weight, part in zip(weights, parts, strict=True))


def level_weights(count: int) -> list[float]:
    """Weights 1, 1/2, 1/4, … divided by their sum, finest level first."""
    raw = [0.5**level for level in range(count)]
    return [weight / sum(raw) for weight in raw]


def downsample(labels: Labels, sides: Sequence[int]) -> Integer[Tensor, "B _ _ _"]:
    """Take the nearest voxel for each coarser voxel."""
    if tuple(labels.shape[1:]) == tuple(sides):
        return labels
    coarse = F.interpolate(labels[:, None].float(), size=tuple(sides), mode="nearest-exact")
    return coarse[:, 0].to(labels.dtype)


def crop(labels: Labels, margin_vox: int) -> Integer[Tensor, "B _ _ _"]:
    """Cut off the voxels at each face that a net without padding does not score."""
    inner = slice(margin_vox, -margin_vox or None)
    return labels[:, inner, inner, inner]


def cross_entropy(logits: Logits, labels: Labels, ignore_label: int | None = None) -> Tensor:
    """Mean cross-entropy in nats over voxels that are not ignored; 0 if all are."""
    return _agreement(logits, labels, ignore_label).cross_entropy


def soft_dice(
    logits: Logits,
    labels: Labels,
    *,
    over_batch: bool,
    ignore_label: int | None = None,
    smooth: float = 1.0,
) -> Float[Tensor, "*B L"]:
    """Dice of probabilities per class, in [0, 1]; over the batch (L,) or per patch (B, L).

    A class that is absent from labels and prediction scores 1; value and gradient stay finite.

    Source: Milletari et al. 2016, doi:10.1109/3DV.2016.79; over the batch as in nnU-Net.
    """
    return _agreement(logits, labels, ignore_label).dice(over_batch=over_batch, smooth=smooth)


class _Agreement(NamedTuple):
    """Sums over the voxels of scores and labels that are not ignored."""

    log_likelihood: Float[Tensor, " B"]  # of the true classes, nats
    shared: Float[Tensor, "B L"]  # probability of each class where it is true
    predicted: Float[Tensor, "B L"]  # probability of each class
    true: Float[Tensor, "B L"]  # voxels of each class

    @property
    def cross_entropy(self) -> Float[Tensor, ""]:
        """Mean over the voxels."""
        return -self.log_likelihood.sum() / self.true.sum().clamp(min=1)

    def dice(self, *, over_batch: bool, smooth: float) -> Float[Tensor, "*B L"]:
        """Dice of each class; `smooth` voxels are added above and below the fraction."""
        shared, total = self.shared, self.predicted + self.true
        if over_batch:
            shared, total = shared.sum(0), total.sum(0)
        return (2 * shared + smooth) / (total + smooth)


def _agreement(logits: Logits, labels: Labels, ignore_label: int | None) -> _Agreement:
    classes, is_counted = labels, None
    if ignore_label is not None:
        is_counted = labels != ignore_label
        classes = torch.where(is_counted, labels, 0)
    return _Agreement(*_Sums.apply(logits, classes, is_counted))


class _Sums(torch.autograd.Function):
    """The sums of `_Agreement`, with their gradient from the probabilities alone.

    PyTorch's own gradients keep and pass over three arrays of the size of the scores, and compute
    them in another memory layout than that of the network: at 33 labels they take three times as
    long.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, logits: Logits, classes: Labels, is_counted: Tensor | None
    ) -> tuple[Tensor, ...]:
        is_last = logits.is_contiguous(memory_format=torch.channels_last_3d)
        axis = 2 if is_last else 1  # of the labels, next to the axis of all voxels
        scores = logits.movedim(1, -1).flatten(1, 3) if is_last else logits.flatten(2)
        numbers = classes.flatten(1).unsqueeze(axis)
        logs = scores.log_softmax(axis)
        likely = logs.gather(axis, numbers).squeeze(axis)
        probabilities = logs.exp_()
        correct = probabilities.gather(axis, numbers).squeeze(axis)
        counts = torch.ones_like(likely) if is_counted is None else is_counted.flatten(1).to(likely)
        predicted = _product(probabilities, counts, axis=3 - axis)
        ctx.save_for_backward(probabilities, numbers, correct, counts)
        ctx.axis, ctx.sides, ctx.is_counted = axis, logits.shape[2:], is_counted is not None
        num_labels, true = logits.shape[1], classes.flatten(1)
        return (
            (likely * counts).sum(1),
            _per_class(correct * counts, true, num_labels),
            predicted,
            _per_class(counts, true, num_labels),
        )

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, likely: Tensor, shared: Tensor, predicted: Tensor, _: Tensor
    ) -> tuple[Tensor, None, None]:
        probabilities, numbers, correct, counts = ctx.saved_tensors
        axis = ctx.axis
        here = correct * shared.gather(1, numbers.squeeze(axis))
        mean = _product(probabilities, predicted, axis=axis) + here + likely[:, None]
        grad = predicted.unsqueeze(3 - axis) - mean.unsqueeze(axis)
        grad.mul_(probabilities)
        at_true = here + likely[:, None]
        if ctx.is_counted:
            grad.mul_(counts.unsqueeze(axis))
            at_true *= counts
        grad.scatter_add_(axis, numbers, at_true.unsqueeze(axis))
        grad = grad.unflatten(3 - axis, ctx.sides)
        return (grad.movedim(-1, 1) if axis == 2 else grad), None, None


def _product(array: Float[Tensor, "B _ _"], weights: Float[Tensor, "B n"], *, axis: int) -> Tensor:
    """Weighted sum over one axis, 1 or 2."""
    if axis == 1:
        return torch.bmm(weights[:, None], array)[:, 0]
    return torch.bmm(array, weights[..., None])[..., 0]


def _per_class(
    values: Float[Tensor, "B V"], classes: Integer[Tensor, "B V"], num_labels: int
) -> Float[Tensor, "B L"]:
    """Sum values over the voxels of each class; one flat scatter, which CUDA can repeat."""
    patch = torch.arange(len(values), device=values.device)[:, None] * num_labels
    sums = values.new_zeros(len(values) * num_labels)
    sums = sums.scatter_add(0, (classes + patch).flatten(), values.flatten())
    return sums.view(len(values), num_labels)
