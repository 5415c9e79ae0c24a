"""Terms of survival from masks: a table of people with the volume and position of each part.

Volumes are those of rows.csv, or of reference masks. Distances are of centroids from that of the
brain, which a skull-stripped scan shows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Integer
from numpy import ndarray
from tqdm import tqdm

from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import Volume, read_volume, same_grid
from neurotarget.metrics.masks.position import centroid_distance_mm
from neurotarget.problems import DataError, error
from neurotarget.quantity import VOLUME
from neurotarget.scoring import prediction_path
from neurotarget.shapes import Mask
from neurotarget.studies.brain_volume import stripped_brain
from neurotarget.studies.study_inputs import Material, from_masks, from_run, named, run_target
from neurotarget.types import Case, Target

MM3_PER_ML = 1000.0
MOST_TOUCHED = 0.25  # of a face, by a brain that its scan is cropped to
ML, DISTANCE = "_ml", "_distance_mm"  # ends of the columns of a part


class MaskTerms(NamedTuple):
    """A table of people with terms of their masks, their columns, and notes.

    `table` has one row per case: `case_id`, covariates, `<part>_ml`, and `<part>_distance_mm`, NaN
    where it is not known. `distance` is "" if no case has one.
    """

    table: pd.DataFrame
    volumes: tuple[str, ...]  # columns of the labels, without regions
    distance: str  # column of all labels together
    notes: tuple[str, ...]


def terms_of_runs(runs: Sequence[Path], *, predicted: bool = True) -> MaskTerms:
    """Read the held-out cases of finished runs, such as those of all folds.

    With `predicted` the masks are the runs' own, else the reference masks of the same cases.

    Raises:
        DataError: a run has no rows, or runs are of different targets.
    """
    made = []
    for run in runs:
        target = without_outcomes(run_target(run if run.is_dir() else run.parent))
        made.append(_terms(from_run(run, target=target), target, predicted=predicted))
    parts = {one.volumes for one in made}
    if len(parts) > 1:
        found = "runs of other targets (" + "; ".join(", ".join(one) for one in parts) + ")"
        raise DataError(error(found, "runs of one target", "leave the others out", file=runs[-1]))
    table = pd.concat([one.table for one in made], ignore_index=True)
    if twice := sorted(set(table["case_id"][table["case_id"].duplicated()])):
        found = f"{len(twice)} cases in several runs (such as {twice[0]})"
        todo = "name the runs of one model, one per fold"
        raise DataError(error(found, "each case in one run", todo, file=runs[-1]))
    return made[0]._replace(table=table, notes=tuple(note for one in made for note in one.notes))


def terms_of_masks(manifest: Path, target: Target, masks: Path | None = None) -> MaskTerms:
    """Measure the masks of a data set, or those of its cases in the folder `masks`.

    Raises:
        DataError: the data set or a mask cannot be read.
    """
    target = without_outcomes(target)
    return _terms(from_masks(masks, None, manifest=manifest, target=target), target)


def without_outcomes(target: Target) -> Target:
    """The target without outcomes, whose columns the survival study reads by itself.

    Otherwise cases without an outcome would be problems of the data set.
    """
    return replace(target, outcomes=())


def _terms(material: Material, target: Target, *, predicted: bool = False) -> MaskTerms:
    """Volumes of every part in ml, and its distance from the centre of the brain in mm."""
    if target.is_flat:
        found = f"the target {target.name}, of pictures"
        raise DataError(error(found, "a target of volumes", "set clinical= and table= instead"))
    measured = material.measured
    method = measured.network if predicted else measured.reference or measured.methods[0]
    volumes = measured.quantities[VOLUME].tables.get(method) if method else None
    if volumes is None:
        found = f"no {'predicted' if predicted else 'reference'} volume of any case"
        raise DataError(error(found, "masks to measure", "predict the cases, or set masks="))
    sets = _distinct_parts(target)
    people = measured.covariates.drop(columns="subject_id")
    columns = {f"{part}{ML}": volumes[part] / MM3_PER_ML for part in sets}
    if clash := sorted({*columns, *(f"{part}{DISTANCE}" for part in sets)} & {*people}):
        found = f"the covariates {', '.join(clash)}"
        raise DataError(error(found, "other names, which masks do not have", "rename them"))
    distances, notes = _distances(material, target, sets, predicted=predicted)
    table = people.assign(**columns).join(distances)
    return MaskTerms(
        table.reset_index(names="case_id"),
        tuple(f"{label}{ML}" for label in target.label_names),
        f"{next(reversed(sets))}{DISTANCE}" if len(distances.columns) else "",
        (*material.notes, *notes),
    )


def _distinct_parts(target: Target) -> dict[str, tuple[str, ...]]:
    """Labels of each part, without two names for the same labels; the last one has most labels."""
    named_sets = {frozenset(labels): name for name, labels in reversed(target.parts.items())}
    sets = {name: tuple(labels) for labels, name in named_sets.items()}
    return dict(sorted(sets.items(), key=lambda one: len(one[1])))


def _distances(
    material: Material, target: Target, sets: Mapping[str, Sequence[str]], *, predicted: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Distance of each part of each case by case_id, and notes on those without."""
    index = material.measured.covariates.index
    found, unknown, empty = {}, [], []
    cases = [material.cases[name] for name in index if name in material.cases]
    for case, mask in tqdm(_masks(material, target, cases, predicted=predicted), "centroids",
                           total=len(cases), unit="case", delay=1):  # fmt: skip
        one = _case_distances(case, mask, target, material.label_ids, sets, predicted=predicted)
        if one is None:
            unknown.append(case.case_id)
            continue
        found[case.case_id] = one
        whole = next(reversed(sets))
        if math.isnan(one[whole]):
            empty.append(case.case_id)
            found[case.case_id] = {**one, whole: 0.0}
    notes = []
    if unknown:
        notes.append(named(unknown, "have no distance: the mask or a skull-stripped scan of it is "
                           "missing", "case"))  # fmt: skip
    if empty:
        notes.append(named(empty, "have an empty mask: the whole brain counts as the tumour, at a "
                           "distance of 0 mm", "case"))  # fmt: skip
    if not found:
        return pd.DataFrame(index=index), notes
    table = pd.DataFrame.from_dict(found, orient="index", columns=[*sets]).reindex(index)
    return table.add_suffix(DISTANCE), notes


def _masks(
    material: Material, target: Target, cases: Sequence[Case], *, predicted: bool
) -> Iterator[tuple[Case, Path | None]]:
    """Yield each case with its mask; None where the file is missing."""
    folder = material.predictions
    for case in cases:
        path = case.label
        if predicted:
            path = prediction_path(folder, case.case_id, target) if folder else None
        yield case, path if path is not None and path.is_file() else None


def _case_distances(
    case: Case,
    mask: Path | None,
    target: Target,
    label_ids: Mapping[str, int] | None,
    sets: Mapping[str, Sequence[str]],
    *,
    predicted: bool,
) -> dict[str, float] | None:
    """Distances of the parts of one case in mm, NaN for an empty part; None without a brain."""
    if mask is None:
        return None
    try:
        volume = read_volume(mask, case_id=case.case_id)
        ids = class_of_id(target, None if predicted else label_ids)
        classes = to_classes(volume.array, ids, case_id=case.case_id, file=str(mask))
        brain = next(_brains(case, volume), None)
    except DataError:
        return None  # reported where the volumes are measured
    if brain is None:
        return None
    return {
        name: centroid_distance_mm(_part(classes, labels, target), brain, volume.affine)
        for name, labels in sets.items()
    }


def _brains(case: Case, mask: Volume) -> Iterator[Mask]:
    """Brains that the scans of a case show on the grid of its mask."""
    for path in case.images.values():
        try:
            scan = read_volume(path, case_id=case.case_id)
        except DataError:
            continue
        brain = stripped_brain(scan, most_touched=MOST_TOUCHED) if same_grid(scan, mask) else None
        if brain is not None:
            yield brain


def _part(classes: Integer[ndarray, "I J K"], labels: Sequence[str], target: Target) -> Mask:
    return np.isin(classes, [target.label_names.index(label) + 1 for label in labels])
