"""What `neurotarget study` reads: a run or its rows, and folders of masks."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.files.reading import read_plain
from neurotarget.printable import uncell
from neurotarget.problems import DataError, Problem
from neurotarget.report.pages.postprocessing import trials_table
from neurotarget.report.text.sentences import PLANTED, PLANTED_IN_TISSUE
from neurotarget.runs.folder.run_folder import PEOPLE, POSTPROCESSING, own_cases, read_config
from neurotarget.runs.network.objects import recorded_target
from neurotarget.scoring import evaluate, measure, read_rows
from neurotarget.stats.cohort.learning import Training
from neurotarget.stats.cohort.measured import Measured, from_rows
from neurotarget.types import Case, Manifest, Row, Target

SHOWN = 8  # names in a sentence
EDGE = ": touches the edge of the region of interest"  # how the ledger of predictions says it


class Material(NamedTuple):
    """A cohort to study, where its pictures come from, and what was left out."""

    measured: Measured
    cases: Mapping[str, Case]
    predictions: Path | None  # folder of the second method's masks
    label_ids: Mapping[str, int] | None  # of the reference masks
    notes: tuple[str, ...]
    facts: Mapping[str, str]
    beside: Mapping[str, pd.DataFrame] = MappingProxyType({})  # tables that no study computes
    training: Training | None = None  # of the network behind the masks
    n_listed: int = 0  # cases of the manifest, with those that have no rows
    people: pd.DataFrame | None = None  # split and covariates of every case of the run behind it


def from_run(
    source: Path,
    *,
    manifest: Path | None = None,
    target: Target | None = None,
    predictions: Path | None = None,
) -> Material:
    """Rows of a run folder, or of a rows.csv, with the covariates of a manifest.

    A run folder brings its own target, manifest (cases.tsv) and predictions.

    Raises:
        DataError: there are no rows, or nothing says the target or the cases.
    """
    path = source / "rows.csv" if source.is_dir() else source
    folder = path.parent
    rows = read_rows(path)
    if target is None:
        target = run_target(folder)
    summary = read_summary(folder)
    target = with_planted(target, _planted(summary))
    if manifest is None:
        manifest = own_cases(folder)
        if not manifest.is_file():
            raise DataError(
                f"{path}: found no cases.tsv beside it, wanted the covariates of its cases; say "
                "manifest=<manifest or data set>"
            )
    read, notes = read_cases(manifest, target, need_files=False)
    cases, gone = _with_files(read.cases)
    label_ids = read.label_ids or _mapping(summary.get("label_ids")) or None
    if predictions is None and (folder / "predictions").is_dir():
        predictions = folder / "predictions"
    covariates = covariate_table(read.cases)
    measured = from_rows(with_ledger(rows, predictions), target, covariates)
    notes = [*notes, *_unmatched(measured.covariates.index, covariates.index, manifest), *gone]
    return Material(
        measured,
        cases,
        predictions,
        label_ids,
        tuple(notes),
        run_facts(summary, folder),
        tables_beside(folder),
        Training.read(summary.get("training")),
        len(read.cases),
        run_people(folder, target),
    )


def from_masks(masks: Path, second: Path | None, *, manifest: Path, target: Target) -> Material:
    """Masks of one rater, or of two raters or a rater and a method, with the volumes in them.

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
    if spare := _spare_files(second, cases):
        notes.append(named(spare, f"in {second} belong to no case of {manifest}", "mask"))
    return Material(measured, cases, second, read.label_ids, tuple(notes), {})


def run_target(folder: Path) -> Target:
    """Target of a run folder.

    Raises:
        DataError: the folder is no run, or its config holds no target.
    """
    if not (folder / "config.yaml").is_file():
        raise DataError(
            f"{folder}: found no config.yaml, wanted a run folder; say target=<name> for rows "
            "that lie alone"
        )
    return recorded_target(read_config(folder), folder)


def with_planted(target: Target, planted: Mapping[str, float | None]) -> Target:
    """The target with the effects that a generated cohort has as those to expect."""
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
    """Cases of a manifest that may have masks only, and warnings as sentences.

    Without `need_files` the files of cases may be gone.

    Raises:
        DataError: everything that is wrong with the manifest.
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
    """Covariates by case_id, with the subject of each case."""
    lines = [
        {"case_id": case.case_id, "subject_id": case.subject_id, **case.covariates}
        for case in cases
    ]
    return pd.DataFrame(lines).set_index("case_id")


def people_table_of(cases: Sequence[Case], splits: Mapping[str, str]) -> pd.DataFrame:
    """Split, subject and covariates by case_id."""
    table = covariate_table(cases)
    return table.assign(split=[splits[case_id] for case_id in table.index])


def run_people(folder: Path, target: Target) -> pd.DataFrame | None:
    """Split and covariates of every case of a run; None where it has no people.tsv.

    Raises:
        DataError: the table is broken.
    """
    path = own_cases(folder, PEOPLE)
    if not (folder / "config.yaml").is_file() or not path.is_file():
        return None
    cases = read_cases(path, target, need_files=False)[0].cases
    return people_table_of(cases, {case.case_id: case.split or "" for case in cases})


def read_summary(folder: Path) -> dict[str, Any]:
    """summary.json of a run; empty where rows lie alone or it is none of ours."""
    return read_plain(folder / "summary.json")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _planted(summary: Mapping[str, Any]) -> dict[str, float]:
    """Effects of the generated cohort that a run's summary remembers."""
    asked = _mapping(summary.get("hypotheses"))
    found = {name: _mapping(item).get("planted") for name, item in asked.items()}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def run_facts(summary: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Where a run's numbers come from, in words: its summary, and run.json in its folder."""
    named = {
        "experiment": "experiment",
        "model": "model",
        "seed": "seed",
        "fold": "fold",
        "train_seconds": "training, s",
        "weights_sha256": "weights (SHA-256)",
        "data_fingerprint": "data fingerprint",
        "run": "run folder",
    }
    facts = {text: str(summary[key]) for key, text in named.items() if summary.get(key) is not None}
    record = read_plain(folder / "run.json")
    code, hardware = _mapping(record.get("code")), _mapping(record.get("hardware"))
    if code.get("commit"):
        changed = ", with changes that are not committed" if code.get("changed") else ""
        facts["commit"] = f"{code['commit']}{changed}"
    if isinstance(hardware.get("argv"), list):
        facts["trained by"] = "train.py " + shlex.join(map(str, hardware["argv"]))
    return facts


def tables_beside(folder: Path) -> dict[str, pd.DataFrame]:
    """Tables that a run has made before its study: the post-processing that it has tried."""
    trials = trials_table(read_plain(folder / POSTPROCESSING))
    return {"postprocessing": trials} if len(trials) else {}


def with_ledger(rows: pd.DataFrame, predictions: Path | None) -> pd.DataFrame:
    """Rows in which a mask that met its region of interest's edge counts as touching an edge.

    Only prediction knows that region, and wrote down in volumes.tsv what it saw.
    """
    path = predictions / "volumes.tsv" if predictions else None
    if path is None or not path.is_file():
        return rows
    try:
        ledger = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).map(uncell)
    except ValueError:
        return rows  # another program's file of this name
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
    """Sentences on cases that only the rows or only the manifest know."""
    strange, silent = sorted(set(scored) - set(listed)), sorted(set(listed) - set(scored))
    if len(strange) == len(set(scored)):
        raise DataError(
            f"{manifest}: found none of the cases of the rows (such as {strange[0]}) among its own "
            f"(such as {silent[0]}), wanted their covariates; say the manifest of these rows"
        )
    told = []
    if strange:
        told.append(named(strange, f"are not in {manifest.name}: they have no covariates", "case"))
    if silent:
        told.append(named(silent, f"of {manifest.name} have no rows: they are not studied", "case"))
    return told


def _with_files(cases: Sequence[Case]) -> tuple[dict[str, Case], list[str]]:
    """Cases by id with what is still on disk, and a sentence on files that are gone."""
    found, gone = {}, []
    for case in cases:
        images = {name: path for name, path in case.images.items() if Path(path).is_file()}
        label = case.label if case.label and case.label.is_file() else None
        found[case.case_id] = replace(case, images=images, label=label)
        if len(images) < len(case.images) or (case.label and not label):
            gone.append(case.case_id)
    missing = "no longer have all their files: what is gone is not drawn"
    return found, [named(gone, missing, "case")] if gone else []


def named(names: Sequence[str], what: str, noun: str) -> str:
    """A sentence on some cases or masks: how many, which, and what of them."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    plural = "" if len(names) == 1 else "s"
    return f"{len(names)} {noun}{plural} ({', '.join(names[:SHOWN])}{more}) {what}."


def check_masks(folder: Path, case_ids: Iterable[str]) -> None:
    """Refuse a folder that has the mask of none of the cases: it is another's, or mistyped.

    Raises:
        DataError: it is so.
    """
    names = [f"{case_id}.nii.gz" for case_id in case_ids]
    if not any((folder / name).is_file() for name in names):
        found = "no mask of any case" if folder.is_dir() else "no such folder"
        raise DataError(
            f"{folder}: found {found}, wanted files called after their case, such as {names[0]}"
        )


def _spare_files(folder: Path, cases: Mapping[str, Case]) -> list[str]:
    names = {f"{case_id}.nii.gz" for case_id in cases}
    return sorted(path.name for path in folder.glob("*.nii*") if path.name not in names)


def sentence(problem: Problem) -> str:
    """A problem as a sentence of a report."""
    text = str(problem)
    begins = text[:1] if problem.case_id or problem.file else text[:1].upper()  # names stay
    return f"{begins}{text[1:]}{'' if text.endswith('.') else '.'}"


def _rows(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(Row._fields))
