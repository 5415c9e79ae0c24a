"""Loss functions of (logits, labels); all compute in float32, whatever the net computes in."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor, nn

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
            loss = self.cross_entropy_weight * cross_entropy(scores, classes, self.ignore_label)
            overlap = soft_dice(
                scores,
                classes,
                over_batch=self.batch_dice,
                ignore_label=self.ignore_label,
                smooth=self.smooth,
            )
            counted = overlap if self.include_background else overlap[..., 1:]
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
    if ignore_label is None:
        return F.cross_entropy(logits, labels)
    total = F.cross_entropy(logits, labels, ignore_index=ignore_label, reduction="sum")
    return total / (labels != ignore_label).sum().clamp(min=1)


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
    probabilities = logits.softmax(dim=1).flatten(2)  # (B, L, V)
    classes = labels.flatten(1)  # (B, V)
    counts = torch.ones_like(classes, dtype=logits.dtype)
    if ignore_label is not None:
        counts = (classes != ignore_label).to(logits.dtype)
        classes = torch.where(counts > 0, classes, 0)
        probabilities = probabilities * counts[:, None]
    # Gathering the true class's probability needs no one-hot labels: a third of the time and
    # none of the memory at 100 classes.
    correct = probabilities.gather(1, classes[:, None])[:, 0]
    shared = _per_class(correct, classes, logits.shape[1])
    total = probabilities.sum(2) + _per_class(counts, classes, logits.shape[1])
    if over_batch:
        shared, total = shared.sum(0), total.sum(0)
    return (2 * shared + smooth) / (total + smooth)


def _per_class(
    values: Float[Tensor, "B V"], classes: Integer[Tensor, "B V"], num_labels: int
) -> Float[Tensor, "B L"]:
    """Sum values over the voxels of each class; one flat scatter, which CUDA can repeat."""
    patch = torch.arange(len(values), device=values.device)[:, None] * num_labels
    sums = values.new_zeros(len(values) * num_labels)
    sums = sums.scatter_add(0, (classes + patch).flatten(), values.flatten())
    return sums.view(len(values), num_labels)
