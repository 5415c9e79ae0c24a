"""Read the input of `neurotarget study`: a run or its rows, or folders of masks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.derivative_names import label_map_path
from neurotarget.files.reading import read_plain
from neurotarget.printable import uncell
from neurotarget.problems import DataError, Problem
from neurotarget.report.sections.learned_steps import LEARNED
from neurotarget.report.sections.recalibration_texts import thresholds_of
from neurotarget.report.text.sentences import PLANTED, PLANTED_IN_TISSUE
from neurotarget.runs.folder.run_folder import PEOPLE, own_cases, read_config
from neurotarget.runs.network.objects import recorded_target
from neurotarget.scoring import evaluate, measure, read_rows
from neurotarget.size_units import AREAS, VOLUMES
from neurotarget.stats.cohort.learning import Training
from neurotarget.stats.cohort.measured import Measured, from_rows
from neurotarget.studies.run_origin import as_mapping, run_facts, training_table
from neurotarget.types import Case, Manifest, Row, Target

SHOWN = 8  # most names in a sentence
EDGE = ": touches the edge of the region of interest"  # text in the ledger of predictions


class Material(NamedTuple):
    """A cohort to study, the files for its pictures, and notes on what was left out."""

    measured: Measured
    cases: Mapping[str, Case]
    predictions: Path | None  # folder of the second method's masks
    label_ids: Mapping[str, int] | None  # of the reference masks
    notes: tuple[str, ...]
    facts: Mapping[str, str]
    stored: Mapping[str, pd.DataFrame] = MappingProxyType({})  # tables that the run has stored
    training: Training | None = None  # of the network that made the masks
    n_listed: int = 0  # number of cases in the manifest, including those without rows
    people: pd.DataFrame | None = None  # split and covariates of every case of the run behind it
    thresholds: Mapping[str, float] = MappingProxyType({})  # that the run has stored, by outcome
    n_excluded: int = 0  # number of cases that a list of the user's has left out
    boxes: Path | None = None  # table of boxes around findings, for maps of activations


def from_run(
    source: Path,
    *,
    manifest: Path | None = None,
    target: Target | None = None,
    predictions: Path | None = None,
) -> Material:
    """Read rows of a run folder, or of a rows.csv, with the covariates of a manifest.

    A run folder has its own target, manifest (cases.tsv) and predictions.

    Args:
        source: the folder, or the file.
        manifest: cases with covariates; None takes the run's cases.tsv.
        target: None takes the run's.
        predictions: folder of masks for the pictures; None takes the run's.

    Raises:
        DataError: there are no rows, or the target or the cases are unknown.
    """
    path = source / "rows.csv" if source.is_dir() else source
    folder = path.parent
    rows = read_rows(path)
    if target is None:
        target = run_target(folder)
    summary = read_plain(folder / "summary.json")
    target = with_planted(target, _planted(summary))
    if manifest is None:
        manifest = own_cases(folder)
        if not manifest.is_file():
            raise DataError(
                f"{path}: found no cases.tsv in its folder, wanted the covariates of its cases; "
                "set manifest=<manifest or data set>"
            )
    read, notes = read_cases(manifest, target, need_files=False)
    cases, missing_files = _with_files(read.cases)
    label_ids = read.label_ids or as_mapping(summary.get("label_ids")) or None
    if predictions is None and (folder / "predictions").is_dir():
        predictions = folder / "predictions"
    covariates = covariate_table(read.cases)
    measured = from_rows(with_ledger(rows, predictions), target, covariates)
    notes = [
        *notes,
        *_unmatched(measured.covariates.index, covariates.index, manifest),
        *missing_files,
    ]
    return Material(
        measured,
        cases,
        predictions,
        label_ids,
        tuple(notes),
        run_facts(summary, folder),
        stored_tables(folder),
        Training.read(summary.get("training")),
        len(read.cases),
        run_people(folder, target),
        stored_thresholds(folder),
    )


def from_masks(
    masks: Path | None, second: Path | None, *, manifest: Path, target: Target
) -> Material:
    """Measure masks of one rater, of two raters, or of a rater and a method.

    Args:
        masks: folder of the first, named after the cases; None takes those of the manifest.
        second: folder of the second, which is scored against the first; None measures the first
            only.
        manifest: cases with covariates.
        target: labels.

    Raises:
        DataError: a case has no mask, or masks cannot be read.
    """
    read, notes = read_cases(manifest, target, masks=masks)
    cases = {case.case_id: case for case in read.cases}
    covariates = covariate_table(read.cases)
    if second is None:
        table = _rows(measure(read, target))
        measured = from_rows(table, target, covariates)
        return Material(measured, cases, None, read.label_ids, tuple(notes), {})
    check_masks(second, cases)
    splits = dict.fromkeys(cases, "test")
    table = _rows(evaluate(read, second, target, splits))
    names = (masks.name, second.name)
    names = names if names[0] != names[1] else (str(masks), str(second))
    measured = from_rows(table, target, covariates, methods=names)
    names_of_cases = {f"{case_id}.nii.gz" for case_id in cases}
    if spare := sorted({path.name for path in second.glob("*.nii*")} - names_of_cases):
        notes.append(named(spare, f"in {second} belong to no case of {manifest}", "mask"))
    return Material(measured, cases, second, read.label_ids, tuple(notes), {})


def run_target(folder: Path) -> Target:
    """Read the target of a run folder.

    Raises:
        DataError: the folder is no run, or its config has no target.
    """
    if not (folder / "config.yaml").is_file():
        raise DataError(
            f"{folder}: found no config.yaml, wanted a run folder; set target=<name> for rows "
            "outside a run folder"
        )
    return recorded_target(read_config(folder), folder)


def with_planted(target: Target, planted: Mapping[str, float | None]) -> Target:
    """Return the target with the planted effects of a generated cohort as expected effects.

    `planted` are effects by hypothesis; those without one stay as they are.
    """
    hypotheses = tuple(
        item
        if planted.get(item.name) is None
        else replace(
            item,
            expected=planted[item.name],
            source=PLANTED_IN_TISSUE if item.contrast else PLANTED,
        )
        for item in target.hypotheses
    )
    return replace(target, hypotheses=hypotheses)


def read_cases(
    source: Path, target: Target, *, masks: Path | None = None, need_files: bool = True
) -> tuple[Manifest, list[str]]:
    """Read the cases of a manifest, which may have masks only, and warnings as sentences.

    Without `need_files` files may be missing.

    Args:
        source: manifest or data set.
        target: contrasts, labels and outcomes.
        masks: folder of masks in place of the manifest's own.
        need_files: False for a report of a run whose scans are on another machine.

    Raises:
        DataError: lists all problems of the manifest.
    """
    manifest, problems = scan_manifest(
        source,
        target,
        need_images=False,
        repeats=masks is not None,
        masks=masks,
        need_files=need_files,
    )
    errors = [problem for problem in problems if problem.level == "error"]
    if errors or manifest is None:
        raise DataError(errors)
    return manifest, [sentence(problem) for problem in problems]


def covariate_table(cases: Sequence[Case]) -> pd.DataFrame:
    """Return covariates by case_id, with the subject of each case.

    The first column is `subject_id`; a covariate that a case lacks is missing there.
    """
    lines = [
        {"case_id": case.case_id, "subject_id": case.subject_id, **case.covariates}
        for case in cases
    ]
    return pd.DataFrame(lines).set_index("case_id")


def people_table_of(cases: Sequence[Case], splits: Mapping[str, str]) -> pd.DataFrame:
    """Return split, subject and covariates by case_id; `splits` must have every case."""
    table = covariate_table(cases)
    return table.assign(split=[splits[case_id] for case_id in table.index])


def run_people(folder: Path, target: Target) -> pd.DataFrame | None:
    """Read split and covariates of every case of a run; None where it has no people.tsv.

    Raises:
        DataError: the table is broken.
    """
    path = own_cases(folder, PEOPLE)
    if not (folder / "config.yaml").is_file() or not path.is_file():
        return None
    cases = read_cases(path, target, need_files=False)[0].cases
    return people_table_of(cases, {case.case_id: case.split or "" for case in cases})


def _planted(summary: Mapping[str, Any]) -> dict[str, float]:
    """Planted effects of a generated cohort in a run's summary."""
    hypotheses = as_mapping(summary.get("hypotheses"))
    planted = {name: as_mapping(item).get("planted") for name, item in hypotheses.items()}
    return {name: value for name, value in planted.items() if isinstance(value, int | float)}


def stored_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables that a run has stored for its study: trials of what it has learned.

    By name; those without rows are absent, and so is every one outside of a run folder.
    """
    tables = {name: one.table(read_plain(folder / f"{name}.json")) for name, one in LEARNED.items()}
    tables["training"] = training_table(folder)
    return {name: table for name, table in tables.items() if len(table)}


def stored_thresholds(folder: Path) -> dict[str, float]:
    """Read the learned thresholds of probabilities of a run, by outcome; empty without any."""
    return thresholds_of(read_plain(folder / "recalibration.json"))


def with_ledger(rows: pd.DataFrame, predictions: Path | None) -> pd.DataFrame:
    """Return rows in which a mask at the edge of its region of interest counts as cut off.

    The region is known only during prediction, which records such masks in its table of sizes.
    Without this table in the folder `predictions`, rows stay as they are.
    """
    tables = [predictions / one.table for one in (VOLUMES, AREAS)] if predictions else []
    path = next((one for one in tables if one.is_file()), None)
    if path is None:
        return rows
    try:
        ledger = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).map(uncell)
    except ValueError:
        return rows  # a file of another program
    if not {"case_id", "note"} <= set(ledger):
        return rows
    cut = {
        (line.case_id, flag.removesuffix(EDGE))
        for line in ledger.itertuples()
        for flag in line.note.split("; ")
        if flag.endswith(EDGE)
    }
    keys = pd.Series(list(zip(rows["case_id"], rows["label"], strict=True)), index=rows.index)
    rows = rows.copy()
    rows.loc[(rows["metric"] == "touches_edge") & keys.isin(cut), "value"] = 1.0
    return rows


def _unmatched(scored: pd.Index, listed: pd.Index, manifest: Path) -> list[str]:
    """Sentences on cases that are only in the rows, or only in the manifest."""
    strange, silent = sorted(set(scored) - set(listed)), sorted(set(listed) - set(scored))
    if len(strange) == len(set(scored)):
        raise DataError(
            f"{manifest}: found none of the cases of the rows (such as {strange[0]}) among its own "
            f"(such as {silent[0]}), wanted their covariates; give the manifest of these rows"
        )
    notes = []
    if strange:
        notes.append(named(strange, f"are not in {manifest.name}: they have no covariates", "case"))
    if silent:
        notes.append(
            named(silent, f"of {manifest.name} have no rows: they are not studied", "case")
        )
    return notes


def _with_files(cases: Sequence[Case]) -> tuple[dict[str, Case], list[str]]:
    """Cases by id with their existing files, and a sentence on missing files."""
    by_id, missing_files = {}, []
    for case in cases:
        images = {name: path for name, path in case.images.items() if Path(path).is_file()}
        label = case.label if case.label and case.label.is_file() else None
        by_id[case.case_id] = replace(case, images=images, label=label)
        if len(images) < len(case.images) or (case.label and not label):
            missing_files.append(case.case_id)
    missing = "no longer have all their files: missing files are not shown"
    return by_id, [named(missing_files, missing, "case")] if missing_files else []


def named(names: Sequence[str], what: str, noun: str) -> str:
    """Return a sentence on some cases or masks: number, names and problem.

    Args:
        names: at most eight are listed.
        what: end of the sentence, without a full stop.
        noun: in the singular, such as case.
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    plural = "" if len(names) == 1 else "s"
    return f"{len(names)} {noun}{plural} ({', '.join(names[:SHOWN])}{more}) {what}."


def check_masks(folder: Path, case_ids: Iterable[str]) -> None:
    """Refuse a folder without masks of the cases, such as a mistyped one.

    A single mask is enough: absent ones are failures, which the study counts.

    Raises:
        DataError: no case has a mask in the folder, or it does not exist.
    """
    paths = [label_map_path(folder, case_id) for case_id in case_ids]
    paths += [folder / f"{case_id}.png" for case_id in case_ids]
    if not any(path.is_file() for path in paths):
        problem = "no mask of any case" if folder.is_dir() else "no such folder"
        raise DataError(
            f"{folder}: found {problem}, wanted files named after their case, such as "
            f"{paths[0].name}"
        )


def sentence(problem: Problem) -> str:
    """Format a problem as a sentence of a report: with a capital and a full stop.

    A case or file at its start keeps its spelling.
    """
    text = str(problem)
    begins = text[:1] if problem.case_id or problem.file else text[:1].upper()  # keep names
    return f"{begins}{text[1:]}{'' if text.endswith('.') else '.'}"


def _rows(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(Row._fields))
