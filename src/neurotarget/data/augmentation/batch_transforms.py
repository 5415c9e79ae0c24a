"""Augmentation of a whole batch by a plan: pure functions of tensors, the same on CPU and GPU.

The order is that of `augment`: warp and mirror, bias field, motion, ghosts, low resolution, blur,
noise, grey scale, contrasts that drop out. Only the patches of a plan's rows are computed; every
function changes its image in place.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from neurotarget.data.augmentation.axis_maps import along_axes, along_last
from neurotarget.data.augmentation.batch_plan import (
    Dropped,
    Gains,
    Grains,
    Mixed,
    Moved,
    Plan,
    Powers,
    Rows,
    Scaled,
    Warped,
)
from neurotarget.data.augmentation.batch_warp import positions, read_images, read_labels

Images = Float[Tensor, "B C I J K"]
Classes = Integer[Tensor, "B I J K"]


class Cut(NamedTuple):
    """Voxels of patches and the plan of their augmentation.

    Patches without a warp are in `image` and `labels`. The regions of warped patches, in the
    order of the plan's rows, are in `region` and `region_labels`.
    """

    rows: Rows  # places of these patches in the batch
    image: Images
    labels: Classes | None
    region: Float[Tensor, "n C _ _ _"]
    region_labels: Integer[Tensor, "n _ _ _"] | None
    plan: Plan


class Shape(NamedTuple):
    """Sizes and classes that are the same for all batches of a training."""

    region_vox: tuple[int, int, int]
    spacing: float  # of elastic control points, in voxels
    swap: tuple[int, ...]  # class that each class becomes in a left/right mirror


def augmented(cut: Cut, shape: Shape) -> tuple[Images, Classes | None]:
    """Augment patches; the image and labels of `cut` are overwritten.

    Args:
        cut: patches with their plan; labels are None where the network learns outcomes.
        shape: sides of the regions, spacing of control points and swapped classes.

    Returns:
        Images (B, C, I, J, K) and classes (B, I, J, K), on the device of the cut.
    """
    image, labels, plan = cut.image, cut.labels, cut.plan
    if plan.warp is not None:
        places = positions(plan.warp, image.shape[2:], shape.region_vox, spacing=shape.spacing)
        image.index_copy_(0, plan.warp.rows, read_images(cut.region, places))
        if labels is not None:
            labels.index_copy_(0, plan.warp.rows, read_labels(cut.region_labels, places))
    if plan.swapped is not None and labels is not None and len(shape.swap) > 1:
        exchange_classes(labels, plan.swapped, shape.swap)
    if plan.bias is not None:
        apply_bias(image, plan.bias, shape.region_vox)
    steps = (
        (apply_motion, plan.motion),
        (apply_maps, plan.ghosts),
        (apply_maps, plan.mixed),
        (apply_noise, plan.noise),
        (apply_gamma, plan.gamma),
        (apply_scale, plan.scaled),
        (drop_channels, plan.dropped),
    )
    for apply, parameters in steps:
        if parameters is not None:
            apply(image, parameters)
    return image, labels


def exchange_classes(labels: Classes, rows: Rows, swap: Sequence[int]) -> None:
    """Give the voxels of mirrored patches the class of the other side.

    Args:
        labels: changed in place.
        rows: patches that are mirrored from left to right.
        swap: the class that each class becomes.
    """
    table = torch.tensor(swap, dtype=labels.dtype, device=labels.device)
    turned = table.index_select(0, labels.index_select(0, rows).flatten().int())
    labels.index_copy_(0, rows, turned.reshape(-1, *labels.shape[1:]))


def apply_bias(image: Images, bias: Gains, region_vox: Sequence[int]) -> None:
    """Multiply the signal above the darkest voxel of each contrast by a smooth field.

    The field is the exponential of a polynomial of positions, which run from −1 to 1 over the
    region of `region_vox` voxels, with the patch in its middle.

    Source: Van Leemput et al. 1999, doi:10.1109/42.811268.
    """
    field, count = bias.coefficients, bias.coefficients.shape[-1]
    for side, whole in zip(image.shape[2:], region_vox, strict=True):
        powers = _powers(side, whole, count, str(image.device))
        field = torch.tensordot(field, powers, dims=([2], [0]))  # appends the voxel axis
    signal = image.index_select(0, bias.rows)
    floor = signal.amin(dim=(2, 3, 4), keepdim=True)
    signal.sub_(floor).mul_(field.exp_()).add_(floor)
    image.index_copy_(0, bias.rows, signal)


def apply_motion(image: Images, motion: Moved) -> None:
    """Join lines of k-space along K from the head at several positions.

    A position is a rotation about the first voxel and a shift, as in TorchIO; voxels from
    outside of the patch get its smallest value.
    """
    still = image.index_select(0, motion.rows)
    joined = along_last(still, motion.maps[:, 0])
    for move in range(motion.matrix.shape[1]):
        moved = moved_by(still, motion.matrix[:, move], motion.shift[:, move])
        joined += along_last(moved, motion.maps[:, move + 1])
    image.index_copy_(0, motion.rows, joined)


def moved_by(image: Images, matrix: Float[Tensor, "B 3 3"], shift: Float[Tensor, "B 3"]) -> Images:
    """Read images linearly at matrix @ position + shift, in voxels from the first voxel."""
    sides = image.shape[2:]
    middle = torch.tensor([(side - 1) / 2 for side in sides], device=image.device)
    about = shift + matrix @ middle - middle  # the same map about the centre
    every = torch.arange(len(image), device=image.device)
    places = positions(Warped(every, matrix, about, None, None), sides, sides, spacing=1.0)
    last = torch.tensor([side - 0.5 for side in sides], device=image.device)[:, None, None, None]
    is_inside = ((places >= -0.5) & (places < last)).all(dim=1, keepdim=True)
    smallest = image.amin(dim=(2, 3, 4), keepdim=True)
    return torch.where(is_inside, read_images(image, places), smallest)


def apply_maps(image: Images, mixed: Mixed) -> None:
    """Apply a linear map along each axis.

    Voxels across the other axes do not mix; the order of the axes does not matter.
    """
    image.index_copy_(0, mixed.rows, along_axes(image.index_select(0, mixed.rows), mixed.along))


def apply_noise(image: Images, noise: Grains) -> None:
    """Add normal noise, each patch from a generator with its own seed.

    The same seed gives different fields on a CPU and on a GPU.
    """
    generator = torch.Generator(image.device)
    fields = image.new_empty(len(noise.seeds), *image.shape[1:])
    for field, seed in zip(fields, noise.seeds, strict=True):
        generator.manual_seed(seed)
        torch.randn(field.shape, generator=generator, out=field)
    mean, sd = (values[:, None, None, None, None] for values in (noise.mean, noise.sd))
    image.index_add_(0, noise.rows, fields.mul_(sd).add_(mean))


def apply_gamma(image: Images, powers: Powers) -> None:
    """Raise the grey scale of each contrast to a power, keeping its mean and SD; see `Gamma`.

    A contrast of one value stays as it is.
    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """
    grey = image.index_select(0, powers.rows).flatten(2)
    low, high = grey.amin(dim=2, keepdim=True), grey.amax(dim=2, keepdim=True)
    sign, span = powers.sign[:, :, None], high - low
    from_end = grey - torch.where(sign > 0, low, high)
    unit = from_end.mul_(sign / torch.where(span > 0, span, 1.0))
    raised = unit.log_().mul_(powers.gamma[:, :, None]).exp_()  # twice as fast as pow
    mean, spread = _centred(grey.clone())
    _, raised_spread = _centred(raised)
    gain = sign * spread / raised_spread.clamp(min=torch.finfo(raised.dtype).eps)
    changed = torch.where(span > 0, raised.mul_(gain).add_(mean), grey)
    image.index_copy_(0, powers.rows, changed.reshape(-1, *image.shape[1:]))


def apply_scale(image: Images, scaled: Scaled) -> None:
    """Multiply each contrast by a factor and add a constant, except in voxels of 0."""
    rows = image.index_select(0, scaled.rows)
    factor, shift = (values[:, :, None, None, None] for values in scaled[1:])
    changed = torch.where(rows != 0, rows * factor + shift, rows)
    image.index_copy_(0, scaled.rows, changed)


def drop_channels(image: Images, dropped: Dropped) -> None:
    """Set channels of patches to 0.

    0 is the background of a stripped brain, and predictions fill missing contrasts with it.
    """
    gone = dropped.channels[:, :, None, None, None]
    image.index_copy_(0, dropped.rows, image.index_select(0, dropped.rows).masked_fill(gone, 0))


def _centred(values: Float[Tensor, "n C V"]) -> tuple[Tensor, Tensor]:
    """Subtract the mean over V in place; return the mean and the SD, each (n, C, 1)."""
    mean = values.mean(dim=2, keepdim=True)
    values.sub_(mean)
    norm = torch.linalg.vector_norm(values, dim=2, keepdim=True)  # 15 times as fast as std
    return mean, norm / math.sqrt(values.shape[2])


@lru_cache(maxsize=8)
def _powers(side: int, whole: int, count: int, device: str) -> Float[Tensor, "powers side"]:
    """Compute powers of a patch's positions in the middle of a region from −1 to 1."""
    margin = (whole - side) // 2
    place = torch.linspace(-1, 1, whole)[margin : margin + side]
    return (place[None, :] ** torch.arange(count)[:, None]).to(device)
