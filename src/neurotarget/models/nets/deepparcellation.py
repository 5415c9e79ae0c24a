"""deepParcellation's network: inception blocks, dilated convolutions and attention gates."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.nets.unet import steps_between
from neurotarget.models.planning import total_stride
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Feature, Image, Logits

# standard deviation of a normal distribution truncated at two standard deviations
CUT_STD = 0.87962566


class DeepParcellation(Backbone):
    """Attention U-Net of inception blocks with strided convolutions instead of pooling.

    The publication has 113 such nets, one per region, each with one logit for a sigmoid: that is
    `DeepParcellation(1, 1)`, with 1,453,139 values including the statistics of batch norms. Here a
    single net has a logit for each label and for background, for a softmax. The published net reads
    whole volumes of 256³ voxels of 1 mm. Its strided convolutions pad one voxel more at the end;
    here padding is symmetric. All layers here are initialised by He's method; which layers used
    Glorot's is not published.

    Source: Lim et al. 2022, doi:10.3389/fnagi.2022.1027857.

    Args:
        widths: channels of each level, finest first; the resolution halves from level to level.

    Raises:
        ValueError: there are fewer than two widths.
    """

    def __init__(
        self, in_channels: int, num_labels: int, *, widths: Sequence[int] = (8, 16, 32, 64)
    ) -> None:
        super().__init__()
        self.stride = total_stride(steps_between(None, len(widths), net="DeepParcellation"))
        steps = [1] + [2] * (len(widths) - 1)
        ends = pairwise([in_channels, *widths])
        self.downs = nn.ModuleList(
            Inception(*end, step=step) for end, step in zip(ends, steps, strict=True)
        )
        # input from below: the coarsest level, then each level joined with its skip
        below = [widths[-1], *(2 * width for width in widths[-2:0:-1])]
        skips = widths[-2::-1]  # coarsest first; the finest has no gate
        self.ups = nn.ModuleList(_up(*end) for end in zip(below, skips, strict=True))
        inner = widths[:1:-1]
        gated = zip(skips[:-1], below[:-1], inner, strict=True)
        self.gates = nn.ModuleList(Gate(*channels) for channels in gated)
        self.head = nn.Conv3d(2 * widths[0], num_labels, 1)
        self.apply(_initialise)
        guard_small_grids(self)

    def score(self, image: Image) -> Logits:
        """Score every voxel."""
        skips, feature = [], image
        for down in self.downs:
            feature = down(feature)
            skips.append(feature)
        feature = skips.pop()
        for level, up in enumerate(self.ups):  # coarsest first
            skip = skips.pop()
            if level < len(self.gates):
                skip = self.gates[level](skip, feature)
            feature = torch.cat([up(feature), skip], dim=1)
        return self.head(feature)


class Inception(nn.Module):
    """A convolution of 5³, two branches, one of them dilated, and a shortcut."""

    def __init__(self, in_channels: int, width: int, *, step: int) -> None:
        super().__init__()
        self.first = _conv(in_channels, width, 5, step=step)
        self.deep = nn.Sequential(_conv(width, width, 3), _conv(width, width, 3))
        self.wide = _conv(width, width, 3, dilation=2)
        self.join = _conv(2 * width, width, 1)
        self.shortcut = _conv(in_channels, width, 1, step=step)

    def forward(self, feature: Feature) -> Feature:
        """Map channels to `width`, on a grid that is `step` times coarser."""
        first = self.first(feature)
        joined = self.join(torch.cat([self.deep(first), self.wide(first)], dim=1))
        return joined + self.shortcut(feature)


class Gate(nn.Module):
    """Weights the voxels of a skip, in [0, 1], by features of the next coarser level."""

    def __init__(self, skip_channels: int, below_channels: int, inner: int) -> None:
        super().__init__()
        self.below = nn.Conv3d(below_channels, inner, 1)
        self.skip = nn.Conv3d(skip_channels, inner, 3, stride=2, padding=1)
        self.weigh = nn.Conv3d(inner, 1, 1)
        self.mix = nn.Conv3d(skip_channels, skip_channels, 1)
        self.norm = nn.BatchNorm3d(skip_channels, eps=1e-3, momentum=0.01)  # Keras calls it 0.99

    def forward(self, skip: Feature, below: Feature) -> Feature:
        """Return the weighted skip; `below` has a grid of half its sides."""
        weight = torch.sigmoid(self.weigh(torch.relu(self.below(below) + self.skip(skip))))
        weight = F.interpolate(weight, scale_factor=2.0, mode="nearest")
        return self.norm(self.mix(skip * weight))


def _conv(
    in_channels: int, width: int, kernel: int, *, step: int = 1, dilation: int = 1
) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    conv = nn.Conv3d(in_channels, width, kernel, step, padding, dilation)
    return nn.Sequential(conv, nn.LeakyReLU(0.1))


def _up(in_channels: int, width: int) -> nn.Sequential:
    finer = nn.ConvTranspose3d(in_channels, width, 5, stride=2, padding=2, output_padding=1)
    return nn.Sequential(finer, nn.LeakyReLU(0.1), *_conv(width, width, 5))


def _initialise(module: nn.Module) -> None:
    """Initialise with He's truncated normal weights and biases of 0.

    Source: He et al. 2015, doi:10.1109/ICCV.2015.123.
    """
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        std = (2 / module.weight[0].numel()) ** 0.5 / CUT_STD
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        nn.init.zeros_(module.bias)
