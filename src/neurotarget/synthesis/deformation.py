"""Positions of the voxels of a patch in a label map: place, shape of the head, deformation.

Positions are computed on a lattice of every `LATTICE`-th voxel and interpolated between, which
costs a tenth of the time and leaves no visible difference, since all deformations are smooth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from neurotarget.data.augmentation.warp import FOLD_FREE, rotation, spline_basis
from neurotarget.synthesis.label_map import LabelMap
from neurotarget.synthesis.population import FIELDS, Population
from neurotarget.types import Triple

LATTICE = 2  # voxels of the patch between positions


@dataclass(frozen=True)
class Deformation:
    """Ranges of the deformations of a head.

    `degrees` bounds the rotation about each axis, `scale` is a range of factors per axis, `shear`
    bounds each off-diagonal factor, and `shift_mm` the distance between the centres of patch and
    brain. `elastic` are pairs of a distance of control points and their largest displacement along
    each axis, in mm. With probability `flip` left and right are exchanged.

    Raises:
        ValueError: a displacement folds tissue.
    """

    degrees: float = 15.0
    scale: tuple[float, float] = (0.85, 1.15)
    shear: float = 0.08
    shift_mm: float = 25.0
    elastic: Sequence[tuple[float, float]] = ((40.0, 7.0), (16.0, 2.5))
    flip: float = 0.5
    population: Population = field(default_factory=Population)

    def __post_init__(self) -> None:
        for spacing_mm, largest_mm in self.elastic:
            if not 0 <= largest_mm <= FOLD_FREE * spacing_mm:
                raise ValueError(
                    f"elastic: got {largest_mm} mm at control points {spacing_mm} mm apart, wanted "
                    f"at most {FOLD_FREE} of their distance, so that tissue never folds"
                )


class Placement(NamedTuple):
    """Place of a patch in its map: positions on the lattice, and whether it is mirrored."""

    positions: Float[Tensor, "3 i j k"]  # in voxels of the map
    is_mirrored: bool


def place(
    label_map: LabelMap,
    deformation: Deformation,
    sides: Sequence[int],
    spacing_mm: Triple,
    rng: np.random.Generator,
    *,
    about_mm: Float[ndarray, "3"] | None = None,
) -> Placement:
    """Draw the positions of the voxels of a patch with these sides in a label map.

    The patch lies about the point `about_mm`, in mm from the first voxel, or the middle of the
    brain.

    Args:
        label_map: where the patch lies.
        deformation: ranges to draw from.
        sides: of the patch, in voxels.
        spacing_mm: of the patch, which may differ from that of the map.
        rng: the only source of randomness.
        about_mm: centre of the patches before the shift.
    """
    map_mm = np.array(label_map.spacing_mm)
    if about_mm is None:
        about_mm = sum(label_map.brain_vox) / 2 * map_mm
    centre = about_mm + rng.uniform(-1, 1, 3) * deformation.shift_mm
    matrix, is_mirrored = _matrix(deformation, rng)
    lines = [
        torch.arange(0, side + LATTICE, LATTICE, dtype=torch.float32)[: lattice_side(side)]
        for side in sides
    ]
    along = [
        (line - (side - 1) / 2) * step
        for line, side, step in zip(lines, sides, spacing_mm, strict=True)
    ]
    turned = torch.from_numpy(matrix).float()
    i, j, k = (turned[:, axis, None] * line for axis, line in enumerate(along))
    where = i[:, :, None, None] + j[:, None, :, None] + k[:, None, None, :]
    where += torch.from_numpy(centre).float()[:, None, None, None]
    for distance_mm, largest_mm in deformation.elastic:
        where += _bent([line * 1.0 for line in along], distance_mm, rng) * largest_mm
    where /= torch.from_numpy(map_mm).float()[:, None, None, None]
    amounts = deformation.population.amounts_mm(rng)
    if amounts.any():
        moved_mm = displaced(label_map, where, amounts)
        where += moved_mm / torch.from_numpy(map_mm).float()[:, None, None, None]
    return Placement(where, is_mirrored)


@lru_cache(maxsize=4)
def own_positions(sides: Sequence[int]) -> Float[Tensor, "3 i j k"]:
    """Positions on the lattice of a patch in itself, without any deformation.

    For codes that are already those of the patch; the tensor is shared, so do not change it.
    """
    lines = [torch.arange(lattice_side(side), dtype=torch.float32) * LATTICE for side in sides]
    return torch.stack(torch.meshgrid(*lines, indexing="ij"))


def lattice_side(side: int) -> int:
    """Number of positions on the lattice along a side of `side` voxels.

    The last one is at the last voxel or beyond.
    """
    return -(-(side - 1) // LATTICE) + 1


def _matrix(deformation: Deformation, rng: np.random.Generator) -> tuple[ndarray, bool]:
    """Map from mm about the centre of the patch to mm about that of the head."""
    angles = np.deg2rad(rng.uniform(-1, 1, 3) * deformation.degrees)
    low, high = np.log(deformation.scale)
    scale = np.exp(rng.uniform(low, high)) * np.exp(rng.uniform(low, high, 3) / 2)
    scale = scale * deformation.population.scale(rng)
    shear = np.eye(3) + np.triu(rng.uniform(-1, 1, (3, 3)) * deformation.shear, 1)
    turn = rotation(torch.from_numpy(angles).float()).numpy()
    is_mirrored = bool(rng.random() < deformation.flip)
    mirror = np.diag([-1.0 if is_mirrored else 1.0, 1.0, 1.0])
    # the shape of the head is changed along its own axes, after all turns of the patch
    return np.diag(1 / scale) @ shear @ turn @ mirror, is_mirrored


def _bent(
    along: Sequence[Tensor], distance_mm: float, rng: np.random.Generator
) -> Float[Tensor, "3 i j k"]:
    """Displacements between −1 and 1: cubic B-splines of uniform numbers."""
    steps_mm = [float(line[1] - line[0]) if len(line) > 1 else 1.0 for line in along]
    bases = [
        spline_basis(len(line), step / distance_mm)
        for line, step in zip(along, steps_mm, strict=True)
    ]
    points = rng.uniform(-1, 1, (3, *(basis.shape[1] for basis in bases)))
    bent = torch.from_numpy(points).float()
    for basis in bases:
        bent = torch.tensordot(bent, basis, dims=([1], [1]))
    return bent


def displaced(
    label_map: LabelMap, where: Float[Tensor, "3 i j k"], amounts_mm: Float[ndarray, " fields"]
) -> Float[Tensor, "3 i j k"]:
    """Displacement in mm that moves the walls of each field's structures by its amount.

    Args:
        label_map: with its stored fields.
        where: positions in voxels of the map; outside of it nothing is displaced.
        amounts_mm: one per field of `population`, outwards is positive; at least one is not 0.
    """
    used = [number for number in range(len(FIELDS)) if amounts_mm[number]]
    fields = label_map.fields.view(len(FIELDS), 3, *label_map.fields.shape[1:])
    joined = sum(fields[number].float() * float(amounts_mm[number]) for number in used)
    sides = torch.tensor(joined.shape[1:])
    steps = torch.tensor(label_map.step)
    unit = where / steps[:, None, None, None] * (2 / (sides - 1))[:, None, None, None] - 1
    grid = unit.flip(0).permute(1, 2, 3, 0)[None]
    return F.grid_sample(joined[None], grid, padding_mode="zeros", align_corners=True)[0]


def every_voxel(lattice: Float[Tensor, "B C i j k"], sides: Sequence[int]) -> Tensor:
    """Interpolate values on the lattice linearly to all voxels (B, C, I, J, K) of a patch.

    The lattice is that of `LATTICE`; C may be any channels, such as the three axes of positions.
    """
    for side in sides:
        # contracts the first spatial axis and appends the voxel axis
        lattice = torch.tensordot(lattice, _between(side, str(lattice.device)), dims=([2], [1]))
    return lattice


@lru_cache(maxsize=16)
def _between(side: int, device: str) -> Float[Tensor, "side points"]:
    """Weights of the lattice's points at the voxels of a line."""
    place = torch.arange(side) / LATTICE
    below = place.floor().long()
    share = place - below
    weights = torch.zeros(side, lattice_side(side))
    weights.scatter_(1, below[:, None], (1 - share)[:, None])
    above = (below + 1).clamp(max=weights.shape[1] - 1)
    weights.scatter_add_(1, above[:, None], share[:, None])
    return weights.to(device)
