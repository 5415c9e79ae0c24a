"""Scores: manifest × folder of predictions → rows; reads saved volumes only, so it needs no GPU.

`measure` gives rows for reference masks without predictions.
"""

import csv
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from neurotarget.data.attempts import attempts
from neurotarget.data.derivative_names import label_map_path
from neurotarget.data.labels import class_of_id, rounded_labels, to_classes
from neurotarget.data.scans.volume import (
    Volume,
    counted_for,
    read_volume,
    same_grid,
    shifted_grid,
    sized_as,
)
from neurotarget.files.reading import check_regular
from neurotarget.files.writing import written
from neurotarget.metrics.case import measure_case, score_case
from neurotarget.metrics.masks.label_boxes import ClassMap
from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.metrics.rater_rows import Further
from neurotarget.printable import cell, uncell
from neurotarget.problems import DataError, Problem
from neurotarget.size_units import AREAS, PIXELS, VOLUMES
from neurotarget.types import Case, Manifest, Row, Target

ELEMENTS, VOXELS = "surface elements", "surface voxels"
log = logging.getLogger(__name__)


def evaluate(
    manifest: Manifest,
    predictions: Path,
    target: Target,
    splits: Mapping[str, str],
    *,
    which: Collection[str] = ("test",),
    workers: int = 2,
    own: OwnMetrics | None = None,
) -> list[Row]:
    """Score `<predictions>/<case_id>.nii.gz` (or `.png`) of every case of the splits in `which`.

    The manifest determines the cases: a case whose prediction is missing or unreadable has Dice 0
    and `failed` 1. A case without a reference has `failed` and the measures of its prediction
    alone: volumes, pieces, edges, sides. Masks of further raters, and contrasts with a unit in
    `target.units`, add their rows (see `further_scores`); scans are not read otherwise. `workers`
    is a number of threads. `own` adds scores by the user's own functions where there is a
    reference.

    Raises:
        DataError: no case is in these splits; or, all listed at once: a reference, a rater's mask
            or a scan cannot be used, a prediction is on another grid or contains values that the
            target does not define.
    """
    cases = cases_in(manifest, splits, which)

    def score(case: Case, warnings: list[Problem]) -> list[Row]:
        """Rows of one case; `warnings` collects those about its files."""
        path = prediction_path(Path(predictions), case.case_id, target)
        read = _Reader(case, target, manifest.label_ids, warnings)
        return _score_files(read, path, splits[case.case_id], own)

    return _rows_of(cases, score, "score", workers)


def cases_in(manifest: Manifest, splits: Mapping[str, str], which: Collection[str]) -> list[Case]:
    """Cases of the splits in `which`, in the order of the manifest.

    Args:
        manifest: all cases.
        splits: split of each case by its `case_id`; a case may have no split.
        which: names of splits, such as train, val and test.

    Raises:
        DataError: these splits have no case.
    """
    cases = [case for case in manifest.cases if splits.get(case.case_id) in which]
    if not cases:
        raise DataError(
            f"{manifest.source}: found no case in {' or '.join(which)}, wanted one to score; "
            "assign cases to it, or name another split"
        )
    return cases


def measure(manifest: Manifest, target: Target, *, workers: int = 2) -> list[Row]:
    """Rows of the reference masks of a manifest alone, without predictions.

    Per label `reference_volume_mm3`, `reference_pieces`, `reference_touches_edge` and, for a label
    in a pair, `reference_swapped`. An empty label has volume 0 and no piece; a case without a mask
    has NaN, so that it is counted. Further raters and contrasts with a unit add their rows, as in
    `evaluate`. `workers` is a number of threads.

    Raises:
        DataError: no case has a mask; or, all listed at once: a mask cannot be used.
    """
    if all(case.label is None for case in manifest.cases):
        raise DataError(
            f"{manifest.source}: found no mask of any case, wanted masks to measure; add a column "
            "label with their paths, or name their folder"
        )

    def score(case: Case, warnings: list[Problem]) -> list[Row]:
        """Rows of the reference mask of one case; `warnings` collects those about its files."""
        volume = truth = None
        read = _Reader(case, target, manifest.label_ids, warnings)
        if case.label:
            volume, truth = _read_reference(read, case.label)
        grid, extras = _read_extras(read, volume)
        return measure_case(
            case,
            truth,
            target,
            affine=grid.affine if grid else np.eye(4),
            split=case.split or "",
            oriented=volume is not None and volume.is_oriented,
            further=extras,
        )

    return _rows_of(manifest.cases, score, "measure", workers)


def prediction_path(folder: Path, case_id: str, target: Target) -> Path:
    """Return the path of a case's predicted mask: NIfTI, or PNG for a 2-D image without NIfTI.

    The NIfTI file may have the case's name or its name in BIDS-Derivatives. The path of a missing
    mask is returned too, for the message about it.
    """
    path, picture = label_map_path(folder, case_id), folder / f"{case_id}.png"
    return picture if target.is_flat and picture.is_file() and not path.is_file() else path


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows as CSV atomically; NaN is an empty cell.

    Texts that a spreadsheet would compute are quoted (`printable.cell`), which `read_rows` undoes.
    """
    with written(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(Row._fields)
        for row in rows:
            shown = row._replace(value="" if math.isnan(row.value) else row.value)
            table.writerow(map(cell, shown))


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table of rows; all columns are text except `value`, a float.

    Columns are those of `Row`, in this order; others of the file are dropped. An empty value is
    NaN.

    Raises:
        DataError: there is no such file, it is not a table of rows, or a row has no case, an
            infinite value, a size below 0 or a Dice outside of 0 to 1.
    """
    kinds: dict[str, type] = dict.fromkeys(Row._fields, str) | {"value": float}
    try:
        check_regular(path)
        # a case may be named NA or 007
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
    texts = [name for name, kind in kinds.items() if kind is str]
    table = table.assign(**{name: table[name].map(uncell) for name in texts})
    measured = table["metric"].str.split("@").str[0]  # without the rater
    sizes = [one.size for one in (VOLUMES, AREAS, PIXELS)]
    is_size = measured.str.removeprefix("reference_").isin(sizes)
    is_dice = measured.isin(["dice", "rater_dice"])
    claims = {
        "no case_id or subject_id": (table["case_id"] == "") | (table["subject_id"] == ""),
        "a value that is infinite": table["value"].abs() == math.inf,
        "a size below 0": is_size & (table["value"] < 0),
        "a Dice outside 0 to 1": is_dice & ((table["value"] < 0) | (table["value"] > 1)),
    }
    for claim, where in claims.items():
        if where.any():
            raise DataError(
                f"{path}: found {claim} in line {int(where.to_numpy().argmax()) + 2}, wanted rows "
                "as they were written; make it again with neurotarget evaluate"
            )
    return table


def distances_by(rows: pd.DataFrame) -> str:
    """Return the method of distances in rows, from the unit of surface Dice; "" without a unit.

    Rows of versions that counted surface voxels have no unit there; their scale differs.
    """
    units = set(rows.loc[rows["metric"] == "surface_dice", "unit"])
    if not units:
        return ""
    return VOXELS if "" in units else ELEMENTS


class _Reader(NamedTuple):
    """Parameters for reading the files of a case, and the list that collects their warnings."""

    case: Case
    target: Target
    label_ids: Mapping[str, int] | None
    warnings: list[Problem]

    def volume(self, path: Path) -> Volume:
        """Read a file of the case, in the units of the target."""
        volume = read_volume(path, case_id=self.case.case_id, warnings=self.warnings)
        return counted_for(volume, self.target)


def _rows_of(
    cases: Sequence[Case],
    score: Callable[[Case, list[Problem]], list[Row]],
    what: str,
    workers: int,
) -> list[Row]:
    """Score all cases in threads; the problems of all cases are raised together."""
    warnings: list[Problem] = []
    with attempts(lambda case: score(case, warnings), cases, workers) as results:
        done = list(tqdm(results, what, total=len(cases), unit="case", delay=1))
    _refuse([result for result in done if isinstance(result, DataError)])
    _log_warnings(warnings)
    return [row for rows in done for row in rows]


def _log_warnings(problems: Sequence[Problem]) -> None:
    """Log each kind of warning once, with one file and the number of others."""
    kinds: dict[str, list[Problem]] = {}
    for problem in sorted(set(problems)):
        kinds.setdefault(problem.todo, []).append(problem)
    for first, *others in kinds.values():
        more = f" (and {len(others)} more files alike)" if others else ""
        log.warning("%s%s", first, more)


def _score_files(read: _Reader, path: Path, split: str, own: OwnMetrics | None) -> list[Row]:
    case, target = read.case, read.target
    reference = truth = pred = None
    if case.label:
        reference, truth = _read_reference(read, case.label)
    predicted = _read_prediction(read, path)
    if reference and predicted:
        reference, predicted = sized_as(reference, predicted), sized_as(predicted, reference)
        _check_grid(read, path, predicted, reference, what="a prediction")
    if predicted:
        ids = class_of_id(target)
        pred = to_classes(predicted.array, ids, case_id=case.case_id, file=str(path))
    known = reference or predicted
    grid, extras = _read_extras(read, known)
    return score_case(
        case,
        truth,
        pred,
        target,
        affine=grid.affine if grid else np.eye(4),
        spacing_mm=grid.spacing_mm if grid else (1.0, 1.0, 1.0),
        split=split,
        oriented=known is not None and known.is_oriented,
        further=extras,
        own=own,
    )


def _read_extras(read: _Reader, grid: Volume | None) -> tuple[Volume | None, Further]:
    """Read masks of further raters and scans with a unit; return also the grid of the case.

    Raises:
        DataError: a file cannot be read, is on another grid, or has unknown labels.
    """
    case, (raters, scans) = read.case, ({}, {})
    for name, path in case.raters.items():
        volume, raters[name] = _read_reference(read, path)
        volume = sized_as(volume, grid)
        grid = grid or volume
        _check_grid(read, path, volume, grid, what="a mask")
    for contrast in read.target.units if grid is not None else ():
        if contrast in case.images:
            path = case.images[contrast]
            volume = read.volume(path)
            grid = sized_as(grid, volume)
            _check_grid(read, path, volume, grid, what="a scan")
            scans[contrast] = volume.array
    return grid, Further(raters, scans)


def _read_reference(read: _Reader, path: Path) -> tuple[Volume, ClassMap]:
    place = {"case_id": read.case.case_id, "file": str(path)}
    volume = read.volume(path)
    classes = to_classes(volume.array, class_of_id(read.target, read.label_ids), **place)
    read.warnings.extend(rounded_labels(volume.array, **place))
    return volume, classes


def _refuse(errors: Sequence[DataError]) -> None:
    if plain := [error for error in errors if not error.problems]:
        raise plain[0]
    if errors:
        problems = dict.fromkeys(problem for error in errors for problem in error.problems)
        raise DataError(list(problems))


def _read_prediction(read: _Reader, path: Path) -> Volume | None:
    if not (path.exists() or path.is_symlink()):  # a broken link has a message of its own
        or_picture = " or .png" if read.target.is_flat else ""
        log.warning(
            "counted as failed: %s: found no mask in %s, wanted %s%s; predict the case, or restore "
            "the file",
            *(read.case.case_id, path.parent, path.name, or_picture),
        )
        return None
    try:
        return read.volume(path)
    except DataError as error:
        log.warning("counted as failed: %s", error)
        return None


def _check_grid(read: _Reader, path: Path, volume: Volume, grid: Volume, *, what: str) -> None:
    """Refuse a volume on another grid; a small offset gives a warning only."""
    case, own = read.case, str(read.case.label or "its prediction")
    if same_grid(grid, volume):
        read.warnings.extend(shifted_grid(grid, volume, own, case_id=case.case_id, file=str(path)))
        return

    def description(volume: Volume) -> str:
        """Sides of a grid in voxels and mm, or in pixels, for a message."""
        shape = " × ".join(map(str, volume.array.shape))
        if read.target.spacing_px is not None:
            return f"{shape} pixels"
        return f"{shape} voxels of {' × '.join(f'{side:.3g}' for side in volume.spacing_mm)} mm"

    here, there = description(volume), description(grid)
    place = " at another place" if here == there else ""
    todo = {
        "a prediction": "predict again from the scan of the reference mask",
        "a mask": "resample it to that grid, or leave it out",
        "a scan": "measure on the scan of the masks, or resample the scan to their grid",
    }[what]
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
