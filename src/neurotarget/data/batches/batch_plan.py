"""What an augmentation does to the patches of a batch, as plain tensors.

`Augmenter` draws a plan; `batch_transforms.augmented` applies it, on any device.
"""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

Rows = Int[Tensor, " n"]  # places in the batch for which a transform happens


class Warped(NamedTuple):
    """Maps from positions in a patch to positions in its region, in voxels about the centre."""

    rows: Rows
    matrix: Float[Tensor, "n 3 3"]
    shift: Float[Tensor, "n 3"]
    bent: Rows | None  # places within `rows` that are elastic
    steps: Float[Tensor, "m 3 points points points"] | None  # of their control points, in voxels


class Gains(NamedTuple):
    """Coefficients of the polynomials of bias fields, per contrast and power along I, J and K."""

    rows: Rows
    coefficients: Float[Tensor, "n C powers powers powers"]


class Moved(NamedTuple):
    """A scan in which the head moved: positions, and the lines of k-space taken in each.

    `maps` are the real parts of the maps along K that keep the lines of the head's own position,
    which comes first, and of each other one.
    """

    rows: Rows
    matrix: Float[Tensor, "n moves 3 3"]
    shift: Float[Tensor, "n moves 3"]
    maps: Float[Tensor, "n moves+1 K K"]


class Mixed(NamedTuple):
    """Linear maps along each axis: ghosts, or low resolution and then blur."""

    rows: Rows
    along: tuple[Tensor, Tensor, Tensor]  # (n, side, side) each


class Grains(NamedTuple):
    """Mean and SD of noise, and the seeds of its fields."""

    rows: Rows
    mean: Float[Tensor, " n"]
    sd: Float[Tensor, " n"]
    seeds: tuple[int, ...]


class Powers(NamedTuple):
    """Exponents of the grey scale, and whether it is inverted before."""

    rows: Rows
    gamma: Float[Tensor, "n C"]
    is_inverted: Float[Tensor, "n C"]  # 1 or 0


class Plan(NamedTuple):
    """What happens to the patches of a batch; None is a transform that happens to none."""

    warp: Warped | None = None
    mirror: tuple[Rows | None, ...] = ()  # per axis
    bias: Gains | None = None
    motion: Moved | None = None
    ghosts: Mixed | None = None
    mixed: Mixed | None = None
    noise: Grains | None = None
    gamma: Powers | None = None
    own: tuple[tuple[int, int, int], ...] = ()  # number of the transform, row, seed
