"""Loss functions of (logits, labels); all compute in float32, for any precision of the net."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.autograd.function import Function, FunctionCtx, once_differentiable

from neurotarget.shapes import Inner, Labels, Levels, Logits, times

Loss = Callable[[Logits, Labels], Tensor]

FEW_LABELS = 8  # below, computing is faster with the labels outermost
MOST_VALUES = (2**26, 2**18)  # scores of a part on a GPU, and on a CPU, whose cache it fits


class Sums(NamedTuple):
    """Sums over voxels, per patch and class, from which Dice and cross-entropy are computed."""

    shared: Float[Tensor, "B L"]  # probability of the true class, in the voxels of each class
    total: Float[Tensor, "B L"]  # probability of each class, and its voxels
    nats: Float[Tensor, "B L"]  # cross-entropy of the voxels of each class
    voxels: Float[Tensor, "B L"]

    def plus(self, other: "Sums") -> "Sums":
        """Add the sums over the voxels of both.

        The number of patches (B) must be equal, as for parts of the same volumes.
        """
        return Sums(*(one + more for one, more in zip(self, other, strict=True)))


class DiceCrossEntropy(nn.Module):
    """Soft Dice loss plus cross-entropy, a weighted sum; lower is better."""

    def __init__(
        self,
        *,
        dice_weight: float = 1.0,
        cross_entropy_weight: float = 1.0,
        balance: float = 0.0,
        batch_dice: bool = True,
        include_background: bool = False,
        ignore_label: int | None = None,
        smooth: float = 1.0,
    ) -> None:
        """Set the two weights and the reduction of Dice.

        Args:
            dice_weight: factor of the Dice part.
            cross_entropy_weight: factor of the cross-entropy.
            balance: exponent in [0, 1] that weights small classes up in the cross-entropy:
                a voxel weighs n to the power of −balance, n the voxels of its class in the batch.
                With 0 all voxels count the same; with 1 all classes do. Dice alone gives hardly
                any gradient to classes of almost zero probability, as small ones at the start.
            batch_dice: count Dice over the batch as one volume, which is stable where a tiny
                target is missing from many patches; otherwise per patch, then the mean.
            include_background: whether Dice includes class 0 (cross-entropy always does).
            ignore_label: class of voxels that are left out of the loss; None leaves out none.
            smooth: voxels added above and below the fraction, so that an absent class that is
                not predicted costs nothing.
        """
        super().__init__()
        self.dice_weight, self.cross_entropy_weight = dice_weight, cross_entropy_weight
        self.batch_dice, self.include_background = batch_dice, include_background
        self.ignore_label, self.smooth, self.balance = ignore_label, smooth, balance

    def forward(self, logits: Logits, labels: Labels) -> Tensor:
        """Return the loss, a scalar in float32.

        Args:
            logits: scores before softmax, (B, L, I, J, K), in any floating type.
            labels: class of each voxel, (B, I, J, K), from 0 to L - 1, or `ignore_label`.
        """
        return self.of(self.sums(logits, labels))

    def sums(self, logits: Inner, labels: Integer[Tensor, "B _ _ _"]) -> Sums:
        """Sums over voxels from which `of` computes the loss; sums of parts can be added."""
        with torch.autocast(logits.device.type, enabled=False):
            return class_sums(logits, labels, self.ignore_label)

    def of(self, sums: Sums) -> Tensor:
        """Loss computed from sums over voxels, a scalar in float32.

        A class that has no voxel has no part in the cross-entropy; with `smooth` 0 its Dice is NaN
        if it is not predicted either.
        """
        overlap = _dice(sums, over_batch=self.batch_dice, smooth=self.smooth)
        counted = overlap if self.include_background else overlap[..., 1:]
        loss = self.cross_entropy_weight * _mean_nats(sums, self.balance)
        return loss + self.dice_weight * (1 - counted.mean())


class SquaredSums(NamedTuple):
    """Sums over the voxels of a batch, per class, for Dice with squared probabilities."""

    shared: Float[Tensor, " L"]  # probability of the true class, in the voxels of each class
    squares: Float[Tensor, " L"]  # squared probability of each class, and its voxels

    def plus(self, other: "SquaredSums") -> "SquaredSums":
        """Sums over the voxels of both; the batch is summed already, so patches may differ."""
        return SquaredSums(self.shared + other.shared, self.squares + other.squares)


class SquaredDice(nn.Module):
    """1 minus the mean over all classes of (2 Σpg + s) / (Σp² + Σg² + s); lower is better.

    p are probabilities and g the labels, 0 or 1; the background is a class too, and the sums are
    those of the whole batch.

    Source: Milletari et al. 2016, doi:10.1109/3DV.2016.79; counted in this way by
    Weninger et al. 2019, doi:10.1007/978-3-030-11726-9_1, whose code has s = 1e-5.
    """

    def __init__(self, *, smooth: float = 1e-5, ignore_label: int | None = None) -> None:
        """Set the smoothing, and a class that is left out.

        Args:
            smooth: s of the formula; above 0, a class that is absent and not predicted adds no
                loss.
            ignore_label: class of voxels that are left out of all sums; None leaves out none.
        """
        super().__init__()
        self.smooth, self.ignore_label = smooth, ignore_label

    def forward(self, logits: Logits, labels: Labels) -> Tensor:
        """Return the loss, a scalar in float32 of 0 to 1.

        Args:
            logits: scores before softmax, (B, L, I, J, K).
            labels: class of each voxel, (B, I, J, K).
        """
        return self.of(self.sums(logits, labels))

    def sums(self, logits: Inner, labels: Integer[Tensor, "B _ _ _"]) -> SquaredSums:
        """Sums over voxels from which `of` computes the loss; sums of parts can be added."""
        with torch.autocast(logits.device.type, enabled=False):
            classes, counts = _counted(labels, self.ignore_label)
            p = logits.flatten(2).float().softmax(1)
            true = p.gather(1, classes[:, None])[:, 0] * counts  # (B, V)
            squares = (p.square() * counts[:, None]).sum((0, 2))
            num_labels = logits.shape[1]
            shared, voxels = (_per_class(one, classes, num_labels).sum(0) for one in (true, counts))
            return SquaredSums(shared, squares + voxels)

    def of(self, sums: SquaredSums) -> Tensor:
        """Loss computed from sums over voxels, a scalar in float32."""
        dice = (2 * sums.shared + self.smooth) / (sums.squares + self.smooth)
        return 1 - dice.mean()


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
    """Return the weights 1, 1/2, 1/4, … divided by their sum, finest level first.

    A halving weight per level, as in nnU-Net.
    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """
    raw = [0.5**level for level in range(count)]
    return [weight / sum(raw) for weight in raw]


def downsample(labels: Labels, sides: Sequence[int]) -> Integer[Tensor, "B _ _ _"]:
    """Take the nearest voxel for each coarser voxel.

    Args:
        labels: class of each voxel, (B, I, J, K).
        sides: I, J, K of the coarser grid, which covers the same field of view; equal sides return
            the labels themselves.
    """
    if tuple(labels.shape[1:]) == tuple(sides):
        return labels
    coarse = F.interpolate(labels[:, None].float(), size=tuple(sides), mode="nearest-exact")
    return coarse[:, 0].to(labels.dtype)


def crop(labels: Labels, margin_vox: int) -> Integer[Tensor, "B _ _ _"]:
    """Cut off the voxels at each face that a net without padding does not score.

    Labels (B, I, J, K) lose `margin_vox` voxels at both ends of each axis; 0 keeps all.
    """
    inner = slice(margin_vox, -margin_vox or None)
    return labels[:, inner, inner, inner]


def cross_entropy(logits: Logits, labels: Labels, ignore_label: int | None = None) -> Tensor:
    """Compute the mean cross-entropy in nats over voxels that are not ignored; 0 if all are.

    Logits are (B, L, I, J, K) before softmax, labels (B, I, J, K). All voxels count the same.
    """
    return _mean_nats(class_sums(logits, labels, ignore_label))


def soft_dice(
    logits: Logits,
    labels: Labels,
    *,
    over_batch: bool,
    ignore_label: int | None = None,
    smooth: float = 1.0,
) -> Float[Tensor, "*B L"]:
    """Compute Dice of probabilities per class, in [0, 1]; over the batch (L,) or per patch (B, L).

    A class that is absent from labels and prediction scores 1; value and gradient stay finite.

    Source: Milletari et al. 2016, doi:10.1109/3DV.2016.79; over the batch as in nnU-Net.
    """
    sums = class_sums(logits, labels, ignore_label)
    return _dice(sums, over_batch=over_batch, smooth=smooth)


def class_sums(
    logits: Inner, labels: Integer[Tensor, "B _ _ _"], ignore_label: int | None = None
) -> Sums:
    """Sums over the voxels that are not ignored, by which probabilities are compared with labels.

    Neither one-hot labels nor probabilities of all voxels are in memory.

    Args:
        logits: scores before softmax, (B, L, I, J, K); they have a gradient, the sums keep it.
        labels: class of each voxel, (B, I, J, K), from 0 to L - 1, or `ignore_label`.
        ignore_label: class whose voxels are left out of every sum; None leaves out none.
    """
    classes, counts = _counted(labels, ignore_label)
    log_true, mass = _TrueAndMass.apply(logits.flatten(2), classes, counts)
    log_true = log_true * counts
    num_labels = logits.shape[1]
    voxels = _per_class(counts, classes, num_labels)
    return Sums(
        shared=_per_class(log_true.exp() * counts, classes, num_labels),
        total=mass + voxels,
        nats=-_per_class(log_true, classes, num_labels),
        voxels=voxels,
    )


def _counted(
    labels: Integer[Tensor, "B _ _ _"], ignore_label: int | None
) -> tuple[Integer[Tensor, "B V"], Float[Tensor, "B V"]]:
    """Return the class and count (1) of each voxel; ignored voxels have class 0 and count 0."""
    classes = labels.flatten(1).long()
    counts = torch.ones_like(classes, dtype=torch.float32)
    if ignore_label is not None:
        counts = (classes != ignore_label).float()
        classes = torch.where(counts > 0, classes, 0)
    return classes, counts


class _TrueAndMass(Function):
    """Log-probability of each voxel's class (B, V), and the sum of probabilities per class (B, L).

    Of scores (B, L, V), classes (B, V) and counts (B, V), which are 0 for voxels that are left out
    of the sums. Probabilities are computed again for the gradient, a part at a time: in place of
    three arrays of the size of the scores there is only that of the gradient.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, scores: Tensor, classes: Tensor, counts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute both in float32, a part of the voxels at a time; see the class for the shapes."""
        log_true = torch.empty_like(counts)
        mass = counts.new_zeros(scores.shape[:2])
        for part, dim, place in _parts(scores):
            logs = part.float().log_softmax(dim)
            log_true[place] = logs.gather(dim, classes[place].unsqueeze(dim)).squeeze(dim)
            # products of matrices would sum less precisely
            mass[place[0]] += logs.exp_().mul_(counts[place].unsqueeze(dim)).sum(1 - dim)
        ctx.save_for_backward(scores, classes, counts)
        return log_true, mass

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, of_true: Tensor, of_mass: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the scores (B, L, V), in their type; other inputs get None."""
        scores, classes, counts = ctx.saved_tensors
        gradient = torch.empty_like(scores)
        for (part, dim, place), (into, *_) in zip(_parts(scores), _parts(gradient), strict=True):
            p, counted = part.float().softmax(dim), counts[place].unsqueeze(dim)
            own, true = of_mass[place[0]], of_true[place].unsqueeze(dim)
            mean = (p @ own if dim else own @ p).unsqueeze(dim)
            p *= (own.unsqueeze(1 - dim) - mean).mul_(counted).sub_(true)
            into.copy_(p.scatter_add_(dim, classes[place].unsqueeze(dim), true))
        return gradient, None, None


def _parts(scores: Tensor) -> Iterator[tuple[Tensor, int, tuple[int, slice]]]:
    """Yield views of parts of scores (B, L, V), their label axis, and their place in (B, V).

    Labels come last (V, L) if they are innermost in memory, else first (L, V).
    """
    batch, num_labels, voxels = scores.shape
    is_last = num_labels >= FEW_LABELS and scores.stride(1) == 1
    most = MOST_VALUES[scores.device.type == "cpu"]
    step = max(most // num_labels, 1)
    for sample in range(batch):
        for start in range(0, voxels, step):
            span = slice(start, min(start + step, voxels))
            part = scores[sample, :, span]
            yield part.T if is_last else part, int(is_last), (sample, span)


def _dice(sums: Sums, *, over_batch: bool, smooth: float) -> Float[Tensor, "*B L"]:
    shared, total = sums.shared, sums.total
    if over_batch:
        shared, total = shared.sum(0), total.sum(0)
    return (2 * shared + smooth) / (total + smooth)


def _mean_nats(sums: Sums, balance: float = 0.0) -> Tensor:
    """Compute the mean cross-entropy per voxel, with class weights as in `DiceCrossEntropy`."""
    nats, voxels = sums.nats.sum(0), sums.voxels.sum(0)
    weights = torch.where(voxels > 0, voxels.clamp(min=1) ** -balance, 0.0)
    return (weights * nats).sum() / (weights * voxels).sum().clamp(min=torch.finfo().tiny)


def _per_class(
    values: Float[Tensor, "B V"], classes: Integer[Tensor, "B V"], num_labels: int
) -> Float[Tensor, "B L"]:
    """Sum values over the voxels of each class; one flat scatter, which CUDA can repeat."""
    patch = torch.arange(len(values), device=values.device)[:, None] * num_labels
    sums = values.new_zeros(len(values) * num_labels)
    sums = sums.scatter_add(0, (classes + patch).flatten(), values.flatten())
    return sums.view(len(values), num_labels)
