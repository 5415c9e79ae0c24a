"""Boxes around a target: from its mask, from a localiser, and with random errors for training.

A box has its centre in world mm and its sides along the scan's canonical axes, so that it is the
same on the coarse grid of the localiser and on the fine grid of the region.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Real
from numpy import ndarray

from neurotarget.data.scans.geometry import Grid
from neurotarget.types import Roi, Triple


@dataclass(frozen=True, slots=True)
class Box:
    """Centre in world mm, sides in mm along the canonical axes of its scan."""

    centre_mm: Triple
    size_mm: Triple

    def roi(self, *, margin_mm: float, least_mm: Triple, room_mm: Triple = (0, 0, 0)) -> Roi:
        """Make the region of interest: the box with margins, at least `least_mm`, plus `room_mm`.

        Args:
            margin_mm: added at both ends of each side.
            least_mm: least sides of the region, before the room is added.
            room_mm: added to each side, half at either end.
        """
        sides = np.maximum(np.array(self.size_mm) + 2 * margin_mm, least_mm) + np.array(room_mm)
        return Roi(_triple(sides), "world", self.centre_mm)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of a data set's cases, and the errors of a localiser on unseen subjects.

    `of_masks` are the boxes of the masks, `located` those of a localiser that was not trained on
    the case; None where the localiser lacks confidence. `errors_mm` has a row per case with a
    confident box: located minus mask box, for the centre along the three axes and for the three
    sides.
    """

    margin_mm: float
    least_mm: Triple
    of_masks: Mapping[str, Box | None]
    located: Mapping[str, Box | None]
    errors_mm: tuple[tuple[float, ...], ...]

    @property
    def reach_mm(self) -> Triple:
        """Length in mm by which a region's sides must exceed a box to hold every jittered box."""
        if not self.errors_mm:
            return (0.0, 0.0, 0.0)
        errors = np.abs(np.array(self.errors_mm))
        return _triple(2 * errors[:, :3].max(axis=0) + errors[:, 3:].max(axis=0))

    def roi_of(self, case_id: str, *, trains: bool, otherwise: Roi | None) -> Roi | None:
        """Return the region of a case to prepare: large for training, else around the located box.

        A training case without a mask uses its located box; a case with neither is prepared in the
        region `otherwise`, as in prediction.

        Args:
            case_id: of the case.
            trains: whether the case is used for training; its region then holds every jittered box.
            otherwise: region of a case without a box; None for the whole scan.
        """
        least = {"margin_mm": self.margin_mm, "least_mm": self.least_mm}
        if trains and (box := self.of_masks.get(case_id)) is not None:
            return box.roi(**least, room_mm=self.reach_mm)
        box = self.located.get(case_id)
        return otherwise if box is None else box.roi(**least)

    def sample(
        self, case_id: str, grid: Grid, rng: np.random.Generator
    ) -> tuple[ndarray, ndarray] | None:
        """Jitter the box of a case by a random error of the localiser: first voxel and sides (3,).

        None if the case has no mask box; its box is then the whole prepared volume.

        Args:
            case_id: of the case.
            grid: working grid of the prepared case.
            rng: random numbers of the draw. It selects one of the localiser's errors, and
                the signs of the three offsets of its centre.
        """
        box = self.of_masks.get(case_id)
        if box is None:
            return None
        error = np.zeros(6)
        if self.errors_mm:
            error = np.array(self.errors_mm[rng.integers(len(self.errors_mm))])
            error[:3] *= rng.choice([-1.0, 1.0], 3)  # too few errors to estimate a bias
        spacing = np.array(grid.spacing_mm)
        size = np.array(box.size_mm) + error[3:] + 2 * self.margin_mm
        sides = np.round(np.maximum(size, self.least_mm) / spacing).astype(int)
        centre = np.linalg.inv(grid.work_affine) @ [*box.centre_mm, 1.0]
        low = np.round(centre[:3] + error[:3] / spacing - (sides - 1) / 2).astype(int)
        return low, sides

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: mask boxes under `drawn`, located boxes under `found`."""
        return {
            "margin_mm": self.margin_mm,
            "least_mm": list(self.least_mm),
            "drawn": {name: _plain(box) for name, box in self.of_masks.items()},
            "found": {name: _plain(box) for name, box in self.located.items()},
            "errors_mm": [list(error) for error in self.errors_mm],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Boxes":
        """Read what `as_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: the values have another form.
        """
        return cls(
            float(values["margin_mm"]),
            _triple(values["least_mm"]),
            {name: _box(box) for name, box in values["drawn"].items()},
            {name: _box(box) for name, box in values["found"].items()},
            tuple(tuple(float(part) for part in error) for error in values["errors_mm"]),
        )


def mask_box(mask: Bool[ndarray, "I J K"], grid: Grid) -> Box | None:
    """Return the box of the marked voxels of a working grid; None without marked voxels."""
    if not mask.any():
        return None
    spans = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    low, high = np.array([[span[0], span[-1]] for span in spans]).T
    centre = grid.work_affine @ [*((low + high) / 2), 1.0]
    return Box(_triple(centre[:3]), _triple((high - low + 1) * np.array(grid.spacing_mm)))


def box_error_mm(box: Box, true: Box, grid: Grid) -> tuple[float, ...]:
    """Return box minus true box: centre along the grid's axes, then sides; six lengths in mm."""
    axes = grid.work_affine[:3, :3] / np.array(grid.spacing_mm)
    centre = np.linalg.solve(axes, np.subtract(box.centre_mm, true.centre_mm))
    return tuple(float(part) for part in [*centre, *np.subtract(box.size_mm, true.size_mm)])


def share_inside(box: Box, cut: Box, grid: Grid) -> float:
    """Return the share of a box that lies inside another box `cut`, 0 to 1."""
    offset_mm = np.abs(box_error_mm(cut, box, grid)[:3])
    sides, room = np.array(box.size_mm), np.array(cut.size_mm)
    shared = np.clip((sides + room) / 2 - offset_mm, 0, np.minimum(sides, room))
    return float(np.prod(shared / sides))


def _plain(box: Box | None) -> dict[str, Sequence[float]] | None:
    return None if box is None else {"centre_mm": box.centre_mm, "size_mm": box.size_mm}


def _box(values: Mapping[str, Sequence[float]] | None) -> Box | None:
    if values is None:
        return None
    return Box(_triple(values["centre_mm"]), _triple(values["size_mm"]))


def _triple(values: Real[ndarray, "3"] | Sequence[float]) -> Triple:
    first, second, third = (float(value) for value in values)
    return first, second, third
