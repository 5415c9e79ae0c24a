"""Manifest × folder of predictions → rows; reads saved volumes only, so no GPU is asked for."""

import csv
import logging
import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Integer
from numpy import ndarray
from scipy.ndimage import find_objects
from tqdm import tqdm

from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.volume import Volume, read_volume, same_grid
from neurotarget.files import written
from neurotarget.metrics.overlap import dice, precision, recall
from neurotarget.metrics.surface import assd_mm, hd95_mm, surface_dice, surface_distances
from neurotarget.metrics.volume import (
    volume_error_mm3,
    volume_error_percent,
    volume_mm3,
    volume_similarity,
    voxel_mm3,
)
from neurotarget.types import Case, DataError, Manifest, Mask, Problem, Row, Target, Triple

ClassMap = Integer[ndarray, "I J K"]
Box = tuple[slice, ...]
Scores = dict[str, float]

UNITS = {
    "dice": "",
    "precision": "",
    "recall": "",
    "hd95_mm": "mm",
    "assd_mm": "mm",
    "surface_dice": "",
    "volume_mm3": "mm3",
    "reference_volume_mm3": "mm3",
    "volume_error_mm3": "mm3",
    "volume_error_abs_mm3": "mm3",
    "volume_error_percent": "%",
    "volume_similarity": "",
    "failed": "",
}
log = logging.getLogger(__name__)


def evaluate(
    manifest: Manifest,
    predictions: Path,
    target: Target,
    splits: Mapping[str, str],
    *,
    which: Collection[str] = ("test",),
    workers: int = 2,
) -> list[Row]:
    """Score `<predictions>/<case_id>.nii.gz` of every case of the splits in `which`.

    The manifest says which cases exist: one whose prediction is missing or unreadable has Dice 0
    and `failed` 1. A case without a reference has its volumes and `failed` only. `workers` is a
    number of threads.

    Raises:
        DataError: no case is in these splits, or, all told at once: a reference cannot be used, a
            prediction lies on another grid or holds values that the target does not know.
    """
    cases = [case for case in manifest.cases if splits.get(case.case_id) in which]
    if not cases:
        raise DataError(
            f"{manifest.source}: found no case in {' or '.join(which)}, wanted one to score; "
            "assign cases to it, or name another split"
        )

    def score(case: Case) -> list[Row] | DataError:
        path = Path(predictions) / f"{case.case_id}.nii.gz"
        try:
            return _score_files(case, path, target, manifest.label_ids, splits[case.case_id])
        except DataError as error:
            return error

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        done = list(tqdm(pool.map(score, cases), "score", total=len(cases), unit="case", delay=1))
    _refuse([found for found in done if isinstance(found, DataError)])
    return [row for rows in done for row in rows]


def score_case(
    case: Case,
    truth: ClassMap | None,
    pred: ClassMap | None,
    target: Target,
    *,
    affine: ndarray,
    spacing_mm: Triple,
    split: str = "",
) -> list[Row]:
    """Rows of one case from class maps on one grid; None where there is no such map.

    A label that is in neither map has NaN scores. A label is failed where there is no prediction,
    or none of it is predicted although it is there; such a label has Dice 0 and no distances.
    """
    boxes = zip(*(_boxes(classes, target.num_labels) for classes in (truth, pred)), strict=True)
    rows = []
    for number, (label, both) in enumerate(zip(target.label_names, boxes, strict=True), start=1):
        box = _union(*both)
        masks = [None if classes is None else classes[box] == number for classes in (truth, pred)]
        scores = _scores(*masks, voxel_mm3(affine), spacing_mm, target.surface_tolerance_mm)
        rows += [
            Row(case.case_id, case.subject_id, split, label, metric, scores[metric], unit)
            for metric, unit in UNITS.items()
            if metric in scores
        ]
    return rows


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows as CSV, whole or not at all; NaN is an empty cell."""
    with written(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(Row._fields)
        for row in rows:
            table.writerow(row._replace(value="" if math.isnan(row.value) else row.value))


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table of rows; every column is text as it was written, `value` a float.

    Raises:
        DataError: there is no such file, or it is no table of rows.
    """
    kinds: dict[str, type] = dict.fromkeys(Row._fields, str) | {"value": float}
    try:
        # a case may be called NA or 007
        table = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values={"value": [""]})
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: found no table of rows ({reason}), wanted the rows.csv of a run; "
            "make it again with neurotarget evaluate"
        ) from error
    if absent := [name for name in Row._fields if name not in table]:
        raise DataError(
            f"{path}: found no column {', '.join(absent)}, wanted {', '.join(Row._fields)}; "
            "make it again with neurotarget evaluate"
        )
    return table[list(Row._fields)]


def _score_files(
    case: Case, path: Path, target: Target, label_ids: Mapping[str, int] | None, split: str
) -> list[Row]:
    truth = pred = None
    reference = read_volume(case.label, case_id=case.case_id) if case.label else None
    predicted = _read_prediction(case, path)
    grid = reference or predicted
    if reference and predicted and not same_grid(reference, predicted):
        raise DataError(_other_grid(case, path, reference, predicted))
    if reference:
        ids = class_of_id(target, label_ids)
        file = str(case.label)
        truth = to_classes(reference.array, ids, case_id=case.case_id, file=file)
    if predicted:
        ids = class_of_id(target)
        pred = to_classes(predicted.array, ids, case_id=case.case_id, file=str(path))
    return score_case(
        case,
        truth,
        pred,
        target,
        affine=grid.affine if grid else np.eye(4),
        spacing_mm=grid.spacing_mm if grid else (1.0, 1.0, 1.0),
        split=split,
    )


def _refuse(errors: Sequence[DataError]) -> None:
    if untold := [error for error in errors if not error.problems]:
        raise untold[0]
    if errors:
        raise DataError([problem for error in errors for problem in error.problems])


def _read_prediction(case: Case, path: Path) -> Volume | None:
    try:
        return read_volume(path, case_id=case.case_id)
    except DataError as error:
        log.warning("counted as failed: %s", error)
        return None


def _other_grid(case: Case, path: Path, reference: Volume, predicted: Volume) -> Problem:
    def words(volume: Volume) -> str:
        shape = " × ".join(map(str, volume.array.shape))
        return f"{shape} voxels of {' × '.join(f'{side:.3g}' for side in volume.spacing_mm)} mm"

    here, there = words(predicted), words(reference)
    place = " at another place" if here == there else ""
    return Problem(
        "error",
        case.case_id,
        str(path),
        f"a prediction on a grid of {here}{place}",
        f"the grid of {case.label}, {there}",
        "predict again from the scan that the reference was drawn on",
    )


def _boxes(classes: ClassMap | None, num_labels: int) -> list[Box | None]:
    """Bounding box of every label in one pass over the grid; None where a label is absent."""
    if classes is None:
        return [None] * (num_labels - 1)
    return find_objects(classes, max_label=num_labels - 1)


def _union(first: Box | None, second: Box | None) -> Box:
    boxes = [box for box in (first, second) if box]
    if not boxes:
        return (slice(0, 0),) * 3
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*boxes, strict=True)
    )


def _scores(
    truth: Mask | None,
    pred: Mask | None,
    one_voxel_mm3: float,
    spacing_mm: Triple,
    tolerance_mm: float,
) -> Scores:
    if truth is None:
        volume = math.nan if pred is None else volume_mm3(pred, one_voxel_mm3)
        return {"volume_mm3": volume, "failed": float(pred is None)}
    reference = volume_mm3(truth, one_voxel_mm3)
    if pred is None:
        nothing = dict.fromkeys(UNITS, math.nan)
        return nothing | {"dice": 0.0, "reference_volume_mm3": reference, "failed": 1.0}
    predicted = volume_mm3(pred, one_voxel_mm3)
    distances = surface_distances(truth, pred, spacing_mm)
    error = volume_error_mm3(reference, predicted)
    return {
        "dice": dice(truth, pred),
        "precision": precision(truth, pred),
        "recall": recall(truth, pred),
        "hd95_mm": hd95_mm(distances),
        "assd_mm": assd_mm(distances),
        "surface_dice": surface_dice(distances, tolerance_mm),
        "volume_mm3": predicted,
        "reference_volume_mm3": reference,
        "volume_error_mm3": error,
        "volume_error_abs_mm3": abs(error),
        "volume_error_percent": volume_error_percent(reference, predicted),
        "volume_similarity": volume_similarity(reference, predicted),
        "failed": float(reference > 0 and not predicted),
    }
