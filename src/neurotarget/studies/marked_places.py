"""Marks of films compared with their reference masks, for the free-response curve of a study."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import counted_for, read_volume
from neurotarget.inference.outcome_table import MARK_COLUMNS, marks_path
from neurotarget.pieces import CORNERS
from neurotarget.problems import DataError
from neurotarget.stats.study.findings import FilmMarks
from neurotarget.studies.study_inputs import Material

PLACE = list(MARK_COLUMNS[:3])


class Reference(NamedTuple):
    """The findings of a film, numbered from 1, and the sides of a pixel."""

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
    """Number of the finding that each mark meets, 0 for none."""
    if not len(places) or not reference.count:
        return np.zeros(len(places), dtype=int)
    away, nearest = ndimage.distance_transform_edt(
        reference.findings == 0, sampling=reference.spacing, return_indices=True
    )
    at = tuple(places.T)
    number = reference.findings[tuple(axis[at] for axis in nearest)]
    return np.where(away[at] <= tolerance, number, 0)


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
