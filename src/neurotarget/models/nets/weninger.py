"""The two U-Nets of Weninger's entry to BraTS 2018: a locator, and an unpadded segmenter.

Both have one logit per class, as published. Biases of convolutions before an instance norm have no
effect, as the norm removes them, but the published numbers of parameters include them.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from neurotarget.models.backbone import Wrapped
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Feature, Image
from neurotarget.types import TripleVox

LEVELS = 4


class WeningerLocator(Wrapped):
    """U-Net that locates the tumour in a whole brain.

    The published net has five contrasts (T1, T1 with contrast agent, their difference, T2, FLAIR)
    and two classes, trained with the cross-entropy of each class's sigmoid: 2,042,162 parameters.

    Source: Weninger et al. 2019, doi:10.1007/978-3-030-11726-9_1.
    """

    stride: TripleVox = (8, 8, 8)
    needs_spread = True

    def __init__(self, in_channels: int, num_labels: int, *, width: int = 16) -> None:
        """Build the net; `width` is its channels at full resolution, doubled at each step."""
        super().__init__()
        self.net = FourLevels(in_channels, num_labels, width=width, padding=1, halves_when_up=False)


class WeningerSegmenter(Wrapped):
    """U-Net without padding that segments the parts of a tumour.

    It scores only the inner voxels of a patch, without 44 at each face (36³ of the published 124³),
    so that every score uses real surroundings. The published net has five contrasts and four
    classes: 6,420,420 parameters.

    Source: Weninger et al. 2019, doi:10.1007/978-3-030-11726-9_1.
    """

    stride: TripleVox = (8, 8, 8)  # step between valid sides, the least of which is `smallest`
    margin_vox = 44
    smallest_vox = 92

    def __init__(self, in_channels: int, num_labels: int, *, width: int = 32) -> None:
        """Build the net; `width` is its channels at full resolution, doubled at each step."""
        super().__init__()
        self.net = FourLevels(in_channels, num_labels, width=width, padding=0, halves_when_up=True)

    def rule(self) -> str:
        """Text on valid sides."""
        return "sides of 92, 100, 108, … 124, …, as it does not pad and loses 44 at each face"

    def nearest(self, sides: Sequence[int]) -> TripleVox:
        """Return the smallest valid sides that are at least these."""
        return tuple(self._valid(-((self.smallest_vox - side) // 8)) for side in sides)

    def below(self, sides: Sequence[int]) -> TripleVox:
        """Return the largest valid sides that are at most these, or the smallest valid ones."""
        return tuple(self._valid((side - self.smallest_vox) // 8) for side in sides)

    def _valid(self, steps: int) -> int:
        return self.smallest_vox + 8 * max(steps, 0)


class FourLevels(nn.Module):
    """Four levels of two convolutions, joined by max pooling and transposed convolutions.

    Args:
        width: channels of the finest level.
        padding: voxels added at each face before a convolution of 3³; 0 for none.
        halves_when_up: whether an upsampling halves the channels, or else the block after it.
    """

    def __init__(
        self, in_channels: int, num_labels: int, *, width: int, padding: int, halves_when_up: bool
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        ends = pairwise([in_channels, *widths])
        self.downs = nn.ModuleList(_block(*end, padding) for end in ends)
        self.ups, self.blocks = nn.ModuleList(), nn.ModuleList()
        for below, finer in pairwise(reversed(widths)):
            middle = finer if halves_when_up else below
            self.ups.append(_up(below, middle))
            self.blocks.append(_block(middle + finer, finer, padding))
        self.head = nn.Conv3d(width, num_labels, 1)
        guard_small_grids(self)

    def forward(self, image: Image) -> Float[Tensor, "B L _ _ _"]:
        """Score the voxels that remain without padding."""
        feature, skips = self.downs[0](image), []
        for down in self.downs[1:]:
            skips.append(feature)
            feature = down(F.max_pool3d(feature, 2))
        for up, block in zip(self.ups, self.blocks, strict=True):  # coarsest first
            feature = up(feature)
            skip = _inner(skips.pop(), feature.shape[2:])
            feature = block(torch.cat([feature, skip], dim=1))
        return self.head(feature)


def _inner(feature: Feature, sides: Sequence[int]) -> Feature:
    """Centre of a grid: without padding, a skip is larger than the input from below."""
    lost = [(side - kept) // 2 for side, kept in zip(feature.shape[2:], sides, strict=True)]
    return feature[(..., *(slice(a, a + kept) for a, kept in zip(lost, sides, strict=True)))]


def _block(in_channels: int, width: int, padding: int) -> nn.Sequential:
    first = nn.Conv3d(in_channels, width, 3, padding=padding)
    second = nn.Conv3d(width, width, 3, padding=padding)
    return nn.Sequential(*_normed(first), *_normed(second))


def _up(in_channels: int, width: int) -> nn.Sequential:
    finer = nn.ConvTranspose3d(in_channels, width, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(*_normed(finer))


def _normed(conv: nn.Conv3d | nn.ConvTranspose3d) -> list[nn.Module]:
    return [conv, nn.InstanceNorm3d(conv.out_channels), nn.ReLU(inplace=True)]
