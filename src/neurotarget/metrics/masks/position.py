"""Positions: centroids of masks, and the highest voxel of an activation map."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.shapes import Mask


def centroid_mm(mask: Mask, affine: Float[ndarray, "4 4"]) -> Float[ndarray, " 3"]:
    """Mean position of a mask's voxels in mm, in the space of `affine`; NaN for an empty mask."""
    sides = [mask.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    count = int(sides[0].sum())
    if not count:
        return np.full(3, np.nan)
    place = [float(side @ np.arange(side.size)) / count for side in sides]
    return affine[:3, :3] @ np.array(place) + affine[:3, 3]


def centroid_distance_mm(first: Mask, second: Mask, affine: Float[ndarray, "4 4"]) -> float:
    """Distance between the centroids of two masks on one grid, in mm; NaN if one is empty.

    Weninger et al. 2019, doi:10.1007/978-3-030-11726-9_1, compared the distance between tumour and
    brain with age as predictors of survival.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"centroid_distance_mm: got masks of the shapes {first.shape} and {second.shape}, "
            "wanted one grid; resample one of them"
        )
    apart = centroid_mm(first, affine) - centroid_mm(second, affine)
    return math.sqrt(float(apart @ apart))


class Hit(NamedTuple):
    """Position of the highest voxel of one case's activation map relative to the finding."""

    hit: bool  # the highest voxel lies in the finding
    slice_hit: bool  # its slice, along the last axis, has a voxel of the finding
    chance: float  # share of all voxels that lie in the finding


def hit_of(activation: Float[ndarray, "I J K"], finding: Bool[ndarray, "I J K"]) -> Hit:
    """Compare an activation map with the voxels of a finding, by the pointing game.

    Source: Zhang et al. 2018, doi:10.1007/s11263-017-1059-x.

    Raises:
        ValueError: the grids differ, or there is no finding.
    """
    if activation.shape != finding.shape:
        raise ValueError(f"hit_of: map {activation.shape}, finding {finding.shape}; use one grid")
    if not finding.any():
        raise ValueError("hit_of: found no voxel of the finding, wanted any; leave the case out")
    place = np.unravel_index(int(np.argmax(activation)), activation.shape)
    return Hit(bool(finding[place]), bool(finding[..., place[2]].any()), float(finding.mean()))
