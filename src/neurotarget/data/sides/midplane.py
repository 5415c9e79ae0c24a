"""The plane between the halves of a head, where a scan is most similar to its mirror image.

The plane is found from the scan alone, also for a tilted or off-centre head. It is needed only if
the halves of a target do not determine their sides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Real
from numpy import ndarray
from scipy import ndimage, optimize

from neurotarget.types import Triple

COARSE_VOX = 15_000  # a head at 8 mm; the head's asymmetry limits the accuracy of a finer search
FINEST_MM, COARSEST_MM = 1.0, 10.0
TILTS = np.radians((-30.0, -15.0, 0.0, 15.0, 30.0))  # starts of the search
REACH_MM, STEP_MM = 24.0, 4.0  # search range to both sides of the centre of mass
LEAST_SHARE = 0.5  # least share of a scan that a plane mirrors within the scan

Points = Real[ndarray, "N 3"]


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane in scanner coordinates (RAS+, mm); `normal` is a unit vector to the right."""

    point_mm: Triple
    normal: Triple = (1.0, 0.0, 0.0)
    source: str = "the middle given"  # for messages

    def right_mm(self, points_mm: Real[ndarray, "*N 3"] | Sequence) -> Float[ndarray, "*N"] | float:
        """Compute the signed distance of points from the plane in mm, positive to the right."""
        return (np.asarray(points_mm) - np.array(self.point_mm)) @ np.array(self.normal)


def middle_of(scan: Real[ndarray, "I J K"], affine: Float[ndarray, "4 4"]) -> Plane:
    """Find the plane between the halves of a head, tilted by up to about 35 degrees.

    `scan` may be stored in any order and cropped to a box about the midline; `affine` maps its
    voxels to scanner coordinates in mm. A constant scan gets the middle of its grid.
    """
    values, affine = _coarse(np.asarray(scan), np.asarray(affine, dtype=float))
    points = _places(values.shape, affine)
    faces = [values.take((0, -1), axis=axis).ravel() for axis in range(3)]
    weights = np.abs(values - np.median(np.concatenate(faces))).ravel()
    if weights.sum() == 0:
        return Plane(tuple(points.mean(axis=0).tolist()), source="the middle of the scan's grid")
    centre = weights @ points / weights.sum()
    cost = _dissimilarity(values, np.linalg.inv(affine), points - centre, centre, weights)
    offsets = np.arange(-REACH_MM, REACH_MM + STEP_MM, STEP_MM)
    first = min(product(TILTS, TILTS, offsets), key=cost)
    ends = np.array([first] + [np.add(first, step) for step in np.diag((0.1, 0.1, 3.0))])
    settings = {"initial_simplex": ends, "xatol": 1e-2, "fatol": 1e-4, "maxiter": 120}
    best = optimize.minimize(cost, first, method="Nelder-Mead", options=settings).x
    normal = _normal(best[0], best[1])
    point = centre + best[2] * normal
    return Plane(tuple(point.tolist()), tuple(normal.tolist()), "the scan's plane of symmetry")


def middle_of_grid(shape: tuple[int, ...], affine: Float[ndarray, "4 4"]) -> Plane:
    """Make an upright plane through the middle of a grid, described as a guess.

    Args:
        shape: sides of the grid.
        affine: from its voxels to scanner coordinates, mm.
    """
    point = np.asarray(affine, float) @ [*((np.array(shape) - 1) / 2), 1.0]
    return Plane(tuple(point[:3].tolist()), source="the middle of the grid, a guess")


def _dissimilarity(
    values: ndarray, to_vox: ndarray, arms: Points, centre: ndarray, weights: ndarray
) -> Callable[[tuple[float, float, float]], float]:
    """Make the cost of planes (yaw, roll, offset in mm): how unlike a scan is its mirror image."""
    flat, least = values.ravel(), LEAST_SHARE * weights.sum()

    def cost(plane: tuple[float, float, float]) -> float:
        """Negative correlation, −1 to 1; 1 if undefined, or if too little has a mirror image."""
        normal = _normal(plane[0], plane[1])
        mirrored = arms - 2 * np.outer(arms @ normal - plane[2], normal) + centre
        places = mirrored @ to_vox[:3, :3].T + to_vox[:3, 3]
        other = ndimage.map_coordinates(values, places.T, order=1, cval=np.nan)
        seen = np.isfinite(other)
        if weights[seen].sum() < least:
            return 1.0
        one, two = flat[seen] - flat[seen].mean(), other[seen] - other[seen].mean()
        spread = np.sqrt((one @ one) * (two @ two))
        return float(-(one @ two) / spread) if spread > 0 else 1.0

    return cost


def _normal(yaw: float, roll: float) -> Float[ndarray, "3"]:
    return np.array(
        [np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), np.sin(roll)], dtype=float
    )


def _coarse(scan: ndarray, affine: ndarray) -> tuple[Float[ndarray, "I J K"], ndarray]:
    """Average blocks of voxels; also return the affine of the blocks."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    volume_mm3 = float(np.prod(spacing * scan.shape))
    wanted = np.clip(np.cbrt(volume_mm3 / COARSE_VOX), FINEST_MM, COARSEST_MM)
    steps = np.clip(np.round(wanted / spacing), 1, scan.shape).astype(int)
    sides = np.array(scan.shape) // steps
    kept = scan[tuple(slice(side) for side in sides * steps)]
    blocks = kept.reshape([size for pair in zip(sides, steps, strict=True) for size in pair])
    matrix = np.diag([*steps, 1.0])
    matrix[:3, 3] = (steps - 1) / 2
    return blocks.mean(axis=(1, 3, 5), dtype=np.float64), affine @ matrix


def _places(shape: tuple[int, ...], affine: ndarray) -> Points:
    indices = np.indices(shape).reshape(3, -1).T
    return indices @ affine[:3, :3].T + affine[:3, 3]
