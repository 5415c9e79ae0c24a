"""Smooth solids as depths: mm below the surface, negative outside, at points in template mm."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from neurotarget.types import Triple

Axes = Sequence[ndarray]  # x, y and z of points, as arrays that broadcast


class Superquadric(NamedTuple):
    """An ellipsoid that a higher `power` makes boxier; `tilt_deg` turns it about x, y and z.

    Attributes:
        centre: template mm.
        radii: half axes, mm.
        power: 2 for an ellipsoid; higher values approach a box.
        tilt_deg: rotations about x, y and z, in this order.
    """

    centre: Triple
    radii: Triple
    power: float = 2.0
    tilt_deg: Triple = (0.0, 0.0, 0.0)

    def depth_mm(self, axes: Axes, scale: float = 1.0) -> Float[ndarray, "..."]:
        """Compute depth along the ray from the centre, for radii multiplied by `scale`.

        Args:
            axes: x, y and z of points in mm, which broadcast; points outside have negative depths.
            scale: factor of the radii; the centre stays.
        """
        offset = [axis - centre for axis, centre in zip(axes, self.centre, strict=True)]
        if any(self.tilt_deg):
            turn = Rotation.from_euler("xyz", self.tilt_deg, degrees=True).as_matrix()
            columns = turn.astype(np.float32).T
            offset = [sum(w * part for w, part in zip(row, offset, strict=True)) for row in columns]
        radii = [radius * scale for radius in self.radii]
        terms = [np.abs(o / r) ** self.power for o, r in zip(offset, radii, strict=True)]
        level = np.maximum(sum(terms) ** (1 / self.power), 1e-3)
        return np.sqrt(sum(part**2 for part in offset)) * (1 / level - 1)

    def box(self) -> tuple[ndarray, ndarray]:
        """Return lowest and highest corner, mm, of a box that contains the solid."""
        reach = max(self.radii) if any(self.tilt_deg) else np.array(self.radii)
        return np.subtract(self.centre, reach), np.add(self.centre, reach)


class Tube(NamedTuple):
    """A tube with round ends through points; its radius changes linearly between points.

    `flat` divides distances along z: above 1, the cross-section is taller than wide.

    Attributes:
        points: of the middle line, template mm.
        radii_mm: one per point.
        flat: above 0.
    """

    points: Sequence[Triple]
    radii_mm: Sequence[float]
    flat: float = 1.0

    def depth_mm(self, axes: Axes, scale: float = 1.0) -> Float[ndarray, "..."]:
        """Compute depth below the surface, mm, for radii multiplied by `scale`.

        Points are x, y and z in mm, which broadcast; points outside have negative depths.
        """
        x, y, z = axes
        points = [(a, b, c / self.flat) for a, b, c in self.points]
        depth: ndarray | float = -np.inf
        for number in range(len(points) - 1):
            share, gap = _along((x, y, z / self.flat), points[number], points[number + 1])
            first, last = self.radii_mm[number : number + 2]
            depth = np.maximum(depth, (first + share * (last - first)) * scale - gap)
        return np.asarray(depth)

    def box(self) -> tuple[ndarray, ndarray]:
        """Return lowest and highest corner, mm, of a box that contains the solid."""
        reach = max(self.radii_mm) * np.array([1, 1, max(self.flat, 1)])
        return np.min(self.points, axis=0) - reach, np.max(self.points, axis=0) + reach


Solid = Superquadric | Tube


class Waves(NamedTuple):
    """Smooth noise of unit SD as a sum of plane waves."""

    vectors: Float[ndarray, "W 3"]  # radians per mm
    phases: Float[ndarray, " W"]

    def at(self, axes: Axes) -> Float[ndarray, "..."]:
        """Return values at points x, y, z in mm; over many points the mean is 0 and the SD 1."""
        return np.sqrt(2 / len(self.phases)) * sum(np.cos(phase) for phase in self._phases(axes))

    def zero_mm(self, axes: Axes) -> Float[ndarray, "..."]:
        """Return the first-order distance (mm) to the nearest point where the noise is 0."""
        value: ndarray | float = 0.0
        slopes: list[ndarray | float] = [0.0, 0.0, 0.0]
        for vector, phase in zip(self.vectors, self._phases(axes), strict=True):
            value = value + np.cos(phase)
            sine = np.sin(phase)
            slopes = [slope + part * sine for slope, part in zip(slopes, vector, strict=True)]
        steep = np.sqrt(sum(slope**2 for slope in slopes))
        return np.abs(value) / np.maximum(steep, 1e-6)

    def _phases(self, axes: Axes) -> list[ndarray]:
        return [
            sum(part * axis for part, axis in zip(vector, axes, strict=True)) + start
            for vector, start in zip(self.vectors, self.phases, strict=True)
        ]


def draw_waves(
    rng: np.random.Generator, count: int, length_mm: float, stretch: Triple = (1.0, 1.0, 1.0)
) -> Waves:
    """Sample noise of about this wavelength (mm), times `stretch` along each axis."""
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = length_mm * rng.uniform(0.75, 1.3, (count, 1))
    vectors = 2 * np.pi * directions / lengths / np.array(stretch)
    return Waves(vectors.astype(np.float32), rng.uniform(0, 2 * np.pi, count).astype(np.float32))


def _along(axes: Axes, start: Triple, end: Triple) -> tuple[ndarray, ndarray]:
    """Return the position along a line segment, 0 to 1, and the distance from it in mm."""
    way = np.subtract(end, start)
    share = sum((a - s) * d for a, s, d in zip(axes, start, way.tolist(), strict=True))
    share = np.clip(share / float(way @ way), 0, 1)
    gap = sum((a - s - share * d) ** 2 for a, s, d in zip(axes, start, way.tolist(), strict=True))
    return share, np.sqrt(gap)
