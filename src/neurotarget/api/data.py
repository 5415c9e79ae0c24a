"""Data sets, targets and scores from Python."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from neurotarget.api.notebook_html import html_table
from neurotarget.cli.configs.targets import load_target, transforms
from neurotarget.data.cases import lint as lint_cases
from neurotarget.data.cases.manifest import read_manifest as read_cases
from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.tables.text_table import is_missing
from neurotarget.metrics.own_metrics import OwnMetric, Score, try_metrics
from neurotarget.problems import DataError, Problem
from neurotarget.scoring import read_rows, write_rows
from neurotarget.studies.data_sets.look_at_data import Looked, look_at_data
from neurotarget.studies.data_sets.prepare_cases import prepare_cases
from neurotarget.studies.data_sets.relabel import relabel as relabel_maps
from neurotarget.studies.data_sets.target_draft import init_target as draft_target
from neurotarget.studies.score_predictions import score_predictions
from neurotarget.types import Manifest, Target

TargetLike = Target | Path | str
Table = pd.DataFrame | Path | str


@dataclass(frozen=True)
class Problems:
    """Problems of a data set; truthy if there are any."""

    problems: tuple[Problem, ...]

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems that training refuses; the others are warnings."""
        return tuple(one for one in self.problems if one.level == "error")

    @property
    def table(self) -> pd.DataFrame:
        """One row per problem: level, case_id, file, found, wanted, todo."""
        return pd.DataFrame(self.problems, columns=Problem._fields)

    def __str__(self) -> str:
        return "\n".join(f"{one.level}: {one}" for one in self.problems) or "no problem"

    def _repr_html_(self) -> str:
        return html_table(self.table) or "<p>no problem</p>"


def read_target(
    target: TargetLike, *, data: Table | Manifest | None = None, trust: bool = False
) -> Target:
    """Read a target by its name in `conf/target`, or by the path of its YAML file.

    Args:
        target: the name or path; a `Target` is returned unchanged.
        data: the manifest or data set, whose label tables give the ids of named labels.
        trust: whether the file may name code that is not neurotarget's.

    Raises:
        DataError: the target does not exist, or the file describes no target.
    """
    if isinstance(target, Target):
        return target
    source = data.source if isinstance(data, Manifest) else data
    place = source if isinstance(source, Path | str) else None
    return load_target(str(target), source=place, trust=trust)


def read_manifest(source: Table, target: TargetLike | None = None) -> Manifest:
    """Read the cases of a data set: a manifest (CSV, TSV or DataFrame), MSD, nnU-Net or BIDS.

    Paths in a DataFrame are relative to the working folder.

    Raises:
        DataError: the data set has errors; the error lists all of them.
    """
    return read_cases(as_file(source), _target(target, source))


def lint(source: Table, target: TargetLike | None = None) -> Problems:
    """List all problems of a data set, in one pass over its files.

    Without a target only files, grids, and whole, non-empty labels are checked.

    Raises:
        DataError: there is no such target; problems of the data are returned, not raised.
    """
    known = _target(target, source)
    manifest, problems = scan_manifest(as_file(source), known)
    if manifest is not None:
        problems = [*problems, *lint_cases.lint(manifest, known)]
    ordered = sorted(dict.fromkeys(problems), key=lambda one: one.level != "error")
    return Problems(tuple(ordered))


def look(
    source: Table,
    target: TargetLike,
    output: Path | str = "look",
    *,
    augment: str = "default",
    cache: Path | str | None = None,
    seed: int = 1,
    overwrite: bool = False,
) -> Looked:
    """Write pages of the scans of a data set with their masks, and of augmented patches.

    Args:
        source: a manifest or data set.
        target: the target whose labels are outlined.
        output: new or empty folder of the pages and their pictures.
        augment: name of the transforms in `conf/augment`.
        cache: folder of the prepared cases; by default `cache/<target>`.
        seed: seed of patches and transforms.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        `page` (every scan with its mask), `patches` (None if the data set has errors), `problems`.

    Raises:
        DataError: the data set cannot be read at all, or there is no such augmentation.
    """
    return look_at_data(
        as_file(source),
        read_target(target, data=source),
        Path(output),
        augmentation=transforms(augment),
        cache=None if cache is None else Path(cache),
        seed=seed,
        overwrite=overwrite,
    )


def prepare(
    source: Table,
    target: TargetLike,
    cache: Path | str | None = None,
    *,
    workers: int = 2,
) -> Problems:
    """Prepare all cases of a data set, so that trainings start at once.

    Args:
        source: a manifest or data set.
        target: the target that is trained later.
        cache: folder of the prepared cases; by default `cache/<target>`, where trainings look.
        workers: number of cases that are prepared in parallel.

    Returns:
        Warnings about the cases.

    Raises:
        DataError: the data set or a case cannot be used; lists all problems.
    """
    place = None if cache is None else Path(cache)
    known = read_target(target, data=source)
    return Problems(tuple(prepare_cases(as_file(source), known, place, workers=workers).problems))


def evaluate(
    predictions: Path | str,
    manifest: Table | Manifest,
    target: TargetLike,
    *,
    rows: Path | str | None = None,
    metrics: Mapping[str, tuple[Score, str]] | None = None,
) -> pd.DataFrame:
    """Score label maps against the reference masks, or predicted outcomes.

    Args:
        predictions: folder of label maps `<case_id>.nii.gz`, or with outcomes.tsv.
        manifest: the cases, with their reference masks or outcomes.
        target: the target that was predicted.
        rows: file for the rows, which `neurotarget.study` reads.
        metrics: your own scores by name: a function of the boolean masks (reference, predicted)
            and spacing_mm that returns a number, and its unit.

    Returns:
        One row per case, label and metric: case_id, label, metric, value, unit and more; a missing
        mask has Dice 0 and failed 1.

    Raises:
        DataError: masks lie on another grid or hold unknown values, or no case has a mask.
    """
    known = read_target(target, data=manifest)
    cases = manifest if isinstance(manifest, Manifest) else read_manifest(manifest, known)
    splits = {case.case_id: case.split or "test" for case in cases.cases}
    own = {name: OwnMetric(*metric) for name, metric in (metrics or {}).items()}
    try_metrics(own)
    which = set(splits.values())
    scored = score_predictions(cases, Path(predictions), known, splits, which=which, own=own)
    path = Path(rows) if rows is not None else new_folder() / "rows.csv"
    write_rows(scored, path)
    return read_rows(path)


def relabel(
    source: Path | str,
    output: Path | str,
    numbering: str,
    *,
    unknown: Literal["error", "background"] = "error",
    overwrite: bool = False,
) -> pd.DataFrame:
    """Write label maps of another atlas with the numbers of FreeSurfer's structures.

    Args:
        source: a label map or a folder of them.
        output: folder for `<name>.nii.gz` and relabelled.tsv.
        numbering: neuromorphometrics, freesurfer, or a table with the columns id and structure.
        unknown: `background` writes values that the numbering lacks as 0; `error` refuses them.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        One row per map: case_id, is_written, and notes on its problems.

    Raises:
        DataError: there is no label map or numbering, `unknown` is another word, or an output would
            replace an input.
    """
    if unknown not in ("error", "background"):
        raise DataError(f"unknown: got {unknown!r}, wanted error or background")
    results = relabel_maps(
        Path(source),
        Path(output),
        numbering,
        unknown_is_background=unknown == "background",
        overwrite=overwrite,
    )
    lines = [(one.case_id, one.is_written, "; ".join(one.notes)) for one in results]
    return pd.DataFrame(lines, columns=["case_id", "is_written", "notes"])


def init_target(
    *places: Path | str,
    name: str | None = None,
    labels: Sequence[str] = (),
    output: Path | str | None = None,
    overwrite: bool = False,
) -> Path:
    """Draft a target file from scans and masks, with the measured values as comments.

    Args:
        places: a manifest or data set, or a folder of scans and a folder of masks.
        name: name of the target; by default the name of the folder.
        labels: names or values of the labels to include; by default all.
        output: the file; by default conf/target/<name>.yaml.
        overwrite: whether a file that neurotarget did not write may be replaced.

    Returns:
        The path of the file, which `neurotarget.read_target` reads.

    Raises:
        DataError: there is no mask, a label is unknown, masks cannot be read, or the file exists.
    """
    return draft_target(places, name=name, labels=labels, output=output, overwrite=overwrite).path


def as_file(table: Table) -> Path:
    """Return the path of a table; a DataFrame is written to a temporary file, deleted at exit.

    Relative paths in it are relative to the working folder.
    """
    if not isinstance(table, pd.DataFrame):
        return Path(table)
    path = new_folder() / "cases.tsv"
    _with_absolute_paths(table).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def _with_absolute_paths(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with absolute paths in each column that holds files."""
    whole, here = table.copy(), Path.cwd()
    for name in table.columns:
        cells = table[name].tolist()
        texts = {cell for cell in cells if isinstance(cell, str) and not is_missing(cell)}
        if str(name).startswith("label") or any(_is_file(here / text) for text in texts):
            whole[name] = [str(here / cell) if cell in texts else cell for cell in cells]
    return whole


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text that is too long for a path
        return False


def new_folder() -> Path:
    """Create a temporary folder, deleted when the process ends.

    It holds data frames that commands read from files.
    """
    place = tempfile.TemporaryDirectory(prefix="neurotarget-")
    atexit.register(place.cleanup)
    return Path(place.name)


def as_paths(tables: Table | Sequence[Table]) -> list[Path]:
    """Return the paths of one or several tables; a DataFrame is written to a file (`as_file`)."""
    is_one = isinstance(tables, pd.DataFrame | Path | str)
    return [as_file(table) for table in ([tables] if is_one else tables)]


def _target(target: TargetLike | None, data: Table) -> Target | None:
    return None if target is None else read_target(target, data=data)
