"""Marks of films against reference masks, and maps of activations against boxes of findings."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import counted_for, read_volume
from neurotarget.data.series.knee_boxes import Box, of_finding, read_boxes
from neurotarget.inference.outcome_table import MARK_COLUMNS, marks_path
from neurotarget.inference.predict_outcomes import activation_path
from neurotarget.metrics.masks.position import Hit, hit_of
from neurotarget.pieces import CORNERS
from neurotarget.problems import DataError, error, refuse_errors, some
from neurotarget.stats.tables.findings import FilmMarks
from neurotarget.studies.study_inputs import Material

PLACE = list(MARK_COLUMNS[:3])


class Hits(NamedTuple):
    """Maps against boxes: one row per case and label, and the number of cases without a map.

    `hit` and `slice_hit` state whether the highest place of the map lies in a box, or on a slice
    with a box; `chance` is the probability of a hit by a random place.
    """

    table: pd.DataFrame  # label, case_id, subject, hit, slice_hit, chance
    n_missing: int


class Reference(NamedTuple):
    """The findings of a film, numbered from 1, and the sides of a pixel.

    `findings` has 0 where there is none; `count` is their number.
    """

    findings: Integer[ndarray, "I J K"]
    count: int
    spacing: Float[ndarray, "3"]  # in the unit of the target's tolerance


def film_marks(material: Material) -> FilmMarks | None:
    """Marks of the films with a reference mask, with the finding that each of them meets.

    A mark meets the nearest finding within the target's surface tolerance. Findings are pieces of
    the reference mask, connected over corners. A film whose mask was not predicted has no marks.
    None without marks, or where no film has a finding.
    """
    target, folder = material.measured.target, material.predictions
    if target.image_score is None or folder is None or not any(folder.glob("*_marks.tsv")):
        return None
    films, lines = [], []
    for case_id in material.measured.covariates.index:
        reference = _reference(material, case_id)
        if reference is None:
            continue
        films.append((case_id, str(material.measured.subjects[case_id]), reference.count))
        table = _marks(material, case_id, reference.findings.shape)
        places = table[PLACE].to_numpy(int)
        met = met_findings(places, reference, target.surface_tolerance)
        lines += [(case_id, p, n) for p, n in zip(table["probability"], met, strict=True)]
    marks = FilmMarks(
        pd.DataFrame(films, columns=["case_id", "subject", "findings"]),
        pd.DataFrame(lines, columns=["case_id", "probability", "finding"]),
        len(material.measured.covariates) - len(films),
    )
    return marks if marks.films["findings"].sum() else None


def met_findings(
    places: Integer[ndarray, "M 3"], reference: Reference, tolerance: float
) -> Integer[ndarray, " M"]:
    """Number of the finding that each mark meets, 0 for none.

    Args:
        places: voxel of each of M marks.
        reference: findings of the film.
        tolerance: largest distance of a mark from a finding, in the unit of the spacing.
    """
    if not len(places) or not reference.count:
        return np.zeros(len(places), dtype=int)
    away, nearest = ndimage.distance_transform_edt(
        reference.findings == 0, sampling=reference.spacing, return_indices=True
    )
    at = tuple(places.T)
    number = reference.findings[tuple(axis[at] for axis in nearest)]
    return np.where(away[at] <= tolerance, number, 0)


def activation_hits(material: Material) -> Hits | None:
    """Compare maps of activations with boxes, of cases that have a box; None without boxes.

    Raises:
        DataError: the boxes cannot be read, lie outside of a case, or belong to no case here.
    """
    if material.boxes is None or material.predictions is None:
        return None
    boxes, lines, problems, paths = read_boxes(material.boxes), [], [], []
    for label, case_id, own in _boxed_cases(material, boxes):
        path = activation_path(material.predictions, case_id, label)
        paths.append(path)
        if not path.is_file():
            continue
        activation = read_volume(path, case_id=case_id).array
        finding, wrong = _boxed(own, activation.shape)
        if wrong:
            problems.append(error(*wrong, case_id=case_id, file=material.boxes))
            continue
        subject = str(material.measured.subjects[case_id])
        lines.append((label, case_id, subject, *hit_of(activation, finding)))
    refuse_errors(problems)
    if not paths:
        wanted, todo = "names of cases of this run", "correct them, or leave boxes= out"
        raise DataError(error(f"the files {some(boxes)}", wanted, todo, file=material.boxes))
    columns = ["label", "case_id", "subject", *Hit._fields]
    return Hits(pd.DataFrame(lines, columns=columns), len(paths) - len(lines))


def _boxed_cases(
    material: Material, boxes: dict[str, list[Box]]
) -> Iterator[tuple[str, str, list[Box]]]:
    """Label, case and boxes of its finding, for every outcome of classes."""
    for outcome in material.measured.target.outcomes:
        own = of_finding(boxes, outcome.name) if outcome.is_class else {}
        for case_id in material.measured.covariates.index:
            if case_id in own:
                yield outcome.labels[-1], case_id, own[case_id]


def _boxed(
    boxes: Sequence[Box], shape: tuple[int, ...]
) -> tuple[Bool[ndarray, "I J K"], tuple[str, str, str] | None]:
    """Voxels of boxes, and what is wrong with one that lies outside: found, wanted, what to do."""
    voxels = np.zeros(shape, dtype=bool)
    for box in boxes:
        if box.x + box.width > shape[0] or box.y + box.height > shape[1] or box.slice >= shape[2]:
            found = f"a box up to column {box.x + box.width}, row {box.y + box.height}, slice "
            todo = "use the scans that were marked"
            wanted = " × ".join(map(str, shape))
            return voxels, (f"{found}{box.slice}", f"a place on {wanted} voxels", todo)
        voxels[box.x : box.x + box.width, box.y : box.y + box.height, box.slice] = True
    return voxels, None


def _reference(material: Material, case_id: str) -> Reference | None:
    """Findings of a film; None if its mask is not known."""
    case, target = material.cases.get(case_id), material.measured.target
    if case is None or case.label is None:
        return None
    try:
        volume = counted_for(read_volume(case.label, case_id=case_id), target)
        ids = class_of_id(target, material.label_ids)
        classes = to_classes(volume.array, ids, case_id=case_id, file=str(case.label))
    except (DataError, OSError):
        return None  # reported where the mask was scored
    marked: Bool[ndarray, "I J K"] = (classes > 0) & (classes != target.ignored_class)
    findings, count = ndimage.label(marked, structure=CORNERS)
    return Reference(findings, int(count), np.asarray(volume.spacing_mm, dtype=float))


def _marks(material: Material, case_id: str, shape: tuple[int, ...]) -> pd.DataFrame:
    """Marks of a film that lie on it; none where there is no such table."""
    path = marks_path(material.predictions, case_id)
    empty = pd.DataFrame(columns=list(MARK_COLUMNS), dtype=float)
    if not path.is_file():
        return empty
    try:
        table = pd.read_csv(path, sep="\t", dtype=float)[list(MARK_COLUMNS)]
    except (KeyError, ValueError):
        return empty  # a file of another program
    is_inside = ((table[PLACE] >= 0) & (table[PLACE] < list(shape))).all(axis=1)
    return table[is_inside & table["probability"].between(0, 1)]
