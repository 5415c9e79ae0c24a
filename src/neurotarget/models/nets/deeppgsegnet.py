"""deepPGSegNet's network: a 3D U-Net with group norm, convolution, ReLU in this order."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.nets.unet import steps_between
from neurotarget.models.planning import total_stride
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Logits


class DeepPGSegNet(Backbone):
    """Four-level U-Net with max pooling and nearest-neighbour upsampling.

    The published net has one logit for a sigmoid: that is `DeepPGSegNet(1, 1)`, with 16,318,691
    parameters. Here there is a logit for each label and for background, for a softmax. The
    published net reads one region of 32³ voxels of 1 mm around the pituitary gland.

    Source: Choi et al. 2024, doi:10.3389/fendo.2024.1338743; layers as in the authors' later
    deepPGSegNet-pediatric.

    Args:
        widths: channels of each level, finest first.

    Raises:
        ValueError: there are fewer than two widths.
    """

    def __init__(
        self, in_channels: int, num_labels: int, *, widths: Sequence[int] = (64, 128, 256, 512)
    ) -> None:
        super().__init__()
        self.stride = total_stride(steps_between(None, len(widths), net="DeepPGSegNet"))
        coarsest = {widths[-2], max(widths[-2], widths[-1] // 2)}
        self.needs_spread = 8 in coarsest  # groups of a single channel, for tiny widths only
        self.downs = nn.ModuleList(
            nn.Sequential(
                *_conv(before, max(before, width // 2)), *_conv(max(before, width // 2), width)
            )
            for before, width in pairwise([in_channels, *widths])
        )
        self.ups = nn.ModuleList(
            nn.Sequential(*_conv(below + width, width), *_conv(width, width))
            for below, width in pairwise(reversed(widths))
        )
        self.head = nn.Conv3d(widths[0], num_labels, 1)
        guard_small_grids(self)

    def score(self, image: Image) -> Logits:
        """Score every voxel."""
        feature, skips = self.downs[0](image), []
        for down in self.downs[1:]:
            skips.append(feature)
            feature = down(F.max_pool3d(feature, 2))
        for up in self.ups:  # coarsest first
            skip = skips.pop()
            finer = F.interpolate(feature, size=skip.shape[2:], mode="nearest")
            feature = up(torch.cat([skip, finer], dim=1))
        return self.head(feature)


def _conv(in_channels: int, width: int) -> list[nn.Module]:
    groups = 1 if in_channels % 8 else 8
    conv = nn.Conv3d(in_channels, width, 3, padding=1, bias=False)
    return [nn.GroupNorm(groups, in_channels), conv, nn.ReLU()]
