"""The values of a data set's masks: names, volumes, places, pieces, and left/right pairs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.anatomy.structures import structures
from neurotarget.data.attempts import attempts
from neurotarget.data.batches.placement import Placed, measure_mask
from neurotarget.data.batches.roi import grid_spacing_mm
from neurotarget.data.labels import label_values
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.data.scans.volume import read_volume, same_grid
from neurotarget.data.tables.label_tables import label_tables
from neurotarget.pieces import CORNERS
from neurotarget.problems import DataError, some
from neurotarget.types import Case, Manifest, Triple

MOST_CASES = 24  # whose masks are measured, one per subject
NAMED_BY_FREESURFER = 5  # least number of values, all of FreeSurfer's table, to be called so
# two unnamed labels are a pair if they mirror each other at their common middle
MIRROR_MM, ALIKE = 10.0, 1.5  # difference of height and depth; ratio of the volumes
SIDES = {"left": "right", "lh": "rh", "l": "r"}
WORD = re.compile(r"(?:(?<=^)|(?<=[\s_.-]))(left|right|lh|rh|l|r)(?=$|[\s_.-])", re.IGNORECASE)


class Found(NamedTuple):
    """A value in one mask: volume, centroid, and number of pieces connected over corners."""

    volume_mm3: float
    centre_mm: Float[ndarray, "3"]  # RAS+
    pieces: int


class Measured(NamedTuple):
    """The masks of one case: every value but 0 by its number, on the grid of the mask."""

    case_id: str
    spacing_mm: Triple  # along canonical axes
    shape: tuple[int, ...]  # in canonical order
    found: dict[int, Found]  # by value


def selected_cases(manifest: Manifest) -> list[Case]:
    """Cases with a mask and a scan, one per subject; an even selection if there are many.

    Raises:
        DataError: there is none.
    """
    by_subject = {case.subject_id: case for case in manifest.cases if case.label and case.images}
    if not by_subject:
        raise DataError(
            f"{manifest.source}: found no case with a scan and a mask, wanted at least one; add a "
            "column label, or give two folders, of scans and of masks"
        )
    many = list(by_subject.values())
    places = np.linspace(0, len(many) - 1, min(MOST_CASES, len(many))).round().astype(int)
    return [many[place] for place in places]


def measure_labels(cases: Sequence[Case]) -> list[Measured]:
    """Measure every value but 0 of the masks of cases, in their order.

    Raises:
        DataError: a mask cannot be read, is a picture, or has values that are negative or not
            whole; all such cases in one.
    """
    with attempts(_measured, cases, workers=2) as results:
        done = list(results)
    wrong = [str(one) for one in done if not isinstance(one, Measured)]
    if wrong:
        raise DataError(wrong)
    return done


def placed(cases: Sequence[Case], values: Sequence[int]) -> list[Placed]:
    """Position of the union of some values in the scan of each case that has them.

    Cases whose mask is on another grid than the scan, or cannot be read, are left out.
    """

    def one(case: Case) -> Placed | None:
        """Position in one case; None where scan and mask are on different grids."""
        scan, mask = read_volume(next(iter(case.images.values()))), read_volume(case.label)
        if not same_grid(scan, mask):
            return None
        grid = whole_grid(scan.array.shape, scan.affine, (1.0, 1.0, 1.0))
        chosen = np.isin(np.rint(mask.array).astype(np.int64), values)
        return measure_mask(chosen, scan.array, grid, case_id=case.case_id)

    with attempts(one, cases, workers=2) as results:
        return [found for found in results if isinstance(found, Placed)]


def names_of(values: Sequence[int], manifest: Manifest) -> tuple[dict[int, str], str]:
    """Name of each value, and where the names are from; `label_<value>` without a table.

    Names are taken from the tables next to the data, its dataset.json or dseg.tsv, or FreeSurfer's
    table if that has all values and there are at least five.

    Args:
        values: in the masks, without 0.
        manifest: of the data set.

    Returns:
        Names by value, and the source as a word for a comment, "" without one.
    """
    for path, names in label_tables(Path(manifest.source)).items():
        known = {number: name for name, ids in names.items() for number in ids}
        if {*values} & {*known}:
            return {one: known.get(one, f"label_{one}") for one in values}, path.name
    known = {number: name for name, number in (manifest.label_ids or {}).items()}
    if {*values} & {*known}:
        return {one: known.get(one, f"label_{one}") for one in values}, "the data set"
    if len(values) >= NAMED_BY_FREESURFER and {*values} <= {*structures()}:
        return {one: structures()[one].name for one in values}, "FreeSurfer's table"
    return {one: f"label_{one}" for one in values}, ""


def pairs_by_name(names: Mapping[int, str]) -> list[tuple[int, int]]:
    """Left and right values whose names differ only in left and right, lh and rh, or L and R.

    The left one comes first in each pair.
    """
    by_name = {name.casefold(): value for value, name in names.items()}
    pairs = []
    for name, value in by_name.items():
        other = by_name.get(WORD.sub(lambda match: SIDES.get(match[1], match[1]), name))
        if other is not None and other != value:
            pairs.append((value, other))
    return pairs


def pairs_by_place(measured: Sequence[Measured], values: Sequence[int]) -> list[tuple[int, int]]:
    """Left and right values that mirror each other in every case; left is x < 0 in RAS+.

    Both must have one partner only. With two values, their common middle is the plane; with more,
    it is that of all values.

    Only `values` that no name has paired should be given. The left one comes first in each pair.
    """
    centres = {one: _mean(measured, one) for one in values}
    middle = float(np.median([centre[0] for centre in centres.values()])) if centres else 0.0
    fits = {}
    for first in values:
        for second in values:
            (x, y, z), (u, v, w) = centres[first], centres[second]
            is_mirrored = abs((x + u) / 2 - middle) < MIRROR_MM and x < u - MIRROR_MM
            near = abs(y - v) < MIRROR_MM and abs(z - w) < MIRROR_MM
            sizes = sorted(_mean_mm3(measured, one) for one in (first, second))
            if is_mirrored and near and sizes[1] <= ALIKE * sizes[0]:
                fits.setdefault(first, []).append(second)
    taken = [second for seconds in fits.values() for second in seconds]
    return [
        (first, seconds[0])
        for first, seconds in fits.items()
        if len(seconds) == 1 and taken.count(seconds[0]) == 1
    ]


def wrong_sides(measured: Sequence[Measured], pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Cases in which the left value of a pair lies to the right of the right one."""
    return [
        one.case_id
        for one in measured
        if any(
            {left, right} <= {*one.found}
            and one.found[left].centre_mm[0] > one.found[right].centre_mm[0]
            for left, right in pairs
        )
    ]


def extent_mm(positions: Sequence[Placed]) -> Float[ndarray, "3"]:
    """Largest sides of the boxes around the masks along canonical axes, in mm."""
    faces = np.array([next(iter(one.faces_mm.values())) for one in positions])
    return (faces[:, 1] - faces[:, 0]).max(axis=0)


def _measured(case: Case) -> Measured:
    volume = read_volume(case.label, case_id=case.case_id)
    if not volume.is_sized:
        raise DataError(
            f"{case.case_id}: {case.label}: found a picture, wanted a label map in 3-D; copy "
            "conf/target/lungs.yaml for pictures"
        )
    values = label_values(volume.array, case_id=case.case_id, file=str(case.label))
    if (values < 0).any():
        found = some(values[values < 0].tolist())
        raise DataError(f"{case.case_id}: {case.label}: found the values {found}, wanted 0 or more")
    grid = whole_grid(volume.array.shape, volume.affine, (1.0, 1.0, 1.0))
    labels = np.rint(volume.array).astype(np.int64)
    voxel_mm3 = float(np.prod(volume.spacing_mm))
    boxes = ndimage.find_objects(np.searchsorted(values, labels) + 1)
    places = dict(zip(values.tolist(), boxes, strict=True))
    found = {
        value: _found(labels, value, places[value], volume.affine, voxel_mm3)
        for value in values[values > 0].tolist()
    }
    spacing = grid_spacing_mm(grid.canonical_affine)
    return Measured(case.case_id, spacing, grid.canonical_shape, found)


def _found(
    labels: Integer[ndarray, "I J K"],
    value: int,
    box: tuple[slice, ...],
    affine: Float[ndarray, "4 4"],
    voxel_mm3: float,
) -> Found:
    mask = labels[box] == value
    centre = np.argwhere(mask).mean(axis=0) + [side.start for side in box]
    pieces = ndimage.label(mask, structure=CORNERS)[1]
    return Found(mask.sum() * voxel_mm3, affine[:3, :3] @ centre + affine[:3, 3], int(pieces))


def _mean(measured: Sequence[Measured], value: int) -> ndarray:
    return np.mean([one.found[value].centre_mm for one in measured if value in one.found], axis=0)


def _mean_mm3(measured: Sequence[Measured], value: int) -> float:
    return float(np.mean([one.found[value].volume_mm3 for one in measured if value in one.found]))
