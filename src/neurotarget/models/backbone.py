"""What every network declares, so that any of them can serve any target."""

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from neurotarget.shapes import Image, Logits
from neurotarget.types import TripleVox


class Backbone(nn.Module):
    """A network of (B, C, I, J, K) to (B, L, I, J, K), or to a list of levels in training.

    A subclass is built as `Net(in_channels, num_labels, *, …)`; one whose weights depend on the
    size of its input takes `patch_vox` too. It sets `stride` where sides must be multiples of
    something, `needs_spread` where its norm needs more than one voxel in the coarsest grid,
    `margin_vox` where it does not pad and loses that many voxels at each face, and
    `deep_supervision` where it returns coarser levels in training.
    """

    stride: TripleVox = (1, 1, 1)
    needs_spread: bool = False
    margin_vox: int = 0
    deep_supervision: bool = False
    pretrained_with: ClassVar[str] = ""  # whose weights fit it, such as MONAI's SegResNet

    def nearest(self, sides: Sequence[int]) -> TripleVox:
        """Smallest valid sides that hold a grid of these sides."""
        return self._sides([-(-side // step) for side, step in self._pairs(sides)])

    def below(self, sides: Sequence[int]) -> TripleVox:
        """Largest valid sides that fit into these, or the smallest valid ones."""
        return self._sides([max(side // step, 1) for side, step in self._pairs(sides)])

    def check(self, image: Image) -> None:
        """Refuse sides that do not fit.

        Raises:
            ValueError: they are not `nearest` to themselves; the sentence has valid ones.
        """
        sides = tuple(image.shape[2:])
        if (valid := self.nearest(sides)) != sides:
            lower = self.below(sides)
            others = "" if lower == valid else f" or {_times(lower)}"
            raise ValueError(
                f"{type(self).__name__}: got sides {_times(sides)}, wanted {self.rule()}; the "
                f"nearest are {_times(valid)}{others}"
            )

    def rule(self) -> str:
        """Which sides are valid, in words."""
        more = " (more than one)" if self.needs_spread else ""
        return f"multiples of {_times(self.stride)}{more}"

    def _pairs(self, sides: Sequence[int]) -> zip:
        return zip(sides, self.stride, strict=True)

    def _sides(self, counts: Sequence[int]) -> TripleVox:
        """Sides of so many strides; one alone becomes two where the norm needs it."""
        if self.needs_spread and max(counts) == 1:
            counts = [2] * 3
        return tuple(count * step for count, step in zip(counts, self.stride, strict=True))


class Wrapped(Backbone):
    """A network whose every score comes from `net`, mostly a library's under its own names."""

    net: nn.Module

    def forward(self, image: Image) -> Logits:
        """Score every voxel.

        Raises:
            ValueError: the sides do not fit; see `rule`.
        """
        self.check(image)
        return self.net(image)


def _times(sides: Sequence[int]) -> str:
    return "×".join(str(side) for side in sides)
