"""Layers that compute channels last on CPUs, in place of PyTorch's, which are slow there.

PyTorch copies the input of an instance norm to the layout with channels first, from where the next
convolution copies it back; its group norm of few channels per group and the gradient of its PReLU
take 30 times as long as a sum over the same voxels; and its convolution of 1×1×1 voxels on one
thread does not use oneDNN. Weights, their names, and computation on GPUs are unchanged.
`benchmarks/step.py` measures what this saves of a step of training.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from neurotarget.shapes import Feature

VOXELS = (2, 3, 4)  # dimensions of a feature
LAST = torch.channels_last_3d
PIECE = 2**18  # values that stay in the cache of a core


def lay_out_layers(net: nn.Module) -> nn.Module:
    """Make a net's norms, PReLUs and 1×1×1 convolutions compute channels last; returns the net.

    Only the classes of its layers change: weights and their names stay, so checkpoints are the
    same. Subclasses of PyTorch's layers are left as they are.
    """
    for module in net.modules():
        kind = LAID_OUT.get(type(module))
        if kind and (kind is not PointConv3d or _is_point(module)):
            module.__class__ = kind
    return net


def with_plain_layers(net: nn.Module) -> nn.Module:
    """Undo `lay_out_layers`, for programs that know PyTorch's own layers only; returns the net."""
    plain = {laid_out: kind for kind, laid_out in LAID_OUT.items()}
    for module in net.modules():
        module.__class__ = plain.get(type(module), type(module))
    return net.to(memory_format=torch.contiguous_format)


class LaidOutInstanceNorm3d(nn.InstanceNorm3d):
    """An instance norm that keeps channels last."""

    def forward(self, feature: Feature) -> Feature:
        """Normalise as the parent class does, apart from rounding."""
        if self.track_running_stats or not _is_laid_out(feature):
            return super().forward(feature)
        self._check_input_dim(feature)
        if self.training and feature[0, 0].numel() == 1:
            return super().forward(feature)  # which refuses it
        return ChannelNorm.apply(feature, self.weight, self.bias, feature.shape[1], self.eps)


class LaidOutGroupNorm(nn.GroupNorm):
    """A group norm that computes channels last."""

    def forward(self, feature: Feature) -> Feature:
        """Normalise as the parent class does, apart from rounding."""
        if not _is_laid_out(feature):
            return super().forward(feature)
        return ChannelNorm.apply(feature, self.weight, self.bias, self.num_groups, self.eps)


class LaidOutPReLU(nn.PReLU):
    """A PReLU whose gradient is computed by whole operations."""

    def forward(self, feature: Feature) -> Feature:
        """Compute as the parent class does."""
        if not _is_laid_out(feature):
            return super().forward(feature)
        return PReLU.apply(feature, self.weight)


class PointConv3d(nn.Conv3d):
    """A convolution of 1×1×1 voxels, computed as a matrix product."""

    def forward(self, feature: Feature) -> Feature:
        """Convolve as the parent class does, apart from rounding."""
        if not _is_laid_out(feature):
            return super().forward(feature)
        made = F.linear(feature.permute(0, 2, 3, 4, 1), self.weight.flatten(1), self.bias)
        return made.permute(0, 4, 1, 2, 3)


class ThinnedConv2d(nn.Conv2d):
    """A convolution of single pixels with a stride, computed on the pixels that it takes.

    With channels last and fewer than 8 input channels, PyTorch 2.13 (oneDNN, AVX2) writes beyond
    its memory in the gradient of such a convolution, and the program ends some time later.
    """

    def forward(self, feature: Tensor) -> Tensor:
        """Convolve as the parent class does, apart from rounding."""
        thin, stride = thinned(feature, self.kernel_size, self.stride, self.padding)
        if stride == self.stride:
            return super().forward(feature)
        return F.conv2d(thin, self.weight, self.bias, groups=self.groups)


def thinned(
    feature: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int] | str
) -> tuple[Tensor, tuple[int, ...]]:
    """The pixels of (B, C, I, J) that a convolution of single pixels takes, and the stride left.

    The same feature and stride for other convolutions.
    """
    if max(kernel) > 1 or max(stride) == 1 or padding not in ((0, 0), "valid"):
        return feature, tuple(stride)
    return feature[..., :: stride[0], :: stride[1]], (1, 1)


LAID_OUT = {
    nn.Conv2d: ThinnedConv2d,
    nn.InstanceNorm3d: LaidOutInstanceNorm3d,
    nn.GroupNorm: LaidOutGroupNorm,
    nn.PReLU: LaidOutPReLU,
    nn.Conv3d: PointConv3d,
}


class ChannelNorm(Function):
    """Norm of (B, C, I, J, K) over the voxels of groups of channels; in float32 at least."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        feature: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        groups: int,
        eps: float,
    ) -> Tensor:
        """Normalise each group of channels to mean 0 and variance 1, then scale and shift.

        Args:
            ctx: keeps what `backward` needs.
            feature: (B, C, I, J, K).
            weight: (C,); None does not scale.
            bias: (C,); None does not shift.
            groups: number of groups; C for an instance norm.
            eps: added to the variance.
        """
        count = feature[0].numel() // groups
        kind = torch.promote_types(feature.dtype, torch.float32)
        mean = _over_groups(feature.sum(VOXELS, keepdim=True, dtype=kind), groups) / count
        centred = feature - mean
        squares = _sums_of_products(centred, centred)
        spread = (_over_groups(squares, groups) / count + eps).rsqrt()
        ctx.groups = groups
        ctx.save_for_backward(feature, weight, mean, spread)
        centred *= spread if weight is None else spread * _of_channels(weight)
        if bias is not None:
            centred += _of_channels(bias)
        return centred.to(feature.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of feature, weight and bias; None for the others, and where none is needed."""
        feature, weight, mean, spread = ctx.saved_tensors
        gradient = gradient.to(mean.dtype, memory_format=LAST)
        centred = feature - mean
        total = gradient.sum(VOXELS, keepdim=True)
        along = _sums_of_products(gradient, centred) * spread
        of_weight = along.sum(0).flatten() if ctx.needs_input_grad[1] else None
        of_bias = total.sum(0).flatten() if ctx.needs_input_grad[2] else None
        if not ctx.needs_input_grad[0]:
            return None, of_weight, of_bias, None, None
        factor = spread
        if weight is not None:
            channel = _of_channels(weight)
            total, along, factor = total * channel, along * channel, spread * channel
        count = feature[0].numel() // ctx.groups
        centred *= _over_groups(along, ctx.groups) * spread.square() / -count
        centred += _over_groups(total, ctx.groups) * spread / -count
        centred.addcmul_(gradient, factor)
        return centred.to(feature.dtype), of_weight, of_bias, None, None


class PReLU(Function):
    """PReLU with one slope, or one per channel."""

    @staticmethod
    def forward(ctx: FunctionCtx, feature: Tensor, slope: Tensor) -> Tensor:
        """Keep positive values and multiply the others by the slope, (1,) or (C,)."""
        ctx.save_for_backward(feature, slope)
        return F.prelu(feature, slope.to(feature.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        """Gradients of feature and slope; that of the slope is summed over samples and voxels."""
        feature, slope = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=LAST)
        rising = torch.ops.aten.threshold_backward(gradient, feature, 0)  # where, 10 times as fast
        falling = gradient - rising
        rising.addcmul_(falling, _of_channels(slope.to(falling.dtype)))
        of_slope = falling.mul_(feature).sum((0, *VOXELS), dtype=slope.dtype)
        return rising, of_slope if len(slope) > 1 else of_slope.sum().view(1)


def _is_point(conv: nn.Conv3d) -> bool:
    """Return whether a convolution combines the channels of each single voxel alone."""
    is_single = conv.kernel_size == conv.stride == (1, 1, 1) and conv.groups == 1
    return is_single and conv.padding in ((0, 0, 0), "valid")


def _is_laid_out(feature: Tensor) -> bool:
    is_on_cpu = feature.dim() == len(VOXELS) + 2 and feature.device.type == "cpu"
    return is_on_cpu and feature.is_contiguous(memory_format=LAST)


def _of_channels(values: Tensor) -> Tensor:
    """Values of each channel (C,), or one of all, as (1, C, 1, 1, 1)."""
    return values.view(1, -1, 1, 1, 1)


def _sums_of_products(one: Tensor, other: Tensor) -> Tensor:
    """Sums over the voxels of a product, (B, C, 1, 1, 1); the product is made in pieces."""
    pieces = max(one.numel() // PIECE, 1)
    pairs = zip(one.chunk(pieces, dim=2), other.chunk(pieces, dim=2), strict=True)
    return sum((a * b).sum(VOXELS, keepdim=True) for a, b in pairs)


def _over_groups(sums: Tensor, groups: int) -> Tensor:
    """Sums of channels (B, C, 1, 1, 1) added up in each group, in the same shape."""
    if groups == sums.shape[1]:
        return sums
    added = sums.view(len(sums), groups, -1).sum(2, keepdim=True)
    return added.expand(-1, -1, sums.shape[1] // groups).reshape(sums.shape)
