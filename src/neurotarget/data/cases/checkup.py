"""Check of one case, voxel by voxel: problems of its files, and volumes of its labels."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from neurotarget.data.labels import (
    ClassOfId,
    cut_labels,
    label_values,
    outside_table,
    rounded_labels,
    to_classes,
)
from neurotarget.data.scans.film_views import View, view_of
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.data.scans.volume import (
    FLAT,
    Volume,
    counted_for,
    inspect_volume,
    same_grid,
    shifted_grid,
    sized_as,
)
from neurotarget.data.sides.wrong_side import centres_right_mm, on_wrong_side
from neurotarget.number_text import unit_text
from neurotarget.problems import DataError, Problem, error, some, warning
from neurotarget.types import Case, Target


class Checkup(NamedTuple):
    """Result of reading each file of a case once."""

    problems: list[Problem]
    label_mm3: Mapping[str, float] | None  # None without a readable label; px or mm² of pictures
    right_mm: Mapping[str, float]  # position of each label's centre along left–right
    is_small: bool  # smaller than the target's patch
    off_grid: tuple[str, ...]  # contrasts on another grid than the first, if there is no target
    digest: str  # of the voxels of the first image, else of the label
    raters: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {}  # mm³ and right_mm
    cut: tuple[str, ...] = ()  # labels next to ignored voxels, where they may continue
    view: View | None = None  # of the first image, if it is a picture


def check_case(case: Case, target: Target | None, mapping: ClassOfId | None) -> Checkup:
    """Read a case's images and label once and list all problems.

    Args:
        case: its files.
        target: grid, labels and plausible sizes; without it only the files are checked.
        mapping: that of `class_of_id`; without it label values only need to be whole numbers.
    """
    checkup, _ = examine(case, target, mapping)
    if target is None or mapping is None:
        return checkup
    wrong = label_problems(case, checkup.label_mm3, checkup.right_mm, target, checkup.cut)
    wrong += rater_problems(case, checkup.raters, target)
    return checkup._replace(problems=[*checkup.problems, *wrong])


def examine(
    case: Case, target: Target | None, mapping: ClassOfId | None
) -> tuple[Checkup, dict[str, Volume]]:
    """Check the files of a case, without the target's rules on sizes and sides of masks.

    Masks of further raters are checked only if masks are required: without a target, or with a
    `mapping` of ids to classes.

    Returns:
        The checkup, and the volumes that could be read: each contrast by its name, and the
        reference mask as `label`.
    """
    volumes, off_grid, problems = _read_images(case, target)
    label_mm3, right_mm, cut, known = None, {}, (), {"target": target, "mapping": mapping}
    if case.label is not None:
        label, label_mm3, right_mm, cut, wrong = _read_mask(case, "label", volumes, **known)
        problems += wrong
        if label is not None:
            volumes["label"] = label
    raters = {}
    for name in case.raters if target is None or mapping is not None else ():
        theirs = replace(case, label=case.raters[name])
        _, *found, wrong = _read_mask(theirs, f"label_{name}", volumes, **known)
        problems += wrong
        if found[0] is not None:
            raters[name] = tuple(found[:2])
    first = next(iter(volumes.values()), None)
    is_placed = first is not None and first.is_placed
    is_small = is_placed and target is not None and _is_small(first, target)
    digest = _digest(first.array) if first is not None else ""
    is_picture = first is not None and target is not None and target.is_flat
    view = view_of(first.array) if is_picture else None
    facts = (label_mm3, right_mm, is_small, tuple(off_grid), digest, raters, cut, view)
    return Checkup(problems, *facts), volumes


def rater_problems(
    case: Case,
    raters: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]],
    target: Target,
) -> list[Problem]:
    """Find problems of size and side in the masks of further raters.

    Args:
        case: its raters' files.
        raters: sizes and positions of the labels in each rater's mask, see `Checkup.raters`.
        target: plausible sizes and pairs.
    """
    return [
        problem
        for name, (label_mm3, right_mm) in raters.items()
        for problem in label_problems(
            replace(case, label=case.raters[name]), label_mm3, right_mm, target
        )
    ]


def label_problems(
    case: Case,
    label_mm3: Mapping[str, float] | None,
    right_mm: Mapping[str, float],
    target: Target,
    cut: Collection[str] = (),
) -> list[Problem]:
    """Check a mask against the target: whether it is empty, its sizes and its sides.

    Args:
        case: named in the messages.
        label_mm3: size of each label, in the unit of `target.size_units`; None without a readable
            mask gives no problem.
        right_mm: position of each label along left–right; labels without one are not compared.
        target: plausible sizes and pairs.
        cut: labels that may continue in ignored voxels; they are never reported as too small.
    """
    if label_mm3 is None:
        return []
    if not any(label_mm3.values()):
        return [] if _may_be_empty(target) else [_empty(case)]
    return [*_check_sizes(case, label_mm3, target, cut), *_check_sides(case, right_mm, target)]


def _read_mask(
    case: Case,
    name: str,
    volumes: Mapping[str, Volume],
    *,
    target: Target | None,
    mapping: ClassOfId | None,
) -> tuple[
    Volume | None, dict[str, float] | None, dict[str, float], tuple[str, ...], list[Problem]
]:
    """Read the mask in `case.label`; return it, the result of `_measure_label`, and problems."""
    label, problems = inspect_volume(case.label, case_id=case.case_id)
    if label is None:
        return None, None, {}, (), problems
    label = sized_as(counted_for(label, target), next(iter(volumes.values()), None))
    own = volumes if target is not None else _nearest(label, volumes)
    problems += _check_grid(case, name, label, own)
    *measured, wrong = _measure_label(case, label, target, mapping)
    problems += rounded_labels(label.array, case_id=case.case_id, file=str(case.label))
    return label, *measured, [*problems, *wrong]


def _read_images(
    case: Case, target: Target | None
) -> tuple[dict[str, Volume], list[str], list[Problem]]:
    """Contrasts that could be read, those on another grid than the first, and problems."""
    volumes: dict[str, Volume] = {}
    off_grid, problems = [], []
    for contrast, path in case.images.items():
        volume, wrong = inspect_volume(path, case_id=case.case_id)
        problems += wrong
        if volume is None:
            continue
        volume = counted_for(volume, target)
        if target is not None:
            problems += _check_dimensions(case, volume, target, str(path))
        if volume.array.min() == volume.array.max():
            found, todo = "one value in all voxels", "export the image again"
            problems.append(warning(found, "an image", todo, case_id=case.case_id, file=path))
        if target is not None and target.size_vox is not None:
            pass  # each series may have a grid of its own
        elif target is not None:
            problems += _check_grid(case, contrast, volume, volumes)
        elif not _shares_grid(volume, list(volumes.values())[:1]):
            off_grid.append(contrast)
        volumes[contrast] = volume
    return volumes, off_grid, problems


def _check_dimensions(case: Case, volume: Volume, target: Target, file: str) -> list[Problem]:
    """Find a volume where the target is of pictures, and a picture where it is of volumes."""
    shape, place = volume.array.shape, {"case_id": case.case_id, "file": file}
    found = f"a scan of {' × '.join(map(str, shape))} voxels"
    if target.is_flat and volume.is_placed:
        sides = whole_grid(shape, volume.affine, volume.spacing_mm).canonical_shape
        if sides[2] > 1:
            todo = "write each slice as a picture, or give the target spacing_mm and 3 dimensions"
            return [error(found, "a picture, of one slice along the third axis", todo, **place)]
        if target.spacing_px is None and not volume.is_sized:
            todo = "give the target spacing_px, so that sizes are in pixels"
            return [error("a picture without the size of a pixel", "a size in mm", todo, **place)]
    elif file.lower().endswith(FLAT) and 1 not in target.patch_vox:
        wanted = f"a volume for patches of {' × '.join(map(str, target.patch_vox))} voxels"
        todo = "give NIfTI or a folder of DICOM, or a target with spacing_px for pictures"
        return [error("a file of one slice", wanted, todo, **place)]
    return []


def _shares_grid(volume: Volume, others: Sequence[Volume]) -> bool:
    placed = [other for other in others if other.is_placed]
    # a broken affine has been reported: there is no grid to compare
    return not placed or not volume.is_placed or any(same_grid(other, volume) for other in placed)


def _nearest(label: Volume, volumes: Mapping[str, Volume]) -> Mapping[str, Volume]:
    """Put the image with the mask's grid first; without a target any image may have this grid."""
    on_it = [name for name, volume in volumes.items() if _shares_grid(label, [volume])]
    return {name: volumes[name] for name in (*on_it[:1], *volumes)}


def _check_grid(
    case: Case, name: str, volume: Volume, others: Mapping[str, Volume]
) -> list[Problem]:
    placed = {key: other for key, other in others.items() if other.is_placed}
    file = case.images.get(name, case.label)
    if _shares_grid(volume, list(placed.values())[:1]):
        place = {"case_id": case.case_id, "file": str(file)}
        return [
            problem
            for reference, first in list(placed.items())[:1]
            for problem in shifted_grid(first, volume, reference, **place)
        ]
    reference, first = next(iter(placed.items()))
    has, wanted = (" × ".join(map(str, item.array.shape)) for item in (volume, first))
    if has == wanted:
        differences = np.abs(volume.affine - first.affine)[:3].max(axis=1).round(3).tolist()
        has, wanted = f"{has} voxels elsewhere (affines differ by {differences})", "one affine"
    else:
        has, wanted = f"{has} voxels", f"{wanted} voxels, as {reference} has"
    todo = f"resample the {name} to the grid of {reference}"
    return [error(f"a grid of {has}", wanted, todo, case_id=case.case_id, file=file)]


def _measure_label(
    case: Case, label: Volume, target: Target | None, mapping: ClassOfId | None
) -> tuple[dict[str, float] | None, dict[str, float], tuple[str, ...], list[Problem]]:
    """Volume in mm³ and position in mm to the right of each label (of each id without a target).

    Also returns the labels next to ignored voxels, and problems.
    """
    file = str(case.label)
    voxel_mm3 = abs(float(np.linalg.det(label.affine[:3, :3]))) if label.is_placed else None
    try:
        if target is None or mapping is None:
            values = label_values(label.array, case_id=case.case_id, file=file)
            if voxel_mm3 is None:
                return None, {}, (), []
            label_mm3 = {str(value): voxel_mm3 for value in values.tolist() if value}
            return label_mm3, {}, (), [] if label_mm3 else [_empty(case)]
        classes = to_classes(label.array, mapping, case_id=case.case_id, file=file)
    except DataError as wrong:
        return None, {}, (), list(wrong.problems)
    if voxel_mm3 is None:
        return None, {}, (), []
    counts = np.bincount(classes.ravel(order="K"), minlength=target.num_labels)
    sizes = (counts[1 : target.num_labels] * voxel_mm3).tolist()
    label_mm3 = dict(zip(target.label_names, sizes, strict=True))
    centres = centres_right_mm(classes, label.affine, target.num_labels).tolist()[1:]
    places = zip(target.label_names, centres, strict=True) if label.is_oriented else ()
    right_mm = {name: place for name, place in places if not math.isnan(place)}
    unlisted = outside_table(label.array, mapping, target, case_id=case.case_id, file=file)
    return label_mm3, right_mm, cut_labels(classes, target), unlisted


def _check_sizes(
    case: Case, label_mm3: Mapping[str, float], target: Target, cut: Collection[str]
) -> list[Problem]:
    place = {"case_id": case.case_id, "file": str(case.label)}
    problems, absent = [], []
    for name, size in label_mm3.items():
        low, high = target.size_ranges.get(name, (1e-9, np.inf))
        low = min(low, 1e-9) if name in cut else low
        if size == 0 and low > 0:
            absent.append(name)
        elif not low <= size <= high:
            unit = unit_text(target.size_units.unit)
            found = f"{size:.0f} {unit} of {name}"
            todo = "look at the mask; the case stays in"
            problems.append(warning(found, f"{low:.0f} to {high:.0f} {unit}", todo, **place))
    if absent:
        found = f"no voxel of {some(absent)}"
        problems.append(warning(found, "all labels", "look at the mask", **place))
    return problems


def _check_sides(case: Case, right_mm: Mapping[str, float], target: Target) -> list[Problem]:
    """Find left labels on the right side, and right labels on the left side."""
    if found := on_wrong_side(right_mm, target.pairs):
        todo = "swap the ids, or correct the orientation in the header"
        place = {"case_id": case.case_id, "file": str(case.label)}
        return [warning(some(found, 4), "the left on the left", todo, **place)]
    return []


def _empty(case: Case) -> Problem:
    todo = "draw the mask, or leave the label out"
    place = {"case_id": case.case_id, "file": str(case.label)}
    return error("an empty label", "a voxel of the target", todo, **place)


def _may_be_empty(target: Target) -> bool:
    """Return whether a size of 0 is plausible for each label, as for lesions."""
    return all(target.size_ranges.get(name, (1.0,))[0] <= 0 for name in target.label_names)


def _is_small(volume: Volume, target: Target) -> bool:
    if target.size_vox is not None:
        return False
    sides = whole_grid(volume.array.shape, volume.affine, target.spacing_mm).shape
    if target.roi is not None:
        box = (
            size / side for size, side in zip(target.roi.size_mm, target.spacing_mm, strict=True)
        )
        sides = tuple(min(side, round(edge)) for side, edge in zip(sides, box, strict=True))
    return any(side < patch for side, patch in zip(sides, target.patch_vox, strict=True))


def _digest(array: ndarray) -> str:
    # transposed: files are stored with the first axis fastest, so this makes no copy
    return hashlib.blake2b(np.ascontiguousarray(array.T), digest_size=16).hexdigest()
