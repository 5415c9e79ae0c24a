"""Painting of solids on a 1 mm grid in MNI152 space; face and neck consist of such solids."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage

from neurotarget.types import Triple

ORIGIN_MM = np.array([-98.0, -134.0, -152.0])  # MNI152 coordinates of the first voxel
SHAPE = (197, 258, 270)


class Tissue(IntEnum):
    """Materials of a head."""

    AIR = 0
    BONE = 1
    CSF = 2
    GREY = 3
    WHITE = 4
    FAT = 5
    MARROW = 6
    MUSCLE = 7
    SKIN = 8
    MUCOSA = 9
    VEIN = 10
    ARTERY = 11
    VITREOUS = 12
    GLAND = 13
    BRIGHT = 14
    STALK = 15
    NERVE = 16


class Canvas:
    """A head to paint: each call paints one tissue into a solid, over earlier tissues."""

    def __init__(self) -> None:
        self.tissue = np.zeros(SHAPE, dtype=np.uint8)

    def ellipsoid(
        self, tissue: Tissue, centre: Triple, radii: Triple, *, power: float = 2.0
    ) -> None:
        """Paint an ellipsoid; a higher `power` makes it boxier.

        Args:
            tissue: tissue that its voxels get.
            centre: MNI152 coordinates, mm.
            radii: half axes along x, y and z, mm.
            power: 2 for an ellipsoid.
        """
        where, axes = window(np.subtract(centre, radii), np.add(centre, radii))
        terms = [np.abs((a - c) / r) ** power for a, c, r in zip(axes, centre, radii, strict=True)]
        self.tissue[where][terms[0] + terms[1] + terms[2] < 1] = tissue

    def rod(self, tissue: Tissue, start: Triple, end: Triple, *, radius: float) -> None:
        """Paint a rod with round ends, between two points of MNI152 in mm."""
        where, axes = window(np.minimum(start, end) - radius, np.maximum(start, end) + radius)
        self.tissue[where][rod_mm(axes, start, end) < radius] = tissue

    def ellipsoids(
        self, tissue: Tissue, centre: Triple, radii: Triple, *, power: float = 2.0
    ) -> None:
        """Paint an ellipsoid on the right and its mirror image on the left."""
        self.ellipsoid(tissue, centre, radii, power=power)
        self.ellipsoid(tissue, mirror(centre), radii, power=power)

    def rods(self, tissue: Tissue, start: Triple, end: Triple, *, radius: float) -> None:
        """Paint a rod on the right and its mirror image on the left."""
        self.rod(tissue, start, end, radius=radius)
        self.rod(tissue, mirror(start), mirror(end), radius=radius)


def mirror(point: Triple) -> Triple:
    """Return the same place on the other side of the midline."""
    return (-point[0], point[1], point[2])


def window(low: ndarray, high: ndarray) -> tuple[tuple[slice, ...], list[ndarray]]:
    """Return the voxels between two corners in mm, and their coordinates as open axes.

    The part beyond the grid is cut off; the window may then be empty.
    """
    first = np.clip(np.floor(low - ORIGIN_MM), 0, SHAPE).astype(int)
    last = np.clip(np.ceil(high - ORIGIN_MM) + 1, 0, SHAPE).astype(int)
    where = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    axes = [np.arange(a, b) + o for a, b, o in zip(first, last, ORIGIN_MM, strict=True)]
    return where, list(np.ix_(*[axis.astype(np.float32) for axis in axes]))


def rod_mm(axes: Sequence[ndarray], start: Triple, end: Triple) -> Float[ndarray, "..."]:
    """Compute the distance from a line segment, mm.

    Args:
        axes: x, y and z of points, as arrays that broadcast.
        start: one end, mm.
        end: the other end, which differs from it.
    """
    along = np.subtract(end, start)
    share = sum((a - s) * d for a, s, d in zip(axes, start, along, strict=True))
    share = np.clip(share / float(along @ along), 0, 1)
    gap = sum((a - s - share * d) ** 2 for a, s, d in zip(axes, start, along, strict=True))
    return np.sqrt(gap)


def depth_mm(solid: Bool[ndarray, "I J K"], sigma: float = 0.5) -> Float[ndarray, "I J K"]:
    """Compute smooth depth below the surface, mm, 0 outside; on every second voxel."""
    coarse = ndimage.distance_transform_edt(solid[::2, ::2, ::2]) * 2.0
    return double(ndimage.gaussian_filter(coarse, sigma).astype(np.float32))


def grain(seed: int, sigma_mm: Triple) -> Float[ndarray, "I J K"]:
    """Generate smooth noise of unit SD over the whole grid; equal seeds give equal noise.

    `sigma_mm` are the SDs of its smoothing along x, y and z.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal([(side + 1) // 2 for side in SHAPE], dtype=np.float32)
    smooth = ndimage.gaussian_filter(coarse, np.array(sigma_mm) / 2)
    return double(smooth / smooth.std())


def double(coarse: Float[ndarray, "i j k"]) -> Float[ndarray, "I J K"]:
    """Interpolate an array of every second voxel back to the whole grid of `SHAPE`, linearly."""
    fine = coarse
    for axis, side in enumerate(SHAPE):
        low = np.arange(side) // 2
        high = np.minimum(low + np.arange(side) % 2, fine.shape[axis] - 1)
        fine = (np.take(fine, low, axis) + np.take(fine, high, axis)) / 2
    return fine
