"""Atrophy planted into label maps: boundaries of structures move until volumes change as planned.

Percent of volume against controls, in mild cognitive impairment and in Alzheimer's disease:

- hippocampus: −12.9 and −24.2 left, −11.1 and −23.1 right, a meta-analysis (Shi 2009,
  doi:10.1002/hipo.20573);
- entorhinal cortex: −13 and −39 (Du 2001, doi:10.1136/jnnp.71.4.441);
- all other changes are round figures between these and 0, chosen here. Their directions are those
  of Du 2001 (cortex, ventricles) and Qiu 2009, doi:10.1016/j.neuroimage.2009.01.013 (amygdala,
  ventricles, thalamus; no change in caudate, putamen and pallidum).

Volumes of a deformed map are near these figures but not equal to them, because displacements are a
first-order approximation. Measure the volumes in the deformed map.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from neurotarget.phantom.scanner import Warp

CONTROL, MCI, AD = "control", "mci", "ad"
Ids = tuple[int, ...]


class Change(NamedTuple):
    """Change of volume of the structures with these ids, in percent, by group."""

    ids: Ids
    mci: float
    ad: float


CHANGES: Sequence[Change] = (
    Change((17,), -12.9, -24.2),
    Change((53,), -11.1, -23.1),
    Change((1006, 2006), -13.0, -39.0),
    Change((18, 54), -8.0, -18.0),
    Change((5, 44), 25.0, 60.0),
    Change((4, 43, 31, 63, 136, 163), 15.0, 40.0),
    Change((14,), 8.0, 20.0),
    Change((1007, 1009, 1015, 1016, 2007, 2009, 2015, 2016), -4.0, -12.0),  # temporal
    Change((3, 42), -1.5, -5.0),
    Change((10, 49), -1.0, -4.0),
)
KEPT: Sequence[Ids] = ((11, 50), (12, 51), (13, 52), (26, 58), (28, 60), (16,))
CORTEX_FROM = 1000  # ids of regions of the cortex
EDGE_MM, THIN_MM = 1.5, 0.8  # SD of the blurred boundaries; of those of the cortex
SHARP_MM = 0.6  # SD of the blurred edge at which a gain of volume is counted
FURTHEST_SD = 1.2  # boundaries move by at most this many SDs, so that tissue does not fold
MOST_LOSS = -70.0  # percent
REACH_SD = 4.0  # margin of the window around a structure
KNOT_MM, WANDER_MM, TURN_DEG = 32.0, 1.2, 4.0  # of a person's own shape


def percent_of(group: str, severity: float = 1.0) -> Mapping[Ids, float]:
    """Return the change of each structure in a group, in percent of its volume, times severity.

    Args:
        group: control, mci or ad; controls have no change.
        severity: 1 for an average patient; losses are limited to `MOST_LOSS`.

    Returns:
        Percent by the ids of a structure; negative is a loss.
    """
    if group == CONTROL:
        return {}
    return {one.ids: max(getattr(one, group) * severity, MOST_LOSS) for one in CHANGES}


def deformed(
    ids: Integer[ndarray, "I J K"],
    spacing_mm: Sequence[float],
    percent: Mapping[Ids, float],
    *,
    rng: np.random.Generator,
) -> Integer[ndarray, "I J K"]:
    """Deform a label map to a person with an individual shape and these changes of volumes.

    The same random numbers give the same shape with and without changes.

    Args:
        ids: FreeSurfer's ids of a whole head.
        spacing_mm: sides of a voxel.
        percent: change of volume by the ids of a structure, from `percent_of`.
        rng: random numbers of the person's shape.

    Returns:
        The map on the same grid; voxels that come from beyond the grid are 0.
    """
    where = _own_shape(ids.shape, spacing_mm, rng)
    moved = _walls(ids, spacing_mm, percent)
    if moved is not None:
        where += _at(moved, where)
    number = np.zeros(ids.shape, dtype=np.int64)
    inside = np.ones(ids.shape, dtype=bool)
    for part, side in zip(where, ids.shape, strict=True):
        place = np.rint(part).astype(np.int64)
        inside &= (place >= 0) & (place < side)
        number = number * side + place.clip(0, side - 1)
    return ids.ravel()[number] * inside


def _own_shape(
    shape: Sequence[int], spacing_mm: Sequence[float], rng: np.random.Generator
) -> Float[ndarray, "3 I J K"]:
    """Return the voxel of the map that each voxel of a person shows: rotated and smoothly bent."""
    spacing = np.array(spacing_mm)
    counts = [int(np.ceil(n * mm / KNOT_MM)) + 3 for n, mm in zip(shape, spacing, strict=True)]
    step = tuple((side - 1) / (n - 3) for side, n in zip(shape, counts, strict=True))
    lines = [(np.arange(n) - 1) * s for n, s in zip(counts, step, strict=True)]
    middle = (np.array(shape) - 1) / 2
    offset = (np.stack(np.meshgrid(*lines, indexing="ij"), -1) - middle) * spacing
    angles = rng.uniform(-TURN_DEG, TURN_DEG, 3)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    placed = offset @ turn.T + rng.normal(0, WANDER_MM, offset.shape)
    knots = np.moveaxis(placed / spacing + middle, -1, 0).astype(np.float32)
    return Warp(knots, step).at(*(np.arange(side) for side in shape))


def _walls(
    ids: Integer[ndarray, "I J K"], spacing_mm: Sequence[float], percent: Mapping[Ids, float]
) -> Float[ndarray, "3 I J K"] | None:
    """Compute displacements (voxels) at which to read a map so that volumes change; or None.

    Displacements follow the gradient of each blurred structure, as in `synthesis.population`. A
    displacement of one structure changes the volumes of its neighbours. The amounts solve the
    linear equations of all structures, so that the volumes of `KEPT` do not change.
    """
    wanted = dict(percent) | dict.fromkeys(KEPT, 0.0) if percent else {}
    walls, gains = [], []
    for values, change in wanted.items():
        inside = np.isin(ids, values)
        if inside.any():
            walls.append(_wall(inside, spacing_mm, _width_mm(values)))
            # a tube has a volume of r / 2 times its surface
            gains.append(2 * (np.sqrt(1 + change / 100) - 1) * float(inside.sum()))
    if not walls:
        return None
    effects = _effects(walls)
    own = np.diag(effects)  # structures of all sizes have the same weight
    amounts = np.linalg.lstsq(effects / own[:, None], np.array(gains) / own, rcond=0.05)[0]
    total = np.zeros((3, *ids.shape), dtype=np.float32)
    for wall, amount_mm in zip(walls, amounts, strict=True):
        part = wall.moves * np.float32(np.clip(amount_mm, -wall.most_mm, wall.most_mm))
        total[:, *wall.window] += part
    total /= np.array(spacing_mm, dtype=np.float32)[:, None, None, None]
    return total


class _Wall(NamedTuple):
    """Window, unit displacements, gradient of the edge, and limit of one structure."""

    window: tuple[slice, ...]
    moves: Float[ndarray, "3 i j k"]  # mm per mm
    edge: Float[ndarray, "3 i j k"]  # per mm
    most_mm: float


def _wall(inside: ndarray, spacing_mm: Sequence[float], width: float) -> _Wall:
    window = _window(inside, [REACH_SD * width / side for side in spacing_mm])
    solid = inside[window].astype(np.float32)
    moves = _gradient(solid, width, spacing_mm) * np.float32(width * np.sqrt(2 * np.pi))
    return _Wall(window, moves, _gradient(solid, SHARP_MM, spacing_mm), FURTHEST_SD * width)


def _width_mm(values: Ids) -> float:
    return THIN_MM if {*values} <= {3, 42} or min(values) >= CORTEX_FROM else EDGE_MM


def _effects(walls: Sequence[_Wall]) -> Float[ndarray, "W W"]:
    """Compute the voxels that each structure (row) gains per mm of each displacement (column)."""
    effects = np.zeros((len(walls), len(walls)))
    for row, edge in enumerate(walls):
        for column, move in enumerate(walls):
            pairs = list(zip(edge.window, move.window, strict=True))
            both = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs]
            if all(part.start < part.stop for part in both):
                first, second = (
                    [
                        slice(c.start - w.start, c.stop - w.start)
                        for c, w in zip(both, window, strict=True)
                    ]
                    for window in (edge.window, move.window)
                )
                product = np.vdot(edge.edge[:, *first], move.moves[:, *second])
                effects[row, column] = float(product)
    return effects


def _gradient(
    solid: Float[ndarray, "i j k"], width_mm: float, spacing_mm: Sequence[float]
) -> Float[ndarray, "3 i j k"]:
    blurred = ndimage.gaussian_filter(solid, [width_mm / side for side in spacing_mm], truncate=3)
    return np.stack(np.gradient(blurred, *spacing_mm))


def _window(inside: ndarray, margin_vox: Sequence[float]) -> tuple[slice, ...]:
    (bounds,) = ndimage.find_objects(inside.astype(np.uint8))
    margins = [int(np.ceil(margin)) for margin in margin_vox]
    return tuple(
        slice(max(part.start - margin, 0), part.stop + margin)
        for part, margin in zip(bounds, margins, strict=True)
    )


def _at(field: Float[ndarray, "3 I J K"], where: Float[ndarray, "3 I J K"]) -> ndarray:
    """Interpolate a field on the map's grid linearly, at fractional voxels."""
    sides = np.array(field.shape[1:])
    scale = (2 / np.maximum(sides - 1, 1)).astype(np.float32)
    parts = [torch.from_numpy(part * s - 1) for part, s in zip(where, scale, strict=True)]
    grid = torch.stack(parts[::-1], dim=-1)[None]
    source = torch.from_numpy(field)[None]
    return F.grid_sample(source, grid, padding_mode="zeros", align_corners=True)[0].numpy()
