"""Plan of the augmentation of a batch of patches, as plain tensors.

`Augmenter` makes a plan; `batch_transforms.augmented` applies the plan, on any device.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

Rows = Int[Tensor, " n"]  # places in the batch to which a transform is applied


class Warped(NamedTuple):
    """Maps from positions in a patch to positions in its region, in voxels about the centre.

    Attributes:
        rows: patches of the batch that are warped.
        matrix, shift: a position p about the centre of the patch is read at matrix @ p + shift
            about the centre of the region.
        bent: places within `rows` with elastic deformation; None if there are none.
        steps: displacements of the control points of the patches in `bent`, in voxels.
    """

    rows: Rows
    matrix: Float[Tensor, "n 3 3"]
    shift: Float[Tensor, "n 3"]
    bent: Rows | None
    steps: Float[Tensor, "m 3 points points points"] | None


class Gains(NamedTuple):
    """Coefficients of the polynomials of bias fields, per contrast and power along I, J and K.

    Attributes:
        rows: patches of the batch that are shaded.
        coefficients: of the logarithm of the field; the last three axes are the powers, from 0, of
            the position along I, J and K.
    """

    rows: Rows
    coefficients: Float[Tensor, "n C powers powers powers"]


class Moved(NamedTuple):
    """A scan in which the head moved: positions, and the lines of k-space taken in each.

    Attributes:
        rows: patches of the batch with a movement.
        matrix, shift: a voxel p, from the first one, is read at matrix @ p + shift, in voxels.
        maps: real parts of maps along K, each of which keeps the lines of k-space that are taken in
            one position; the head's own position comes first.
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
    """Mean and SD of noise, and the seeds of its fields.

    Attributes:
        rows: patches of the batch that get noise.
        mean, sd: in the unit of the prepared image.
        seeds: one per patch, for a generator on the device of the batch.
    """

    rows: Rows
    mean: Float[Tensor, " n"]
    sd: Float[Tensor, " n"]
    seeds: tuple[int, ...]


class Powers(NamedTuple):
    """Exponents of the grey scale, counted from the darkest (1) or the brightest voxel (−1).

    Attributes:
        rows: patches of the batch whose contrast changes.
        gamma: above 0; 1 changes nothing.
        sign: 1 or −1, as above.
    """

    rows: Rows
    gamma: Float[Tensor, "n C"]
    sign: Float[Tensor, "n C"]


class Scaled(NamedTuple):
    """Factors and constants of the grey scale.

    Attributes:
        rows: patches of the batch that are rescaled.
        factor: above 0; 1 changes nothing.
        shift: in the unit of the prepared image.
    """

    rows: Rows
    factor: Float[Tensor, "n C"]
    shift: Float[Tensor, "n C"]


class Dropped(NamedTuple):
    """Channels of the image that are set to 0.

    Attributes:
        rows: patches of the batch that lose a channel.
        channels: True for those that are set to 0.
    """

    rows: Rows
    channels: Bool[Tensor, "n C"]


class Plan(NamedTuple):
    """Transforms of the patches of a batch; None for a transform that no patch gets."""

    warp: Warped | None  # mirrors its patches too
    mirror: list[list[bool]]  # per patch and axis; applied where voxels are cut
    swapped: Rows | None  # patches whose paired classes are exchanged
    bias: Gains | None
    motion: Moved | None
    ghosts: Mixed | None
    mixed: Mixed | None
    noise: Grains | None
    gamma: Powers | None
    scaled: Scaled | None
    dropped: Dropped | None
    own: tuple[tuple[int, int, int], ...]  # number of the transform, row, seed
