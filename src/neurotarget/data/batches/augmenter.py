"""Random parameters of the augmentation of a batch.

Every draw has a generator of its own, from which it takes a fixed number of uniform numbers. All
parameters are functions of these numbers, computed for the whole batch at once, so that they do not
depend on the size of the batch.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torchio as tio
from jaxtyping import Float
from torch import Tensor

from neurotarget.data.batches.augment import OwnTransform, Transforms
from neurotarget.data.batches.axis_maps import (
    blurring_map,
    ghosting_map,
    low_resolution_map,
    segment_maps,
)
from neurotarget.data.batches.batch_plan import (
    Gains,
    Grains,
    Mixed,
    Moved,
    Plan,
    Powers,
    Rows,
    Warped,
)
from neurotarget.data.batches.warp import Affine, rotation
from neurotarget.problems import DataError
from neurotarget.types import TripleVox

Numbers = Float[Tensor, "B numbers"]  # uniform in [0, 1)
Seeds = Sequence[tuple[int, int]]  # per draw: of its parameters, and of its noise
Drawn = Mapping[str, tuple[Rows, Tensor]]  # rows of each transform that happens, and their numbers

ARTEFACTS = ("motion", "ghosting")  # reach across the region
OWN, FLIP = "own ", "flip "  # before the number of the user's transform, or of the axis
JITTER = 0.3  # of the times of movements, as in TorchIO
LPS = (-1.0, -1.0, 1.0)  # directions of the axes in which TorchIO moves a head


@dataclass(frozen=True)
class Augmenter:
    """Draws the parameters of the transforms for patches of one size.

    Raises:
        DataError: a setting that only TorchIO's transforms have.
    """

    transforms: Transforms
    num_contrasts: int
    patch_vox: TripleVox
    region_vox: TripleVox

    def __post_init__(self) -> None:
        for name, part in self.parts.items():
            if getattr(part, "image_interpolation", "linear") != "linear":
                _refuse(name, f"image_interpolation {part.image_interpolation}")
            if any(isinstance(axis, str) for axis in getattr(part, "axes", ())):
                _refuse(name, f"axes {part.axes}")

    @property
    def parts(self) -> Mapping[str, object]:
        """The transforms by name."""
        return self.transforms.parts

    @property
    def own(self) -> Sequence[OwnTransform]:
        """The user's transforms."""
        return self.transforms.own

    def numbers(self, seeds: Seeds) -> Numbers:
        """Uniform numbers of draws, each from a generator with the first of its two seeds."""
        count = sum(self._counts().values())
        numbers, generator = torch.empty(len(seeds), count), torch.Generator()
        for row, (value, _) in zip(numbers, seeds, strict=True):
            generator.manual_seed(value)
            torch.rand(count, generator=generator, out=row)
        return numbers

    def happens(self, numbers: Numbers) -> dict[str, list[int]]:
        """Patches to which each transform happens; transforms that happen to none are left out.

        The user's transforms are called `own 0`, `own 1`, …, and mirrors `flip 0` to `flip 2`.
        """
        happens = (numbers[:, self._firsts] < self._chances).numpy()
        rows = zip(self._columns, happens.T, strict=True)
        return {name: np.flatnonzero(column).tolist() for name, column in rows if column.any()}

    def is_wide(self, happens: Mapping[str, Sequence[int]]) -> set[int]:
        """Patches whose whole region is augmented, for artefacts and for the user's transforms."""
        if self.region_vox == self.patch_vox:
            return set()
        reaching = [name for name in happens if name in ARTEFACTS or name.startswith(OWN)]
        return {row for name in reaching for row in happens[name]}

    def plan(self, numbers: Numbers, seeds: Seeds, *, is_wide: bool) -> Plan:
        """Parameters of the patches with these numbers; `is_wide` for their whole regions."""
        sides = self.region_vox if is_wide else self.patch_vox
        happens = self.happens(numbers)
        drawn = {
            name: (torch.tensor(rows), numbers[rows, self._columns[name]][:, 1:])
            for name, rows in happens.items()
        }
        return Plan(
            self._warp(drawn, sides),
            tuple(drawn[_flip(axis)][0] if _flip(axis) in drawn else None for axis in range(3)),
            self._bias(drawn),
            self._motion(drawn, sides),
            self._ghosts(drawn, sides),
            self._mixed(drawn, sides),
            self._noise(drawn, seeds),
            self._gamma(drawn),
            tuple(
                (place, row, seeds[row][1])
                for place in range(len(self.own))
                for row in happens.get(_own(place), ())
            ),
        )

    def _chance(self, name: str) -> float:
        if name.startswith(OWN):
            return self.own[int(name.removeprefix(OWN))].p
        if name.startswith(FLIP):
            flip = self.parts["flip"]
            return flip.p if int(name.removeprefix(FLIP)) in flip.axes else 0.0
        part = self.parts[name]
        return part.probability if isinstance(part, tio.Transform) else part.p

    @cached_property
    def _chances(self) -> Tensor:
        return torch.tensor([self._chance(name) for name in self._columns])

    @cached_property
    def _firsts(self) -> list[int]:
        return [columns.start for columns in self._columns.values()]

    @cached_property
    def _columns(self) -> dict[str, slice]:
        """Numbers of each transform; the first decides whether it happens."""
        counts = self._counts()
        ends = [*itertools.accumulate(counts.values())]
        return {
            name: slice(end - count, end)
            for (name, count), end in zip(counts.items(), ends, strict=True)
        }

    def _counts(self) -> dict[str, int]:
        contrasts, parts = self.num_contrasts, self.parts
        moves = parts["motion"].num_transforms if "motion" in parts else 0
        powers = parts["bias_field"].order + 1 if "bias_field" in parts else 0
        counts = {
            "affine": 10,
            "bias_field": 1 + contrasts * powers**3,
            "motion": 1 + 7 * moves,
            "ghosting": 5,
            "low_resolution": 3,
            "blur": 4,
            "noise": 3,
            "gamma": 1 + 2 * contrasts,
            "elastic": 1 + 3 * math.prod(self._points()),
        }
        kept = {name: count for name, count in counts.items() if name in parts}
        single = [_flip(axis) for axis in range(3)] if "flip" in parts else []
        return dict.fromkeys([*single, *map(_own, range(len(self.own)))], 1) | kept

    def _points(self) -> tuple[int, ...]:
        """Numbers of control points along the axes of a region."""
        elastic = self.parts.get("elastic")
        if elastic is None:
            return (0, 0, 0)
        return tuple(int((side - 1) / elastic.spacing_mm) + 4 for side in self.region_vox)

    def _warp(self, drawn: Drawn, sides: TripleVox) -> Warped | None:
        affine, elastic = drawn.get("affine"), drawn.get("elastic")
        if affine is None and elastic is None:
            return None
        rows = _union(affine, elastic)
        matrix, shift = torch.eye(3).repeat(len(rows), 1, 1), torch.zeros(len(rows), 3)
        if affine:
            places = torch.searchsorted(rows, affine[0])
            matrix[places], shift[places] = affine_of(self.parts["affine"], affine[1], sides)
        if elastic is None:
            return Warped(rows, matrix, shift, None, None)
        steps = (elastic[1] * 2 - 1).reshape(-1, 3, *self._points())
        steps *= self.parts["elastic"].displacement_mm
        return Warped(rows, matrix, shift, torch.searchsorted(rows, elastic[0]), steps)

    def _bias(self, drawn: Drawn) -> Gains | None:
        if "bias_field" not in drawn:
            return None
        (rows, values), field = drawn["bias_field"], self.parts["bias_field"]
        count = field.order + 1
        degrees = torch.arange(count)
        total = degrees[:, None, None] + degrees[None, :, None] + degrees[None, None, :]
        values = (values * 2 - 1).reshape(-1, self.num_contrasts, count, count, count)
        return Gains(rows, values * field.coefficients * (total <= field.order))

    def _motion(self, drawn: Drawn, sides: TripleVox) -> Moved | None:
        if "motion" not in drawn:
            return None
        (rows, values), motion = drawn["motion"], self.parts["motion"]
        moves = motion.num_transforms
        degrees, shift, late = values.split([3 * moves, 3 * moves, moves], dim=1)
        degrees = _between(degrees.reshape(-1, moves, 3), motion.degrees_range)
        shift = _between(shift.reshape(-1, moves, 3), motion.translation_range)
        if sides[2] == 1:  # within the slice
            degrees[..., :2], shift[..., 2] = 0, 0
        gap = 1 / (moves + 1)
        times = torch.arange(1, moves + 1) * gap + (late * 2 - 1) * JITTER * gap
        matrix = scanner_rotation(torch.deg2rad(degrees))
        return Moved(rows, matrix, shift * torch.tensor(LPS), segment_maps(times, sides[2]))

    def _ghosts(self, drawn: Drawn, sides: TripleVox) -> Mixed | None:
        if "ghosting" not in drawn:
            return None
        (rows, values), ghosts = drawn["ghosting"], self.parts["ghosting"]
        low, high = ghosts.num_ghosts_range
        count = (low + (values[:, 0] * (high + 1 - low)).floor()).int().clamp(max=int(high))
        axes = [axis for axis in ghosts.axes if sides[2] > 1 or axis != 2]
        axis = _one_of(axes, values[:, 1])
        strength = _between(values[:, 2], ghosts.intensity_range)
        restored = None if ghosts.restore is None else _between(values[:, 3], ghosts.restore)
        along = [ghosting_map(side, count, strength, restored) for side in sides]
        return Mixed(rows, _where_axis(axis, along))

    def _mixed(self, drawn: Drawn, sides: TripleVox) -> Mixed | None:
        coarse, blurred = drawn.get("low_resolution"), drawn.get("blur")
        if coarse is None and blurred is None:
            return None
        rows = _union(coarse, blurred)
        along = [torch.eye(side).repeat(len(rows), 1, 1) for side in sides]
        if coarse:
            part, places = self.parts["low_resolution"], torch.searchsorted(rows, coarse[0])
            axis = _one_of(part.axes, coarse[1][:, 0])
            factor = _between(coarse[1][:, 1], part.downsampling_range)
            maps = _where_axis(axis, [low_resolution_map(side, factor) for side in sides])
            for whole, own in zip(along, maps, strict=True):
                whole[places] = own
        if blurred:
            places, ranges = torch.searchsorted(rows, blurred[0]), self.parts["blur"].std_ranges
            for axis, whole in enumerate(along):
                sigma = _between(blurred[1][:, axis], ranges[2 * axis : 2 * axis + 2])
                whole[places] = blurring_map(whole.shape[1], sigma) @ whole[places]
        return Mixed(rows, tuple(along))

    def _noise(self, drawn: Drawn, seeds: Seeds) -> Grains | None:
        if "noise" not in drawn:
            return None
        (rows, values), noise = drawn["noise"], self.parts["noise"]
        mean, sd = (
            _between(values[:, 0], noise.mean_range),
            _between(values[:, 1], noise.std_range),
        )
        return Grains(rows, mean, sd, tuple(seeds[row][1] for row in rows.tolist()))

    def _gamma(self, drawn: Drawn) -> Powers | None:
        if "gamma" not in drawn:
            return None
        rows, values = drawn["gamma"]
        beta, direction = values.split(self.num_contrasts, dim=1)
        gamma = ((2 * beta - 1) * self.parts["gamma"].log_gamma).exp()
        return Powers(rows, gamma, (direction >= 0.5).float())


def affine_of(
    affine: Affine, values: Float[Tensor, "n 9"], sides: TripleVox
) -> tuple[Float[Tensor, "n 3 3"], Float[Tensor, "n 3"]]:
    """Matrices and shifts from output to input positions, of numbers in [0, 1); see `Affine`.

    An image with a side of 1 is rotated only in its own plane.
    """
    low, high = (math.log(factor) for factor in affine.scale)
    scale = (low + (high - low) * values[:, : 1 if affine.isotropic else 3]).exp().expand(-1, 3)
    angles = torch.deg2rad((2 * values[:, 3:6] - 1) * torch.tensor(affine.degrees))
    flat = torch.tensor([side == 1 for side in sides])
    if flat.any():
        angles = torch.where(flat, angles, 0.0)
    shift = (2 * values[:, 6:] - 1) * torch.tensor(affine.translate_mm)
    return rotation(angles) @ torch.diag_embed(1 / scale), shift


def scanner_rotation(angles: Float[Tensor, "n moves 3"]) -> Float[Tensor, "n moves 3 3"]:
    """Rotations as ITK's Euler angles about I, J and K, of voxels in RAS+."""
    single = torch.zeros(3, *angles.shape)
    for axis in range(3):
        single[axis, ..., axis] = angles[..., axis]
    about_i, about_j, about_k = rotation(single)
    mirror = torch.diag(torch.tensor(LPS))
    return mirror @ about_k @ about_i @ about_j @ mirror


def _between(values: Tensor, bounds: Sequence[float]) -> Tensor:
    low, high = bounds
    return low + (high - low) * values


def _one_of(axes: Sequence[int], values: Float[Tensor, " n"]) -> Tensor:
    return torch.tensor(list(axes))[(values * len(axes)).long()]


def _where_axis(axis: Tensor, along: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Maps along the drawn axis of each patch, and none along the other axes."""
    return tuple(
        torch.where((axis == number)[:, None, None], maps, torch.eye(maps.shape[1]))
        for number, maps in enumerate(along)
    )


def _union(*drawn: tuple[Rows, Tensor] | None) -> Rows:
    """Patches to which any of some transforms happens, in ascending order."""
    return torch.cat([rows for rows, _ in filter(None, drawn)]).unique()


def _flip(axis: int) -> str:
    return f"{FLIP}{axis}"


def _own(place: int) -> str:
    return f"{OWN}{place}"


def _refuse(name: str, found: str) -> None:
    raise DataError(
        f"augment.{name}: found {found}, which only TorchIO's own transform has; set "
        "data.patches=queue, or leave it out"
    )
