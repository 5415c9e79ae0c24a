"""Blocks of the residual U-Net, which are those of MONAI without the time it takes to load MONAI.

Layers have the names that they have in MONAI, and begin with the same random weights.
"""

import math
from collections.abc import Callable

from torch import nn

from neurotarget.shapes import Feature
from neurotarget.types import TripleVox

Norm = Callable[[int], nn.Module]  # makes the norm of a number of channels


class Convolution(nn.Sequential):
    """A convolution, or a transposed one, followed by norm, dropout and PReLU."""

    def __init__(
        self,
        before: int,
        width: int,
        *,
        kernel: TripleVox,
        norm: Norm,
        step: TripleVox = (1, 1, 1),
        dropout: float = 0.0,
        is_transposed: bool = False,
        is_bare: bool = False,
    ) -> None:
        """Make a block from `before` to `width` channels; a bare one is the convolution alone."""
        super().__init__()
        padding = tuple(side // 2 for side in kernel)
        if is_transposed:
            more = tuple(side - 1 for side in step)
            self.conv = nn.ConvTranspose3d(before, width, kernel, step, padding, more)
        else:
            self.conv = nn.Conv3d(before, width, kernel, step, padding)
        if is_bare:
            return
        self.adn = nn.Sequential()
        self.adn.add_module("N", norm(width))
        if dropout:
            self.adn.add_module("D", nn.Dropout(dropout))
        self.adn.add_module("A", nn.PReLU())


class ResidualUnit(nn.Module):
    """Convolutions one after the other, whose output is added to their input.

    Where the output has another number of channels or another grid than the input, a convolution
    converts the input before the addition.
    """

    def __init__(
        self,
        before: int,
        width: int,
        *,
        kernel: TripleVox,
        step: TripleVox = (1, 1, 1),
        count: int = 2,
        is_last_bare: bool = False,
        **settings: object,
    ) -> None:
        """Make a unit of `count` convolutions, the first of which takes the `step`.

        `settings` are norm and dropout of each, see `Convolution`.
        """
        super().__init__()
        self.conv = nn.Sequential()
        for number in range(count):
            is_bare = is_last_bare and number == count - 1
            first = {"step": step} if number == 0 else {}
            channels = (width if number else before, width)
            unit = Convolution(*channels, kernel=kernel, is_bare=is_bare, **first, **settings)
            self.conv.add_module(f"unit{number}", unit)
        if math.prod(step) > 1:
            padding = tuple(side // 2 for side in kernel)
            self.residual = nn.Conv3d(before, width, kernel, step, padding)
        else:
            self.residual = nn.Identity() if before == width else nn.Conv3d(before, width, 1)

    def forward(self, feature: Feature) -> Feature:
        """Add the convolutions of a feature to it."""
        return self.conv(feature) + self.residual(feature)
