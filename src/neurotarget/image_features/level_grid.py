"""Grey levels of a region on a padded grid, where neighbours are flat offsets apart.

Letters of shapes: K slices, G grey levels, N columns of a texture matrix, D directions, B matrices.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

Offsets = Sequence[tuple[int, int, int]]
HALF: Offsets = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]
HALF_IN_PLANE: Offsets = [step for step in HALF if step[0] == 0]


class LevelGrid(NamedTuple):
    """Grey levels from 1, and 0 outside the region, with a border of one voxel."""

    levels: Integer[ndarray, "K I J"]  # slices first
    places: Integer[ndarray, " V"]  # flat indices of the voxels of the region, ascending
    slices: Integer[ndarray, " V"]  # 0, 1, … of each voxel, in ascending order
    top: int  # G, the largest grey level

    @classmethod
    def of(cls, levels: Integer[ndarray, "K I J"]) -> "LevelGrid":
        """Pad the levels of a region; slices without a voxel are not counted.

        Levels are 0 outside of the region and from 1 inside of it, (K, I, J) with slices first.
        """
        padded = np.pad(levels, 1).astype(np.int32)
        places = np.flatnonzero(padded)
        across = padded.shape[1] * padded.shape[2]
        slices = np.unique(places // across, return_inverse=True)[1]
        return cls(padded, places, slices, int(padded.max()))

    @property
    def own(self) -> Integer[ndarray, " V"]:
        """Levels of the region's voxels, in the order of `places`."""
        return self.levels.ravel()[self.places]

    def at(self, step: int) -> Integer[ndarray, " V"]:
        """Levels of the voxels `step` places after those of the region; 0 outside it.

        Args:
            step: one of `steps`, or its negative for the opposite neighbour.
        """
        return self.levels.ravel()[self.places + step]

    def steps(self, *, in_plane: bool) -> list[int]:
        """Flat offsets of half of the neighbours: 13, or 4 in the plane of a slice."""
        _, rows, columns = self.levels.shape
        half = HALF_IN_PLANE if in_plane else HALF
        return [(k * rows + i) * columns + j for k, i, j in half]

    def layers(self, *, in_plane: bool) -> Integer[ndarray, " V"]:
        """Number of the matrix in which each voxel counts: that of its slice, or 0 for all."""
        return self.slices if in_plane else np.zeros_like(self.slices)

    def count(self, *, in_plane: bool) -> int:
        """Number of layers: of slices, or 1."""
        return int(self.slices[-1]) + 1 if in_plane else 1


class Events(NamedTuple):
    """Entries of the matrices of one direction: layer and flat place in its matrix."""

    layers: Integer[ndarray, " E"]  # ascending
    keys: Integer[ndarray, " E"]

    @classmethod
    def sorted(cls, layers: Integer[ndarray, " E"], keys: Integer[ndarray, " E"]) -> "Events":
        """Events in the order of their layers."""
        order = np.argsort(layers, kind="stable")
        return cls(layers[order], keys[order])


def counted(
    directions: Sequence[Events], shape: tuple[int, int], count: int
) -> Iterator[Integer[ndarray, "D G N"]]:
    """Count the events of each of `count` layers in turn, one matrix per direction.

    Args:
        directions: events of each direction, sorted by layer.
        shape: levels and columns of a matrix; a key is level · columns + column, both from 0.
        count: number of layers; a layer without an event has zeros.
    """
    edges = [np.searchsorted(one.layers, np.arange(count + 1)) for one in directions]
    for layer in range(count):
        parts = [
            one.keys[edge[layer] : edge[layer + 1]]
            for one, edge in zip(directions, edges, strict=True)
        ]
        size = shape[0] * shape[1]
        yield np.stack([np.bincount(part, minlength=size).reshape(shape) for part in parts])
