"""Textures of a voxel and all its neighbours: NGTDM and NGLDM.

NGTDM is the difference between a voxel's level and the mean of its neighbours, NGLDM the number of
neighbours with the same level.

Source: Amadasun and King 1989, doi:10.1109/21.44046, and Sun and Wee 1983,
doi:10.1016/0734-189X(83)90032-4.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.image_features.aggregation import Values
from neurotarget.image_features.level_grid import Events, LevelGrid, counted


def tone_differences(grid: LevelGrid, *, in_plane: bool) -> Iterator[Float[ndarray, "1 G 2"]]:
    """Voxels with a neighbour, and sum of |level − mean of its neighbours|, by level and layer.

    Yields:
        One matrix per layer, whose columns are number of voxels and sum, for levels from 1 to G.
    """
    total, number = np.zeros(len(grid.places)), np.zeros(len(grid.places))
    for step in grid.steps(in_plane=in_plane):
        for other in (grid.at(step), grid.at(-step)):
            total += other
            number += other > 0
    has_any = number > 0
    own, layers = grid.own[has_any], grid.layers(in_plane=in_plane)[has_any]
    apart = np.abs(own - total[has_any] / number[has_any])
    edges = np.searchsorted(layers, np.arange(grid.count(in_plane=in_plane) + 1))
    for start, stop in pairwise(edges):
        levels, size = own[start:stop] - 1, grid.top
        count = np.bincount(levels, minlength=size)
        pair = (count, np.bincount(levels, apart[start:stop], size))
        yield np.stack(pair, axis=-1)[None].astype(float)


def tone_features(matrices: Float[ndarray, "B G 2"]) -> Values:
    """Coarseness, contrast, busyness, complexity and strength of each matrix.

    With a single level, or without differences, coarseness is 1e6 and the others are 0; without
    voxels all are NaN.
    """
    rows = [_tone_features(matrix[:, 0], matrix[:, 1]) for matrix in matrices]
    names = ("coarseness", "contrast", "busyness", "complexity", "strength")
    return dict(zip(names, np.array(rows, dtype=float).T, strict=True))


def _tone_features(
    count: Float[ndarray, " G"], apart: Float[ndarray, " G"]
) -> tuple[float, float, float, float, float]:
    number = count.sum()
    if not number:
        return (np.nan,) * 5
    there = np.flatnonzero(count)
    level, p, s = there + 1.0, count[there] / number, apart[there]
    gap = level[:, None] - level
    both = p[:, None] + p
    spread = float((p * s).sum())
    scale = len(level) * (len(level) - 1)
    contrast = float((p[:, None] * p * gap**2).sum()) / scale * s.sum() / number if scale else 0.0
    swings = float(np.abs((level * p)[:, None] - level * p).sum())
    sums = (p * s)[:, None] + p * s
    return (
        1 / spread if spread > 0 else 1e6,
        contrast,
        spread / swings if swings > 0 else 0.0,
        float((np.abs(gap) * sums / both).sum()) / number,
        float((both * gap**2).sum()) / s.sum() if s.sum() > 0 else 0.0,
    )


def dependences(
    grid: LevelGrid, *, in_plane: bool
) -> tuple[Iterator[Integer[ndarray, "1 G N"]], Integer[ndarray, " N"]]:
    """Matrices of voxels by level and number of equal neighbours plus 1, and these numbers.

    Columns are 1 to 27, or 1 to 9 in the plane; a neighbour is equal if its level is the same.
    """
    steps = grid.steps(in_plane=in_plane)
    equal = np.zeros(len(grid.places), dtype=np.int64)
    for step in (*steps, *(-one for one in steps)):
        equal += grid.at(step) == grid.own
    most = 2 * len(steps) + 1
    events = Events(grid.layers(in_plane=in_plane), (grid.own - 1) * most + equal)
    return counted([events], (grid.top, most), grid.count(in_plane=in_plane)), np.arange(
        1, most + 1
    )
