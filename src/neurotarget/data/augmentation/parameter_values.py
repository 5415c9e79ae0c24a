"""Parameters of transforms, computed from uniform random numbers.

Each function takes the numbers of the patches to which its transform is applied, one row per patch
with values in [0, 1), and returns parameters in the ranges that the transform was given.
"""

import math
from collections.abc import Sequence

import numpy as np
import torchio as tio
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.data.augmentation.shading import Gamma
from neurotarget.data.augmentation.warp import Affine, rotations
from neurotarget.types import TripleVox

JITTER = 0.3  # of the interval between movements, as in TorchIO


def affine_of(
    affine: Affine, values: Float[ndarray, "n 9"], sides: TripleVox
) -> tuple[Float[ndarray, "n 3 3"], Float[ndarray, "n 3"]]:
    """Compute maps from output to input positions from numbers in [0, 1); see `Affine`."""
    scale, angles, shift = affine_values(affine, values, sides)
    return rotations(angles) / scale[:, None, :], shift


def affine_values(affine: Affine, values: ndarray, sides: TripleVox) -> tuple[ndarray, ...]:
    """Compute scale factors (n, 3 or 1), rotations (n, 3) in radians and shifts (n, 3) in mm.

    An image with a side of 1 is rotated only in its own plane.
    """
    low, high = (math.log(factor) for factor in affine.scale)
    scale = np.exp(low + (high - low) * values[:, : 1 if affine.isotropic else 3])
    angles = np.deg2rad((2 * values[:, 3:6] - 1) * np.asarray(affine.degrees))
    if 1 in sides:
        angles = np.where([side == 1 for side in sides], angles, 0.0)
    shift = (2 * values[:, 6:] - 1) * np.asarray(affine.translate_mm, dtype=np.float32)
    return scale, angles, shift


def motion_of(
    motion: tio.RandomMotion, values: ndarray, sides: TripleVox
) -> tuple[ndarray, ndarray, ndarray]:
    """Compute rotations in degrees and shifts in voxels (n, moves, 3), and times (n, moves)."""
    moves = motion.num_transforms
    degrees, shift, late = np.split(values, [3 * moves, 6 * moves], axis=1)
    degrees = between(degrees.reshape(-1, moves, 3), motion.degrees_range)
    shift = between(shift.reshape(-1, moves, 3), motion.translation_range)
    if sides[2] == 1:  # within the slice
        degrees[..., :2], shift[..., 2] = 0, 0
    gap = 1 / (moves + 1)
    return degrees, shift, np.arange(1, moves + 1) * gap + (late * 2 - 1) * JITTER * gap


def ghosting_of(
    ghosts: tio.RandomGhosting, values: ndarray, sides: TripleVox
) -> tuple[ndarray, ndarray, ndarray, ndarray | None]:
    """Compute each patch's axis, number and strength of ghosts, and its restored share."""
    low, high = (int(bound) for bound in ghosts.num_ghosts_range)
    count = low + (values[:, 0] * (high + 1 - low)).astype(int)
    axis = one_of([axis for axis in ghosts.axes if sides[2] > 1 or axis != 2], values[:, 1])
    restored = None if ghosts.restore is None else between(values[:, 3], ghosts.restore)
    return axis, count, between(values[:, 2], ghosts.intensity_range), restored


def low_resolution_of(part: tio.RandomAnisotropy, values: ndarray) -> tuple[ndarray, ndarray]:
    """Compute the axis and the factor by which voxels of each patch become longer."""
    return one_of(part.axes, values[:, 0]), between(values[:, 1], part.downsampling_range)


def blur_of(blur: tio.RandomBlur, values: ndarray) -> list[ndarray]:
    """Compute the SD of the blur of each patch along each axis, in voxels."""
    bounds = [blur.std_ranges[2 * axis : 2 * axis + 2] for axis in range(3)]
    return [between(values[:, axis], ends) for axis, ends in enumerate(bounds)]


def noise_of(noise: tio.RandomNoise, values: ndarray) -> tuple[ndarray, ndarray]:
    """Compute the mean and SD of each patch's noise, in the unit of the prepared image."""
    return between(values[:, 0], noise.mean_range), between(values[:, 1], noise.std_range)


def gamma_of(gamma: Gamma, values: ndarray) -> tuple[ndarray, ndarray]:
    """Compute exponents (n, C) and signs: −1 where the scale starts at the brightest voxel."""
    beta, direction = np.split(values, 2, axis=1)
    sign = np.where(direction < 0.5, np.float32(1), np.float32(-1))
    return np.exp((2 * beta - 1) * np.float32(gamma.log_gamma)), sign


def between(values: ndarray, bounds: Sequence[float]) -> ndarray:
    """Scale numbers in [0, 1) to the range between two bounds."""
    low, high = (np.float32(bound) for bound in bounds)
    return low + (high - low) * values


def one_of(axes: Sequence[int], values: Float[ndarray, " n"]) -> Integer[ndarray, " n"]:
    """Select one of the axes for each number in [0, 1)."""
    return np.array(axes)[(values * len(axes)).astype(int)]
