"""Grey level run length matrix (GLRLM): how often a level repeats along a line.

Source: Galloway 1975, doi:10.1016/S0146-664X(75)80008-6.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from neurotarget.image_features.level_grid import Events, LevelGrid, counted


def run_lengths(
    grid: LevelGrid, *, in_plane: bool
) -> tuple[Iterator[Integer[ndarray, "D G N"]], Integer[ndarray, " N"]]:
    """Matrices of runs by level and length for each layer and direction, and the lengths.

    On the padded flat grid, voxels along a line are a fixed step apart, and each line ends at the
    border before it would enter the next: in rows of `step` voxels, lines are columns.
    """
    found = [_runs(grid, step) for step in grid.steps(in_plane=in_plane)]
    longest = max(int(lengths.max(initial=1)) for _, _, lengths in found)
    across = grid.levels.shape[1] * grid.levels.shape[2]
    slice_of = np.zeros(len(grid.levels), dtype=np.int64)
    if in_plane:
        slice_of[grid.places // across] = grid.slices
    directions = [
        Events.sorted(slice_of[starts // across], (levels - 1) * longest + lengths - 1)
        for starts, levels, lengths in found
    ]
    return counted(directions, (grid.top, longest), grid.count(in_plane=in_plane)), np.arange(
        1, longest + 1
    )


def _runs(grid: LevelGrid, step: int) -> tuple[ndarray, ndarray, ndarray]:
    """Flat place of the first voxel, level and length of each run in one direction."""
    flat = grid.levels.ravel()
    rows = -(-flat.size // step)
    lines = np.pad(flat, (0, rows * step - flat.size)).reshape(rows, step).T
    line, level = lines.ravel(), None
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    lengths, level = np.diff(starts, append=line.size), line[starts]
    is_run = level > 0
    starts, lengths, level = starts[is_run], lengths[is_run], level[is_run]
    return starts % rows * step + starts // rows, level.astype(np.int64), lengths
