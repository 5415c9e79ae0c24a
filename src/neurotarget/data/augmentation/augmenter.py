"""Random parameters of the augmentation of a batch.

Every draw (one patch of the training) has its own generator and takes a fixed number of uniform
numbers. All parameters are functions of these numbers, so that they do not depend on the size of
the batch; they are computed for the whole batch at once. NumPy computes them, since its calls take
a third of the time of PyTorch's for so few numbers.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torchio as tio
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.data.augmentation.augment import OwnTransform, Transforms
from neurotarget.data.augmentation.axis_maps import (
    blurring_map,
    ghosting_map,
    low_resolution_map,
    segment_maps,
)
from neurotarget.data.augmentation.batch_plan import (
    Dropped,
    Gains,
    Grains,
    Mixed,
    Moved,
    Plan,
    Powers,
    Scaled,
    Warped,
)
from neurotarget.data.augmentation.parameter_values import (
    affine_of,
    blur_of,
    gamma_of,
    ghosting_of,
    low_resolution_of,
    motion_of,
    noise_of,
)
from neurotarget.data.augmentation.warp import LPS, scanner_rotation
from neurotarget.problems import DataError
from neurotarget.types import TripleVox

Numbers = Float[ndarray, "B numbers"]  # uniform in [0, 1)
Seeds = Sequence[tuple[int, int]]  # per draw: seeds of its parameters and of its noise
Drawn = Mapping[str, tuple[ndarray, ndarray]]  # per transform: its rows and their numbers

# transforms whose result depends on voxels around the patch, or on the region's grey scale
REACHING = ("motion", "ghosting", "low_resolution", "blur", "gamma")
OWN, FLIP = "own ", "flip "  # before the number of the user's transform, or of the axis


@dataclass(frozen=True)
class Augmenter:
    """Random parameters of the transforms, for patches of one size.

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
        """Return uniform numbers; the first of a draw's two seeds seeds its generator.

        Returns (draws, numbers) in float32; each transform has fixed columns, of which the first
        decides whether it happens.
        """
        count = sum(self._counts().values())
        numbers, generator = torch.empty(len(seeds), count), torch.Generator()
        for row, (value, _) in zip(numbers, seeds, strict=True):
            generator.manual_seed(value)
            torch.rand(count, generator=generator, out=row)
        return numbers.numpy()

    def happens(self, numbers: Numbers) -> dict[str, list[int]]:
        """Return the patches to which each transform is applied; unused transforms are left out.

        The user's transforms are called `own 0`, `own 1`, …, and mirrors `flip 0` to `flip 2`.
        """
        found: dict[str, list[int]] = {}
        places, rows = (numbers[:, self._firsts] < self._chances).T.nonzero()
        names = [*self._columns]
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            found.setdefault(names[place], []).append(row)
        return found

    def wide(self, happens: Mapping[str, Sequence[int]]) -> set[int]:
        """Return the patches that need the voxels or the grey scale of their whole region."""
        if self.region_vox == self.patch_vox:
            return set()
        reaching = [name for name in happens if name in REACHING or name.startswith(OWN)]
        return {row for name in reaching for row in happens[name]}

    def plan(self, numbers: Numbers, seeds: Seeds, *, is_wide: bool) -> Plan:
        """Compute the parameters of a batch from its numbers.

        Args:
            numbers: one row per patch, from `numbers`.
            seeds: two per patch; the second seeds the noise and the user's transforms.
            is_wide: whether the images are whole regions, not patches.
        """
        sides = self.region_vox if is_wide else self.patch_vox
        happens = self.happens(numbers)
        drawn = self.drawn(numbers, happens)
        mirrored = np.zeros((len(numbers), 3), dtype=bool)
        for axis in range(3):
            mirrored[happens.get(f"{FLIP}{axis}", []), axis] = True
        return Plan(
            self._warp(drawn, mirrored, sides),
            mirrored.tolist(),
            torch.from_numpy(mirrored[:, 0].nonzero()[0]) if mirrored[:, 0].any() else None,
            self._bias(drawn),
            self._motion(drawn, sides),
            self._ghosts(drawn, sides),
            self._mixed(drawn, sides),
            self._noise(drawn, seeds),
            self._gamma(drawn),
            self._scaled(drawn),
            self._dropped(drawn),
            tuple(
                (place, row, seeds[row][1])
                for place in range(len(self.own))
                for row in happens.get(f"{OWN}{place}", ())
            ),
        )

    def drawn(self, numbers: Numbers, happens: Mapping[str, Sequence[int]]) -> Drawn:
        """Return, per transform, the patches to which it is applied and its numbers for them."""
        return {
            name: (np.array(rows), numbers[rows, self._columns[name]][:, 1:])
            for name, rows in happens.items()
        }

    def _chance(self, name: str) -> float:
        if name.startswith(OWN):
            return self.own[int(name.removeprefix(OWN))].p
        if name.startswith(FLIP):
            flip = self.parts["flip"]
            return flip.p if int(name.removeprefix(FLIP)) in flip.axes else 0.0
        part = self.parts[name]
        return part.probability if isinstance(part, tio.Transform) else part.p

    @cached_property
    def _chances(self) -> ndarray:
        return np.array([self._chance(name) for name in self._columns])

    @cached_property
    def _firsts(self) -> list[int]:
        return [columns.start for columns in self._columns.values()]

    @cached_property
    def _columns(self) -> dict[str, slice]:
        """Columns of each transform's numbers; the first decides whether it is applied."""
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
        if "scale_shift" in parts:
            counts["scale_shift"] = 1 + 2 * contrasts
        if "contrast_dropout" in parts:
            counts["contrast_dropout"] = 1 + parts["contrast_dropout"].num_numbers
        kept = {name: count for name, count in counts.items() if name in parts}
        single = [f"{FLIP}{axis}" for axis in range(3)] if "flip" in parts else []
        single += [f"{OWN}{place}" for place in range(len(self.own))]
        return dict.fromkeys(single, 1) | kept

    def _points(self) -> tuple[int, ...]:
        """Number of control points along each axis of a region."""
        elastic = self.parts.get("elastic")
        if elastic is None:
            return (0, 0, 0)
        return tuple(int((side - 1) / elastic.spacing_mm) + 4 for side in self.region_vox)

    def _warp(self, drawn: Drawn, mirrored: ndarray, sides: TripleVox) -> Warped | None:
        affine, elastic = drawn.get("affine"), drawn.get("elastic")
        if affine is None and elastic is None:
            return None
        rows = _union(affine, elastic)
        matrix = np.tile(np.eye(3, dtype=np.float32), (len(rows), 1, 1))
        shift = np.zeros((len(rows), 3), dtype=np.float32)
        bent = steps = None
        if affine:
            places = rows.searchsorted(affine[0])
            matrix[places], shift[places] = affine_of(self.parts["affine"], affine[1], sides)
        matrix *= np.where(mirrored[rows], np.float32(-1), np.float32(1))[:, None, :]
        if elastic:
            steps = (elastic[1] * 2 - 1).reshape(-1, 3, *self._points())
            steps = torch.from_numpy(steps * np.float32(self.parts["elastic"].displacement_mm))
            bent = torch.from_numpy(rows.searchsorted(elastic[0]))
        return Warped(*map(torch.from_numpy, (rows, matrix, shift)), bent, steps)

    def _bias(self, drawn: Drawn) -> Gains | None:
        if "bias_field" not in drawn:
            return None
        (rows, values), field = drawn["bias_field"], self.parts["bias_field"]
        count = field.order + 1
        total = np.indices((count, count, count)).sum(axis=0)
        values = (values * 2 - 1).reshape(-1, self.num_contrasts, count, count, count)
        values *= np.float32(field.coefficients) * (total <= field.order)
        return Gains(torch.from_numpy(rows), torch.from_numpy(values))

    def _motion(self, drawn: Drawn, sides: TripleVox) -> Moved | None:
        if "motion" not in drawn:
            return None
        (rows, values), motion = drawn["motion"], self.parts["motion"]
        degrees, shift, times = motion_of(motion, values, sides)
        parts = rows, scanner_rotation(np.deg2rad(degrees)), shift * LPS
        return Moved(*map(torch.from_numpy, (*parts, segment_maps(times, sides[2]))))

    def _ghosts(self, drawn: Drawn, sides: TripleVox) -> Mixed | None:
        if "ghosting" not in drawn:
            return None
        rows, values = drawn["ghosting"]
        axis, count, strength, restored = ghosting_of(self.parts["ghosting"], values, sides)
        along = [ghosting_map(side, count, strength, restored) for side in sides]
        return _mixed(rows, _where_axis(axis, along))

    def _mixed(self, drawn: Drawn, sides: TripleVox) -> Mixed | None:
        coarse, blurred = drawn.get("low_resolution"), drawn.get("blur")
        if coarse is None and blurred is None:
            return None
        rows = _union(coarse, blurred)
        along = [np.tile(np.eye(side, dtype=np.float32), (len(rows), 1, 1)) for side in sides]
        if coarse:
            places = rows.searchsorted(coarse[0])
            axis, factor = low_resolution_of(self.parts["low_resolution"], coarse[1])
            maps = _where_axis(axis, [low_resolution_map(side, factor) for side in sides])
            for whole, own in zip(along, maps, strict=True):
                whole[places] = own
        if blurred:
            places, sigmas = rows.searchsorted(blurred[0]), blur_of(self.parts["blur"], blurred[1])
            for whole, sigma in zip(along, sigmas, strict=True):
                whole[places] = blurring_map(whole.shape[1], sigma) @ whole[places]
        return _mixed(rows, along)

    def _noise(self, drawn: Drawn, seeds: Seeds) -> Grains | None:
        if "noise" not in drawn:
            return None
        (rows, values), noise = drawn["noise"], self.parts["noise"]
        mean, sd = map(torch.from_numpy, noise_of(noise, values))
        return Grains(torch.from_numpy(rows), mean, sd, tuple(seeds[row][1] for row in rows))

    def _gamma(self, drawn: Drawn) -> Powers | None:
        if "gamma" not in drawn:
            return None
        rows, values = drawn["gamma"]
        gamma, sign = gamma_of(self.parts["gamma"], values)
        return Powers(*map(torch.from_numpy, (rows, gamma, sign)))

    def _scaled(self, drawn: Drawn) -> Scaled | None:
        if "scale_shift" not in drawn:
            return None
        rows, values = drawn["scale_shift"]
        return Scaled(*map(torch.from_numpy, (rows, *self.parts["scale_shift"].scales(values))))

    def _dropped(self, drawn: Drawn) -> Dropped | None:
        if "contrast_dropout" not in drawn:
            return None
        rows, values = drawn["contrast_dropout"]
        gone = self.parts["contrast_dropout"].dropped(values)
        return Dropped(torch.from_numpy(rows), torch.from_numpy(gone))


def _mixed(rows: Integer[ndarray, " n"], along: Sequence[ndarray]) -> Mixed:
    return Mixed(torch.from_numpy(rows), tuple(map(torch.from_numpy, along)))


def _where_axis(axis: ndarray, along: Sequence[ndarray]) -> list[ndarray]:
    """Return maps along the selected axis of each patch, and identity along the other axes."""
    return [
        np.where((axis == number)[:, None, None], maps, np.eye(maps.shape[1], dtype=np.float32))
        for number, maps in enumerate(along)
    ]


def _union(*drawn: tuple[ndarray, ndarray] | None) -> Integer[ndarray, " n"]:
    """Return the patches to which at least one of the transforms is applied, ascending."""
    return np.unique(np.concatenate([rows for rows, _ in filter(None, drawn)]))


def _refuse(name: str, found: str) -> None:
    raise DataError(
        f"augment.{name}: found {found}, which only TorchIO's own transform has; set "
        "data.patches=queue, or leave it out"
    )
