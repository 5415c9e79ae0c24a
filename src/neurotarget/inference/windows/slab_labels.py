"""Label maps from probabilities that come in slabs, so that those of many labels need not be kept.

Probabilities, not labels, are interpolated to the scan's own grid, and the largest wins.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from torch import Tensor

from neurotarget.data.scans.geometry import Grid, native_matrices, native_spans

MOST_VALUES = 8_000_000  # probabilities in float32 that are interpolated at a time
ROWS = 32  # of a matrix that are multiplied together: they use few of the voxels along an axis
SAME = 1e-6  # differences of weights below this are rounding

Slab = Float[ndarray, "L _ J K"]
Block = tuple[slice, slice, Float[Tensor, "_ _"]]  # native voxels, working voxels, weights


class Maps(NamedTuple):
    """Classes of a case; 0 is background."""

    native: Integer[ndarray, "..."]  # on the scan's own grid, in stored order
    work: Integer[ndarray, "I J K"]  # on the working box


def label_maps(slabs: Iterable[Slab], grid: Grid, num_labels: int) -> Maps:
    """Classes from probabilities in slabs along the first axis of the working box.

    On the scan's own grid they are interpolated (cubic); outside the box all is background. Only
    the planes that further planes of the scan need are kept.

    Args:
        slabs: probabilities (L, planes, J, K) that together fill the box, in order.
        grid: the working box in its scan.
        num_labels: L, with the background, which decides the type of the maps.
    """
    kind = np.min_scalar_type(num_labels - 1)
    work = np.empty(grid.shape, kind)
    canonical = np.zeros(grid.canonical_shape, kind)
    box = tuple(slice(low, stop) for low, stop in native_spans(grid))
    native = canonical[box]
    is_interpolated = native.size > 0 and not grid.is_exact
    rising = _Interpolation(grid) if is_interpolated else None
    stop = 0
    for slab in slabs:
        values = torch.from_numpy(slab).movedim(0, -1)
        first, stop = stop, stop + len(values)
        work[first:stop] = values.argmax(dim=-1).numpy()
        if rising is not None:
            for planes, classes in rising.add(values):
                native[planes] = classes
    if grid.is_exact:
        native[:] = work
    return Maps(np.ascontiguousarray(grid.stored(canonical)), work)


class _Interpolation:
    """Interpolates planes of the scan, each once all the working planes for it have come."""

    def __init__(self, grid: Grid) -> None:
        first, *others = native_matrices(grid)
        self.matrix, used = first, [np.flatnonzero(row) for row in first]
        starts, stops = [row[0] for row in used], [row[-1] + 1 for row in used]
        self.starts = np.minimum.accumulate(starts[::-1])[::-1]  # rounding leaves weights of 1e-17
        self.stops = np.maximum.accumulate(stops)
        self.others = [_blocks(matrix) for matrix in others]
        self.area = int(np.prod([len(matrix) for matrix in others]))
        self.kept: Tensor | None = None
        self.first = self.row = 0  # working plane with which `kept` begins; next native plane

    def add(self, values: Float[Tensor, "_ J K L"]) -> Iterator[tuple[slice, ndarray]]:
        """Take the next working planes; yields planes of the scan and their classes."""
        values = values if self.kept is None else torch.cat([self.kept, values])
        stop = self.first + len(values)
        ready = int(np.searchsorted(self.stops, stop, side="right"))
        step = max(MOST_VALUES // (self.area * values.shape[-1]), 1)
        while self.row < ready:
            planes = slice(self.row, min(self.row + step, ready))
            yield planes, self._classes(values, planes)
            self.row = planes.stop
        start = int(self.starts[self.row]) if self.row < len(self.starts) else stop
        self.kept = values[start - self.first :].clone()
        self.first = start

    def _classes(self, values: Tensor, planes: slice) -> Integer[ndarray, "_ _ _"]:
        low, high = int(self.starts[planes.start]), int(self.stops[planes.stop - 1])
        part = values[low - self.first : high - self.first]
        # (i, J, L, K): along K one product of all lines, along the other axes products of planes
        part = part.transpose(2, 3).contiguous()
        part = _along(part, _blocks(self.matrix[planes, low:high]), 0)
        for axis, blocks in zip((1, 3), self.others, strict=True):
            part = _along(part, blocks, axis)
        return part.max(dim=2).indices.numpy()


def _blocks(matrix: Float[ndarray, "_ _"]) -> list[Block]:
    """Parts of a matrix by rows, each with the columns that are not 0 in them; none of identity."""
    if len(matrix) == matrix.shape[1] and np.allclose(matrix, np.eye(len(matrix)), atol=SAME):
        return []
    blocks = []
    for start in range(0, len(matrix), ROWS):
        rows = slice(start, min(start + ROWS, len(matrix)))
        used = np.flatnonzero(matrix[rows].any(axis=0))
        columns = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append((rows, columns, torch.from_numpy(matrix[rows, columns].copy())))
    return blocks


def _along(part: Float[Tensor, "_ _ L _"], blocks: list[Block], axis: int) -> Tensor:
    """Multiply one axis by the matrix of which these are the blocks."""
    if not blocks:
        return part
    before, after = part.shape[:axis], part.shape[axis + 1 :]
    lined = part.reshape(math.prod(before), part.shape[axis], math.prod(after))
    made = part.new_empty(len(lined), blocks[-1][0].stop, lined.shape[2])
    for rows, columns, weights in blocks:
        if after:
            made[:, rows] = weights @ lined[:, columns]
        else:
            made[:, rows, 0] = lined[:, columns, 0] @ weights.T
    return made.reshape(*before, -1, *after)
