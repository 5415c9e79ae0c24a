"""Zones of connected voxels of one grey level, by size (GLSZM) and by distance (GLDZM).

Source: Thibault et al. 2014, doi:10.1109/TBME.2013.2284600.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer
from numpy import ndarray
from scipy.ndimage import distance_transform_cdt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from neurotarget.image_features.level_grid import Events, LevelGrid, counted

Matrices = tuple[Iterator[Integer[ndarray, "1 G N"]], Integer[ndarray, " N"]]


class Zones(NamedTuple):
    """Connected voxels of one level: layer, level and number of voxels of each zone.

    Attributes:
        of_voxel: number of the zone of each voxel of the region, from 0.
        layers, levels: layer and grey level of each zone.
        sizes: number of voxels of each zone.
        shape: number of layers, and largest level.
    """

    of_voxel: Integer[ndarray, " V"]
    layers: Integer[ndarray, " Z"]
    levels: Integer[ndarray, " Z"]
    sizes: Integer[ndarray, " Z"]
    shape: tuple[int, int]


def zones(grid: LevelGrid, *, in_plane: bool) -> Zones:
    """Find the zones; voxels that share a corner are connected, in their slice if `in_plane`."""
    number = np.full(grid.levels.size, -1, dtype=np.int32)
    number[grid.places] = np.arange(len(grid.places))
    pairs = []
    for step in grid.steps(in_plane=in_plane):
        same = np.flatnonzero(grid.at(step) == grid.own)
        pairs.append((same, number[grid.places[same] + step]))
    first, second = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    count = len(grid.places)
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(count, count))
    found, of_voxel = connected_components(graph, directed=False)
    some = np.zeros(found, dtype=np.int64)
    some[of_voxel] = np.arange(count)  # any voxel of the zone
    layers = grid.layers(in_plane=in_plane)[some]
    return Zones(
        of_voxel,
        layers,
        grid.own[some],
        np.bincount(of_voxel),
        (grid.count(in_plane=in_plane), grid.top),
    )


def zone_sizes(found: Zones) -> Matrices:
    """Matrices of zones by level and size for each layer, and the sizes that occur."""
    return _counted(found, found.sizes)


def zone_distances(found: Zones, distances: Integer[ndarray, " V"]) -> Matrices:
    """Matrices of zones by level and smallest distance of a voxel to the outside of the region.

    Args:
        found: from `zones`.
        distances: of the same voxels, from `border_distances`.

    Returns:
        Matrices of each layer, and the distances that occur.
    """
    nearest = np.full(len(found.sizes), np.iinfo(np.int32).max)
    np.minimum.at(nearest, found.of_voxel, distances)
    return _counted(found, nearest)


def _counted(found: Zones, sizes: Integer[ndarray, " Z"]) -> Matrices:
    columns, column = np.unique(sizes, return_inverse=True)
    keys = (found.levels.astype(np.int64) - 1) * len(columns) + column
    count, top = found.shape
    return counted([Events.sorted(found.layers, keys)], (top, len(columns)), count), columns


def border_distances(
    mask: Bool[ndarray, "K I J"], voxels: Bool[ndarray, "K I J"], *, in_plane: bool
) -> Integer[ndarray, " V"]:
    """Number of steps across voxel faces to the outside of a mask; 1 for voxels at its border.

    Args:
        mask: the region's shape, slices first; all beyond the array counts as outside.
        voxels: True for the voxels whose distances are returned, in the order of the array.
        in_plane: whether steps stay in a slice.
    """
    padded = np.pad(mask, 1)
    inner = (slice(1, -1),) * 3
    if not in_plane:
        return distance_transform_cdt(padded, metric="taxicab")[inner][voxels]
    planes = [distance_transform_cdt(plane, metric="taxicab") for plane in padded]
    return np.stack(planes)[inner][voxels]
