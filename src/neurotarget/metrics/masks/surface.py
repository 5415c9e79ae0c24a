"""Distances between the surfaces of two masks, in mm.

Surfaces consist of the triangles of `elements.surface_elements`, at corners between voxels inside
and outside the mask. Distances are from each element of one mask to the nearest of the other,
weighted by area. Definitions and numbers are those of Nikolov et al. 2021, doi:10.2196/26151, and
of their code, DeepMind's `surface-distance`. Scores that count surface voxels with equal weight, as
MONAI's do by default, are worse: on perturbed hippocampi of 1 mm voxels (mean Dice 0.82) HD95 is
5.3 instead of 5.0 mm, ASSD 1.05 instead of 0.81 mm, surface Dice 0.84 instead of 0.88.

`surface_distances` computes the distances once, and each score is a function of them. Where a mask
is empty or has no surface, there are no distances, and every score is NaN.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree

from neurotarget.metrics.masks.elements import Elements, Region, surface_elements

# a distance equal to the tolerance must count, although float32 affines have errors of 1e-7
SLACK_MM = 1e-4
DENSE = 0.1  # share of corners with an element above which the distance transform is faster


class SurfaceDistances(NamedTuple):
    """Distance of each surface element to the other surface in mm, and its area."""

    truth_to_pred_mm: Float[ndarray, " T"]
    pred_to_truth_mm: Float[ndarray, " P"]
    truth_mm2: Float[ndarray, " T"]
    pred_mm2: Float[ndarray, " P"]

    @classmethod
    def undefined(cls) -> "SurfaceDistances":
        """Return empty distances, for a mask without a surface; all their scores are NaN."""
        return cls(*(np.empty(0) for _ in range(4)))


def surface_distances(
    truth: Region, pred: Region, spacing_mm: tuple[float, ...], ignored: Region | None = None
) -> SurfaceDistances:
    """Measure the distances between two surfaces in both directions, in mm.

    A mask that ends at `ignored` voxels has no surface there, as it may extend into them.

    Usually few corners of the joint bounding box have an element. Then a k-d tree of the elements
    is searched, which is fast also for large targets and distant stray voxels. If many corners have
    an element, a distance transform of the box is faster. Both give the same distances.

    Raises:
        ValueError: the masks differ in shape, or the spacing is not one length per axis.
    """
    if truth.shape != pred.shape or len(spacing_mm) != truth.ndim:
        raise ValueError(
            f"surface_distances: got truth {truth.shape}, pred {pred.shape} and spacing "
            f"{tuple(spacing_mm)} mm, wanted one grid and one length per axis; bring pred to the "
            "grid of truth first"
        )
    if not truth.any() or not pred.any():
        return SurfaceDistances.undefined()
    first, second = (_elements(mask, spacing_mm, ignored) for mask in (truth, pred))
    if not len(first.corners) or not len(second.corners):
        return SurfaceDistances.undefined()
    return SurfaceDistances(
        *_nearest_mm(first.corners, second.corners, spacing_mm), first.sizes, second.sizes
    )


def in_plane(
    shape: Sequence[int], spacing_mm: Sequence[float], *masks: Region | None
) -> tuple[Any, ...]:
    """Return masks on a grid of one slice as 2D masks, and last the spacing of the plane in mm.

    The surface of a 2D mask is its outline, without the faces above and below. If the grid's
    `shape` has several slices, the masks and the spacing do not change.
    """
    flat = [axis for axis, side in enumerate(shape) if side == 1]
    if len(shape) != 3 or len(flat) != 1:
        return *masks, tuple(spacing_mm)
    sides_mm = tuple(step for axis, step in enumerate(spacing_mm) if axis != flat[0])
    return *(None if mask is None else mask.any(axis=flat[0]) for mask in masks), sides_mm


def _elements(mask: Region, spacing_mm: tuple[float, ...], ignored: Region | None) -> Elements:
    """Elements of a mask, computed in its own bounding box."""
    box = _bounding_box(mask)
    if ignored is not None:  # an ignored neighbour may be one voxel outside the box
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    elements = surface_elements(mask[box], spacing_mm, None if ignored is None else ignored[box])
    return elements._replace(corners=elements.corners + [side.start for side in box])


def _nearest_mm(
    first: Integer[ndarray, "T D"], second: Integer[ndarray, "P D"], spacing_mm: tuple[float, ...]
) -> tuple[Float[ndarray, " T"], Float[ndarray, " P"]]:
    """Distance of each corner to the nearest corner of the other set, in both directions."""
    start = np.minimum(first.min(axis=0), second.min(axis=0))
    shape = np.maximum(first.max(axis=0), second.max(axis=0)) - start + 1
    if len(first) + len(second) > DENSE * shape.prod():
        maps = []
        for corners in (first, second):
            is_background = np.ones(shape, dtype=bool)
            is_background[tuple((corners - start).T)] = False
            maps.append(distance_transform_edt(is_background, sampling=spacing_mm))
        return maps[1][tuple((first - start).T)], maps[0][tuple((second - start).T)]
    first_mm, second_mm = (corners * np.asarray(spacing_mm, float) for corners in (first, second))
    return KDTree(second_mm).query(first_mm)[0], KDTree(first_mm).query(second_mm)[0]


def hd95_mm(distances: SurfaceDistances) -> float:
    """Return the robust Hausdorff distance: the larger 95th percentile by area, in mm.

    Each percentile is the smallest distance that includes at least 95 % of a surface.

    Source: Huttenlocher et al. 1993, doi:10.1109/34.232073; by area as in Nikolov et al. 2021,
    doi:10.2196/26151.
    """
    if not distances.truth_to_pred_mm.size:
        return math.nan
    both = zip(distances[:2], distances[2:], strict=True)
    return max(_quantile_mm(one_way_mm, area_mm2, 0.95) for one_way_mm, area_mm2 in both)


def assd_mm(distances: SurfaceDistances) -> float:
    """Return the average symmetric surface distance: mean over both surfaces' area, in mm.

    Source: Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
    """
    if not distances.truth_to_pred_mm.size:
        return math.nan
    return float(np.average(np.concatenate(distances[:2]), weights=np.concatenate(distances[2:])))


def surface_dice(distances: SurfaceDistances, tolerance_mm: float) -> float:
    """Return the share of both surfaces' area within `tolerance_mm` of the other, in [0, 1].

    Source: Nikolov et al. 2021, doi:10.2196/26151.
    """
    if not distances.truth_to_pred_mm.size:
        return math.nan
    is_near = np.concatenate(distances[:2]) <= tolerance_mm + SLACK_MM
    return float(np.average(is_near, weights=np.concatenate(distances[2:])))


def _quantile_mm(
    one_way_mm: Float[ndarray, " E"], area_mm2: Float[ndarray, " E"], share: float
) -> float:
    """Quantile of distances weighted by area."""
    order = np.argsort(one_way_mm)
    cumulative_mm2 = np.cumsum(area_mm2[order])
    index = np.searchsorted(cumulative_mm2, share * cumulative_mm2[-1])
    return float(one_way_mm[order][min(index, len(order) - 1)])


def _bounding_box(mask: Bool[ndarray, "..."]) -> tuple[slice, ...]:
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        used = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
