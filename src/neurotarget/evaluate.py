"""Manifest × folder of predictions → rows; reads saved volumes only, so no GPU is asked for.

Masks alone give rows too: what a reference says without a prediction.
"""

import csv
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.volume import Volume, read_volume, same_grid
from neurotarget.files import written
from neurotarget.metrics.beside import Beside
from neurotarget.metrics.boxes import ClassMap
from neurotarget.metrics.case import measure_case, score_case
from neurotarget.types import Case, DataError, Manifest, Problem, Row, Target

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
    and `failed` 1. A case without a reference has `failed` and what its prediction says by itself:
    volumes, pieces, edges, sides. Masks of further raters, and contrasts that have a unit in
    `target.units`, add their rows (see `beside_scores`); scans are read for nothing else.
    `workers` is a number of threads.

    Raises:
        DataError: no case is in these splits, or, all told at once: a reference, a rater's mask
            or a scan cannot be used, a prediction lies on another grid or holds values that the
            target does not know.
    """
    cases = [case for case in manifest.cases if splits.get(case.case_id) in which]
    if not cases:
        raise DataError(
            f"{manifest.source}: found no case in {' or '.join(which)}, wanted one to score; "
            "assign cases to it, or name another split"
        )

    def score(case: Case) -> list[Row]:
        path = Path(predictions) / f"{case.case_id}.nii.gz"
        return _score_files(case, path, target, manifest.label_ids, splits[case.case_id])

    return _rows_of(cases, score, "score", workers)


def measure(manifest: Manifest, target: Target, *, workers: int = 2) -> list[Row]:
    """Rows of the reference masks of a manifest by themselves, where there is no prediction.

    Per label `reference_volume_mm3`, `reference_pieces`, `reference_touches_edge` and, for a
    label in a pair, `reference_swapped`. An empty label has volume 0 and no piece; a case without
    a mask has NaN, so that it is counted. Further raters and contrasts with a unit add their rows,
    as in `evaluate`. `workers` is a number of threads.

    Raises:
        DataError: no case has a mask, or, all told at once: a mask cannot be used.
    """
    if all(case.label is None for case in manifest.cases):
        raise DataError(
            f"{manifest.source}: found no mask of any case, wanted masks to measure; add a column "
            "label with their paths, or name their folder"
        )

    def read(case: Case) -> list[Row]:
        volume = truth = None
        if case.label:
            volume, truth = _read_reference(case, case.label, target, manifest.label_ids)
        grid, beside = _read_beside(case, volume, target, manifest.label_ids)
        return measure_case(
            case,
            truth,
            target,
            affine=grid.affine if grid else np.eye(4),
            split=case.split or "",
            oriented=_is_oriented(volume),
            beside=beside,
        )

    return _rows_of(manifest.cases, read, "measure", workers)


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
    table = table[list(Row._fields)]
    measured = table["metric"].str.partition("@")[0]  # without the rater
    is_volume = measured.isin(["volume_mm3", "reference_volume_mm3"])
    is_dice = measured.isin(["dice", "rater_dice"])
    claims = {
        "no case_id or subject_id": (table["case_id"] == "") | (table["subject_id"] == ""),
        "a value that is infinite": table["value"].abs() == math.inf,
        "a volume below 0": is_volume & (table["value"] < 0),
        "a Dice outside 0 to 1": is_dice & ((table["value"] < 0) | (table["value"] > 1)),
    }
    for found, where in claims.items():
        if where.any():
            raise DataError(
                f"{path}: found {found} in line {int(where.to_numpy().argmax()) + 2}, wanted rows "
                "as they were written; make it again with neurotarget evaluate"
            )
    return table


def _rows_of(
    cases: Sequence[Case], read: Callable[[Case], list[Row]], what: str, workers: int
) -> list[Row]:
    """Rows of all cases, read in threads; what is wrong with any of them is told at once."""

    def attempt(case: Case) -> list[Row] | DataError:
        try:
            return read(case)
        except DataError as error:
            return error

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        done = list(tqdm(pool.map(attempt, cases), what, total=len(cases), unit="case", delay=1))
    _refuse([found for found in done if isinstance(found, DataError)])
    return [row for rows in done for row in rows]


def _score_files(
    case: Case, path: Path, target: Target, label_ids: Mapping[str, int] | None, split: str
) -> list[Row]:
    reference = truth = pred = None
    if case.label:
        reference, truth = _read_reference(case, case.label, target, label_ids)
    predicted = _read_prediction(case, path)
    if reference and predicted:
        _refuse_other_grid(case, path, predicted, reference, what="a prediction")
    if predicted:
        ids = class_of_id(target)
        pred = to_classes(predicted.array, ids, case_id=case.case_id, file=str(path))
    known = reference or predicted
    grid, beside = _read_beside(case, known, target, label_ids)
    return score_case(
        case,
        truth,
        pred,
        target,
        affine=grid.affine if grid else np.eye(4),
        spacing_mm=grid.spacing_mm if grid else (1.0, 1.0, 1.0),
        split=split,
        oriented=_is_oriented(known),
        beside=beside,
    )


def _read_beside(
    case: Case, grid: Volume | None, target: Target, label_ids: Mapping[str, int] | None
) -> tuple[Volume | None, Beside]:
    """Masks of further raters and scans with a unit, on the case's grid, or on their own first.

    Raises:
        DataError: one of them cannot be read, lies on another grid, or has unknown labels.
    """
    raters, scans = {}, {}
    for name, path in case.raters.items():
        volume, raters[name] = _read_reference(case, path, target, label_ids)
        grid = grid or volume
        _refuse_other_grid(case, path, volume, grid, what="a mask")
    for contrast in target.units if grid is not None else ():
        if contrast in case.images:
            volume = read_volume(case.images[contrast], case_id=case.case_id)
            _refuse_other_grid(case, case.images[contrast], volume, grid, what="a scan")
            scans[contrast] = volume.array
    return grid, Beside(raters, scans)


def _read_reference(
    case: Case, path: Path, target: Target, label_ids: Mapping[str, int] | None
) -> tuple[Volume, ClassMap]:
    volume = read_volume(path, case_id=case.case_id)
    ids = class_of_id(target, label_ids)
    return volume, to_classes(volume.array, ids, case_id=case.case_id, file=str(path))


def _is_oriented(volume: Volume | None) -> bool:
    """Whether the header says where left and right are; without a code its affine is a guess."""
    if volume is None:
        return False
    return bool(volume.header["sform_code"] > 0 or volume.header["qform_code"] > 0)


def _refuse(errors: Sequence[DataError]) -> None:
    if untold := [error for error in errors if not error.problems]:
        raise untold[0]
    if errors:
        problems = dict.fromkeys(problem for error in errors for problem in error.problems)
        raise DataError(list(problems))


def _read_prediction(case: Case, path: Path) -> Volume | None:
    try:
        return read_volume(path, case_id=case.case_id)
    except DataError as error:
        log.warning("counted as failed: %s", error)
        return None


def _refuse_other_grid(case: Case, path: Path, volume: Volume, grid: Volume, *, what: str) -> None:
    if same_grid(grid, volume):
        return

    def words(volume: Volume) -> str:
        shape = " × ".join(map(str, volume.array.shape))
        return f"{shape} voxels of {' × '.join(f'{side:.3g}' for side in volume.spacing_mm)} mm"

    here, there = words(volume), words(grid)
    place = " at another place" if here == there else ""
    todo = {
        "a prediction": "predict again from the scan that the reference was drawn on",
        "a mask": "resample it to that grid, or leave it out",
        "a scan": "measure on the scan that the masks were drawn on, or resample it to their grid",
    }[what]
    own = case.label or "its prediction"
    raise DataError(
        Problem(
            "error",
            case.case_id,
            str(path),
            f"{what} on a grid of {here}{place}",
            f"the grid of {own}, {there}",
            todo,
        )
    )
