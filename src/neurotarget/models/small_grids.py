"""Compute convolutions of small grids in float32 on CPUs, to avoid a bug in bfloat16."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurotarget.shapes import Feature


def guard_small_grids(net: nn.Module) -> nn.Module:
    """Make a net's 3D convolutions compute small grids in float32, and return the net.

    On CPUs with bfloat16, oneDNN 3.12 (of torch 2.13) returns uninitialised memory as the gradient
    of a convolution's weights, or crashes, if a side of the grid is smaller than the kernel: 2³
    voxels with a kernel of 3, as at the bottom of a U-Net. In all tested grids that are not smaller
    than the kernel, bfloat16 and float32 agree. Small grids take little time in float32.

    Weights, their names, and computation on GPUs or in float32 are unchanged.
    """
    for module in net.modules():
        if type(module) is nn.Conv3d and max(module.kernel_size) > 1:
            module.__class__ = GuardedConv3d
        elif type(module) is nn.ConvTranspose3d and max(module.kernel_size) > 1:
            module.__class__ = GuardedConvTranspose3d
    return net


class GuardedConv3d(nn.Conv3d):
    """A convolution that computes small grids in float32."""

    def forward(self, feature: Feature) -> Feature:
        """Convolve as the parent class does, with the same type of result."""
        if (wanted := needs_float32(self, feature)) is None:
            return super().forward(feature)
        with torch.autocast("cpu", enabled=False):
            made = self._conv_forward(feature.float(), self.weight.float(), _float(self.bias))
        return made.to(wanted)


class GuardedConvTranspose3d(nn.ConvTranspose3d):
    """A transposed convolution that computes small grids in float32."""

    def forward(self, feature: Feature) -> Feature:
        """Convolve as the parent class does, with the same type of result."""
        if (wanted := needs_float32(self, feature)) is None:
            return super().forward(feature)
        with torch.autocast("cpu", enabled=False):
            made = F.conv_transpose3d(
                feature.float(),
                self.weight.float(),
                _float(self.bias),
                stride=self.stride,
                padding=self.padding,
                output_padding=self.output_padding,
                groups=self.groups,
                dilation=self.dilation,
            )
        return made.to(wanted)


def needs_float32(conv: nn.Conv3d | nn.ConvTranspose3d, feature: Feature) -> torch.dtype | None:
    """The 16-bit type of this computation, if its result cannot be trusted; else None.

    That is on a CPU, in bfloat16 or float16, if a side of the grid is smaller than the kernel. The
    result is then converted to this type.
    """
    if feature.device.type != "cpu":
        return None
    is_mixed = torch.is_autocast_enabled("cpu")
    kind = torch.get_autocast_dtype("cpu") if is_mixed else feature.dtype
    sides = zip(feature.shape[2:], conv.kernel_size, strict=True)
    is_small = any(side < kernel for side, kernel in sides)
    return kind if is_small and kind in (torch.bfloat16, torch.float16) else None


def _float(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.float()
