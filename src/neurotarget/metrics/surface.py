"""Distances between the surfaces of two masks, in mm.

The surface of a mask is its voxels that have a face neighbour outside it; outside the array
counts as outside the mask. Distances run between voxel centres, from each surface voxel of one
mask to the nearest of the other, and every surface voxel counts alike. These are MONAI's
conventions (`get_edge_surface_distance` without subvoxels) and so are the numbers.

The distances are found once, by `surface_distances`, and each score is a function of them. Where
one mask is empty, or has no surface, there are none, and every score is NaN.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial import KDTree

from neurotarget.types import Mask, Triple

# spacing read from a float32 affine is off by about 1e-7; a distance equal to the tolerance counts
SLACK_MM = 1e-4
DENSE = 0.1  # share of surface voxels above which the transform is faster, as measured


class SurfaceDistances(NamedTuple):
    """Distance of each surface voxel to the other surface, mm; both empty where undefined."""

    truth_to_pred_mm: Float[ndarray, " T"]
    pred_to_truth_mm: Float[ndarray, " P"]


def surface_distances(
    truth: Mask, pred: Mask, spacing_mm: Triple, ignored: Mask | None = None
) -> SurfaceDistances:
    """Measure both ways between the surfaces, in mm.

    A mask that ends at `ignored` voxels, in which it has none, has no surface there: nobody has
    judged whether it goes on.

    Works within the joint bounding box. Where surface voxels are few in it, as nearly always,
    they alone are searched, so that neither a large target nor a stray voxel far away costs much;
    a box full of specks is cheaper as a distance transform. The distances are the same.

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
        return SurfaceDistances(np.empty(0), np.empty(0))
    box = _bounding_box(truth | pred)
    if ignored is None:
        surfaces = [mask[box] & ~binary_erosion(mask[box]) for mask in (truth, pred)]
    else:
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        surfaces = [mask[box] & ~binary_erosion(mask[box] | ignored[box]) for mask in (truth, pred)]
        if not all(surface.any() for surface in surfaces):
            return SurfaceDistances(np.empty(0), np.empty(0))
    if sum(map(np.count_nonzero, surfaces)) > DENSE * surfaces[0].size:
        maps = [distance_transform_edt(~surface, sampling=spacing_mm) for surface in surfaces]
        return SurfaceDistances(maps[1][surfaces[0]], maps[0][surfaces[1]])
    places = [np.argwhere(surface) * np.asarray(spacing_mm, float) for surface in surfaces]
    return SurfaceDistances(
        KDTree(places[1]).query(places[0])[0],
        KDTree(places[0]).query(places[1])[0],
    )


def hd95_mm(distances: SurfaceDistances) -> float:
    """Robust Hausdorff distance: the larger of the two 95th percentiles, in mm.

    Source: Huttenlocher et al. 1993, doi:10.1109/34.232073; the percentile of each direction and
    then the maximum, as in Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z.
    """
    if not distances.truth_to_pred_mm.size:
        return math.nan
    return float(max(np.quantile(one_way, 0.95) for one_way in distances))


def assd_mm(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance: mean over the voxels of both surfaces, in mm.

    Source: Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
    """
    if not distances.truth_to_pred_mm.size:
        return math.nan
    return float(np.concatenate(distances).mean())


def surface_dice(distances: SurfaceDistances, tolerance_mm: float) -> float:
    """Share of both surfaces that lies within `tolerance_mm` of the other, in [0, 1].

    Source: Nikolov et al. 2021, doi:10.2196/26151; here voxels are counted, not surface area.
    """
    if not distances.truth_to_pred_mm.size:
        return math.nan
    return float((np.concatenate(distances) <= tolerance_mm + SLACK_MM).mean())


def _bounding_box(mask: Bool[ndarray, "..."]) -> tuple[slice, ...]:
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        used = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
