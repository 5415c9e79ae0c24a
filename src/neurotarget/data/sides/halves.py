"""The two halves of a pair: groups of voxels side by side, and the plane between them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.sides.midplane import Plane, Points

TILTS = np.radians((-40.0, -20.0, 0.0, 20.0, 40.0))  # of a head, about two axes
SAMPLED = 4_000  # about as many voxels are used to find the border
CLEAR = 5.0  # least distance of two halves, in SDs of a half; the halves of a cut bar have 3.5
LIKE_SHARE = 0.5  # least size of the smaller half, as share of the larger, for `is_clear`
ACROSS = 0.5  # least cosine between the line of the two centres and the scanner's left–right axis


class Halves(NamedTuple):
    """Two groups of voxels; the right group has the larger x."""

    left_mm: Float[ndarray, "3"]  # centre
    right_mm: Float[ndarray, "3"]
    separation: float  # distance of the centres, in SDs of a half along this line
    size_ratio: float  # size of the smaller half as a share of the larger one

    @property
    def is_separate(self) -> bool:
        """True if the halves are well separated and side by side, not above or behind."""
        direction_mm = self.right_mm - self.left_mm
        return (
            bool(direction_mm[0] > ACROSS * np.linalg.norm(direction_mm))
            and self.separation >= CLEAR
        )

    @property
    def is_clear(self) -> bool:
        """True if the halves are certainly the two sides, without knowledge of the head."""
        return self.is_separate and self.size_ratio >= LIKE_SHARE

    @property
    def border(self) -> Plane:
        """Plane halfway between the centres of the halves.

        Its normal points to the right half.
        """
        direction_mm, point = self.right_mm - self.left_mm, (self.left_mm + self.right_mm) / 2
        normal = direction_mm / np.linalg.norm(direction_mm)
        return Plane(tuple(point.tolist()), tuple(normal.tolist()), "the plane between them")


def halves_of(points: Points) -> Halves | None:
    """Divide points into two groups side by side; None if all points coincide.

    Any points have two groups; `Halves.is_separate` tells whether they are two halves.

    Args:
        points: positions in scanner coordinates (RAS+, mm); a sample of about `SAMPLED` is used.

    Source: Otsu 1979, doi:10.1109/TSMC.1979.4310076, the criterion of the cut.
    """
    if len(points) < 2 or np.ptp(points, axis=0).max() == 0:
        return None
    points = points[:: max(len(points) // SAMPLED, 1)]
    is_right = _best_cut(points)
    left, right = points[~is_right], points[is_right]
    ends = sorted((left.mean(axis=0), right.mean(axis=0)), key=lambda centre: centre[0])
    direction_mm = ends[1] - ends[0]
    length = float(np.linalg.norm(direction_mm))
    rest = np.concatenate([group - group.mean(axis=0) for group in (left, right)])
    spread = float((rest @ direction_mm).std()) / length
    few, many = sorted((len(left), len(right)))
    return Halves(ends[0], ends[1], length / max(spread, 1e-3), few / many)


def _best_cut(points: Points) -> Bool[ndarray, " N"]:
    """Mark the points to the right of the cut with the least variance within both parts."""
    # Otsu's criterion, doi:10.1109/TSMC.1979.4310076, along each direction
    yaw, roll = (angles.ravel() for angles in np.meshgrid(TILTS, TILTS))
    directions = np.stack([np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), np.sin(roll)])
    along = (points - points.mean(axis=0)) @ directions  # (N, 25)
    ordered = np.sort(along, axis=0)
    counts = np.arange(1, len(points))[:, None]
    # variance between the parts as share of the total; sums over all points are 0
    between = ordered.cumsum(axis=0)[:-1] ** 2 / (counts * (len(points) - counts))
    share = between / np.maximum((ordered**2).mean(axis=0), 1e-9)
    share[np.diff(ordered, axis=0) <= 0] = -1  # no cut between points at the same position
    cut, direction = np.unravel_index(share.argmax(), share.shape)
    return along[:, direction] > ordered[cut, direction]
