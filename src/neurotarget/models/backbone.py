"""The base class of all networks, with the rules for valid input sizes."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from neurotarget.shapes import Feature, Image, Inner, Levels, Logits, Outputs, times
from neurotarget.types import TripleVox


class Backbone(nn.Module):
    """A network from (B, C, I, J, K) to (B, L, I, J, K), or to a list of levels in training.

    Subclasses are built as `Net(in_channels, num_labels, *, …)`, the numbers of contrasts and of
    classes with background, with `patch_vox` where weights depend on the input size. They
    implement `score`, and set `stride` if sides must be multiples of it, `needs_spread` if their
    norm needs more than one voxel in the coarsest grid, `margin_vox` for the voxels lost at each
    face without padding, and `deep_supervision` if they return coarser levels in training.
    """

    stride: TripleVox = (1, 1, 1)
    needs_spread: bool = False
    margin_vox: int = 0
    deep_supervision: bool = False
    pretrained_with: ClassVar[str] = ""  # origin of compatible weights, such as MONAI's SegResNet

    def forward(self, image: Image) -> Inner | Levels | Outputs:
        """Score every voxel; with deep supervision in training, also coarser grids, finest first.

        Raises:
            ValueError: the sides are invalid; see `rule`.
        """
        self.check(image)
        return self.score(image)

    def score(self, image: Image) -> Logits | Levels | Outputs:
        """Score an image of valid sides; each network defines it.

        (B, C, I, J, K) to (B, L, I, J, K), in training with deep supervision to a list of such,
        finest first; in `VectorBackbone` to (B, outputs).
        """
        raise NotImplementedError

    def with_coarse(
        self, logits: Logits, levels: Sequence[Feature], heads: nn.ModuleList
    ) -> Logits | Levels:
        """Return the scores; in training with deep supervision also those of coarser levels.

        Args:
            logits: scores of the finest level.
            levels: features of the decoder's levels, coarsest first.
            heads: one per coarser level to be scored, in the order of `levels`; none without deep
                supervision.

        Returns:
            The logits alone, or a list with the finest first.
        """
        if not (self.training and len(heads)):
            return logits
        coarse = [head(level) for head, level in zip(heads, levels[:-1], strict=True)]
        return [logits, *reversed(coarse)]

    def nearest(self, sides: Sequence[int]) -> TripleVox:
        """Return the smallest valid sides that are at least these, in voxels."""
        return self._sides([-(-side // step) for side, step in self._pairs(sides)])

    def below(self, sides: Sequence[int]) -> TripleVox:
        """Return the largest valid sides that are at most these, or the smallest valid ones."""
        return self._sides([max(side // step, 1) for side, step in self._pairs(sides)])

    def check(self, image: Image) -> None:
        """Refuse an image with invalid sides.

        Raises:
            ValueError: the sides are invalid; the message names valid ones.
        """
        sides = tuple(image.shape[2:])
        if (valid := self.nearest(sides)) != sides:
            lower = self.below(sides)
            others = "" if lower == valid else f" or {times(lower)}"
            raise ValueError(
                f"{type(self).__name__}: got sides {times(sides)}, wanted {self.rule()}; the "
                f"nearest are {times(valid)}{others}"
            )

    def rule(self) -> str:
        """Text on valid sides, for messages: `multiples of 16 × 16 × 16`."""
        more = " (more than one)" if self.needs_spread else ""
        return f"multiples of {times(self.stride)}{more}"

    def _pairs(self, sides: Sequence[int]) -> zip:
        return zip(sides, self.stride, strict=True)

    def _sides(self, counts: Sequence[int]) -> TripleVox:
        """Sides for these counts of strides; one voxel in all becomes two if the norm needs it."""
        if self.needs_spread and max(counts) == 1:
            counts = [2] * 3
        return tuple(count * step for count, step in zip(counts, self.stride, strict=True))


class Wrapped(Backbone):
    """A network that returns the scores of `net`, mostly one of a library."""

    net: nn.Module

    def score(self, image: Image) -> Inner:
        """Score every voxel, less a margin of `margin_vox`."""
        return self.net(image)


class VectorBackbone(Backbone):
    """A network from (B, C, I, J, K) to (B, outputs), for outcomes of whole images.

    Subclasses are built as `Net(in_channels, num_outputs, *, …)` and set `net`. An output that is a
    number in a unit is `centre + spread * net(image)`: training sets both from its cases. A network
    whose convolutions may stay `frozen` also has `encode`, of images to features (B, F), and
    `decide`, of features to outputs; training then computes the features of each case once.
    """

    net: nn.Module
    frozen: bool = False

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(num_outputs))
        self.register_buffer("spread", torch.ones(num_outputs))

    def rescale(self, centre: Tensor, spread: Tensor) -> None:
        """Set mean and SD of the outputs over the training cases; 0 and 1 for logits.

        Both are (outputs,). The network then learns numbers of mean 0 and SD 1 in any unit.
        """
        self.centre.copy_(centre)
        self.spread.copy_(spread)

    def score(self, image: Image) -> Outputs:
        """Score whole images, in float32."""
        return self.in_unit(self.raw(image))

    def in_unit(self, raw: Outputs) -> Outputs:
        """Bring outputs to their unit by `spread` and `centre`, in float32."""
        return raw.float() * self.spread + self.centre

    def raw(self, image: Image) -> Outputs:
        """Outputs before `spread` and `centre` are applied, (B, outputs)."""
        return self.net(image)
