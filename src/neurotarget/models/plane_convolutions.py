"""Compute 3D convolutions of pictures in two dimensions, which takes an eighth of the time.

On a processor, a 3D convolution of 256×256×1 voxels with a kernel of 3×3×1 takes 0.22 s and the
same in 2D 0.03 s. Where the third side is 1, only the middle of a kernel meets voxels that are not
padding, so the results are equal.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from neurotarget.models.laid_out_layers import thinned
from neurotarget.models.small_grids import GuardedConv3d, GuardedConvTranspose3d, needs_float32
from neurotarget.shapes import Feature


def compute_in_plane(net: nn.Module) -> nn.Module:
    """Make a net compute its convolutions of single slices in 2D, and return the net.

    Weights and their names are unchanged, as are convolutions of grids of several slices.
    """
    for module in net.modules():
        if type(module) in (nn.Conv3d, GuardedConv3d):
            module.__class__ = PlaneConv3d
        elif type(module) in (nn.ConvTranspose3d, GuardedConvTranspose3d):
            module.__class__ = PlaneConvTranspose3d
    return net


class PlaneConv3d(GuardedConv3d):
    """A convolution that computes a single slice in 2D."""

    def forward(self, feature: Feature) -> Feature:
        """Convolve as the parent class does, apart from rounding.

        A feature of several slices, or one that needs float32, is left to the parent class.
        """
        if not _keeps_one_slice(self, feature) or needs_float32(self, feature):
            return super().forward(feature)
        kernel, padding = self.kernel_size[:2], tuple(self.padding[:2])
        thin, stride = thinned(feature[..., 0], kernel, self.stride[:2], padding)
        made = F.conv2d(
            thin,
            _middle(self.weight),
            self.bias,
            stride=stride,
            padding=self.padding[:2],
            dilation=self.dilation[:2],
            groups=self.groups,
        )
        return made[..., None]


class PlaneConvTranspose3d(GuardedConvTranspose3d):
    """A transposed convolution that computes a single slice in 2D."""

    def forward(self, feature: Feature) -> Feature:
        """Convolve as the parent class does, apart from rounding."""
        if not _keeps_one_slice(self, feature) or needs_float32(self, feature):
            return super().forward(feature)
        made = F.conv_transpose2d(
            feature[..., 0],
            _middle(self.weight),
            self.bias,
            stride=self.stride[:2],
            padding=self.padding[:2],
            output_padding=self.output_padding[:2],
            groups=self.groups,
            dilation=self.dilation[:2],
        )
        return made[..., None]


def _keeps_one_slice(conv: nn.Conv3d | nn.ConvTranspose3d, feature: Feature) -> bool:
    """Return whether input and output have a single slice, the same one."""
    if feature.shape[-1] != 1 or not isinstance(conv.padding, Sequence):
        return False
    is_even = 2 * conv.padding[2] == conv.dilation[2] * (conv.kernel_size[2] - 1)
    return is_even and conv.stride[2] == 1 and conv.padding_mode == "zeros"


def _middle(weight: Tensor) -> Tensor:
    return weight[..., weight.shape[-1] // 2]
