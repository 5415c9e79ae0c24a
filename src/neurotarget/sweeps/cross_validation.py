"""Pool the folds of a multirun into one cohort: each case comes from the fold that held it out.

`<multirun>/cross_validation/` has the files of a run folder without weights: rows.csv, cases.tsv,
predictions/, summary.json, the study and its report; folds.tsv states which fold predicted a case.
With other swept settings, such as two models, it has a folder for each combination of them.

Masks are post-processed by the steps that the network of their fold has chosen on its validation
cases, so that no step was chosen on a case that it is scored on. `predict run=<multirun>` averages
the networks of all folds, with the steps that more than half of them have kept.
"""

import csv
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from neurotarget.files.ownership import claim
from neurotarget.files.reading import read_plain, read_text
from neurotarget.files.writing import write_text, written
from neurotarget.printable import cell
from neurotarget.problems import DataError, some
from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.runs.folder.finished_runs import CROSS_VALIDATION
from neurotarget.runs.folder.job_names import job_name
from neurotarget.runs.folder.jobs import key_of, read_job
from neurotarget.runs.folder.multirun import MULTIRUN, read_record, resume_command_of
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.folder.run_folder import (
    PEOPLE,
    own_cases,
    read_config,
    write_cases,
    write_json,
    write_people,
)
from neurotarget.runs.network.objects import recorded_target
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.scoring import read_rows, write_rows
from neurotarget.studies.make_study import Source, make_study
from neurotarget.studies.study_inputs import from_run, read_cases
from neurotarget.types import Case, Row, Target

FOLD = "data.fold"
OWN = ("cv", "data.n_folds", FOLD)  # keys that are no part of a combination of settings
ONCE = "test"  # split of all pooled cases
MASKS = (".nii.gz", ".png")


class Fold(NamedTuple):
    """A finished run of one fold, and its held-out cases.

    `number` is the fold's number, from 0; `config` and `summary` are the content of its files.
    """

    number: int
    folder: Path
    config: Mapping[str, Any]
    target: Target
    cases: tuple[Case, ...]
    people: tuple[Case, ...]  # every case of the data set, without files
    summary: Mapping[str, Any]


class Pooled(NamedTuple):
    """The pooled folds of one combination of settings.

    `folder` has the files of a run; `summary` is the content of its summary.json, with the scores
    of each fold in `folds`.
    """

    folder: Path
    num_folds: int
    num_cases: int
    study: WrittenStudy
    summary: Mapping[str, Any]
    notes: tuple[str, ...]


def pool_multirun(folder: Path) -> list[Pooled]:
    """Pool the folds of a multirun, for each combination of its other settings.

    Cases that several folds have held out, such as those of other sites, are left out with a note.

    Returns:
        One result for each combination; a multirun of folds alone has one.

    Raises:
        DataError: a fold is not finished, all held-out cases are in several folds, folds leave
            cases out, or their targets differ.
    """
    groups = _groups(folder)
    places = {name: folder / CROSS_VALIDATION / name for name in groups}
    return [_pool(runs, places[name], folder) for name, runs in groups.items()]


def print_pooled(pooled: Sequence[Pooled], folder: Path) -> None:
    """Print the scores of pooled folds, and the command that predicts with their networks."""
    for one in pooled:
        print(f"\ncross-validation: {one.num_folds} folds, {one.num_cases} cases, each once")
        scores = [fold["dice_mean"] for fold in one.summary["folds"] if fold.get("dice_mean")]
        if scores:
            print(f"  Dice of the folds  {', '.join(f'{score:.3f}' for score in scores)}")
        for note in one.notes:
            print(f"  note: {note}")
        print(summary_text(one.summary))
        print(f"\nrows        {one.folder / 'rows.csv'}\nreport      {one.study.page}")
    if len(pooled) == 1:
        print(f"predict     neurotarget predict run={folder} input=<scans> output=<folder>")
    print(end="", flush=True)


def pooled_folder(place: Path) -> Path:
    """Pool the folds of a multirun unless that is done, and return the folder.

    `place` is the user's argument `rows`, so that a multirun can be studied like a run. Any other
    path is returned unchanged.

    Raises:
        DataError: as in `pool_multirun`, or there are several combinations of settings.
    """
    if not (place / MULTIRUN).is_file():
        return place
    home = place / CROSS_VALIDATION
    if (home / "rows.csv").is_file():
        return home
    groups = _groups(place)
    if len(groups) > 1:
        raise DataError(
            f"rows={place}: found a multirun of {len(groups)} settings ({some(groups)}), wanted "
            f"one; give one of them, such as rows={home / next(iter(groups))}, or compare them: "
            f"neurotarget compare {place}"
        )
    return pool_multirun(place)[0].folder


def _groups(folder: Path) -> dict[str, list[Path]]:
    """Group the run folders by settings other than the fold; the key is the group's folder name."""
    lines = read_record(folder).get("jobs") or []
    words = {
        line["name"]: [one for one in line["words"] if key_of(one) not in OWN] for line in lines
    }
    if not any(key_of(one) == FOLD for line in lines for one in line["words"]):
        raise DataError(
            f"{folder}: found no {FOLD} in its jobs, wanted those of a cross-validation; "
            "`neurotarget train cv=5` makes one"
        )
    counts = Counter(one for many in words.values() for one in many)
    groups: dict[str, list[Path]] = {}
    for name, many in words.items():
        own = [one for one in many if counts[one] < len(words)]
        groups.setdefault(job_name(own) if own else "", []).append(folder / name)
    wrong = [
        f"{run.name} is {status}"
        for runs in groups.values()
        for run in runs
        if (status := read_job(run).status) != "done"
    ]
    if wrong:
        raise DataError(
            f"{folder}: found unfinished folds ({some(wrong)}), wanted all of them; "
            f"{resume_command_of(folder)}"
        )
    return groups


def _pool(runs: Sequence[Path], place: Path, multirun: Path) -> Pooled:
    folds = sorted(map(_fold, runs), key=lambda fold: fold.number)
    target, notes = _common_target(folds), []
    owners = _owners(folds)
    kept = {case_id for case_id, numbers in owners.items() if len(numbers) == 1}
    if not kept:
        raise DataError(
            f"{multirun}: found all held-out cases in several folds ({some(owners)}), wanted each "
            "in one; the data set states its splits, so its folds are no cross-validation"
        )
    if shared := sorted({*owners} - kept):
        notes.append(
            f"{len(shared)} cases ({some(shared)}) were held out by several folds, as those of "
            "other sites are; they are not pooled, and each fold's own report has them."
        )
    never = sorted({case.case_id for case in folds[0].people} - {*owners})
    if never:
        raise DataError(
            f"{multirun}: found {len(never)} cases that no fold has held out ({some(never)}), "
            f"wanted each once; train the folds that are missing: {resume_command_of(multirun)}"
        )
    claim(place, older=older_output)  # a record of its own, which the study uses too
    cases = [case for fold in folds for case in fold.cases if case.case_id in kept]
    splits = dict.fromkeys((case.case_id for case in cases), ONCE)
    write_text(place / "config.yaml", yaml.safe_dump(_config(folds, target), sort_keys=False))
    write_rows([row for fold in folds for row in _rows(fold, kept)], place / "rows.csv")
    write_cases(place, cases, splits)
    write_people(place, [case for case in folds[0].people if case.case_id in splits], splits)
    _write_predictions(folds, kept, place / "predictions")
    _write_folds(folds, kept, place / "folds.tsv")
    summary = _summary(folds, place)
    write_json(place / "summary.json", summary)
    written_study = make_study(
        Source(f"rows={place}", lambda given: from_run(place, target=given), place),
        target=None,
        output=place,
        command=resume_command_of(multirun),
    )
    planted = {
        name: one["planted"]
        for name, one in (summary.get("hypotheses") or {}).items()
        if one.get("planted") is not None
    }
    summary = {**summary, **summarise(written_study.study, planted=planted)}
    write_json(place / "summary.json", summary)
    return Pooled(place, len(folds), len(cases), written_study, summary, tuple(notes))


def _fold(run: Path) -> Fold:
    """Read a finished run.

    Raises:
        DataError: its config, rows or cases cannot be read.
    """
    config = read_config(run)
    target = recorded_target(config, run)
    number = int((config.get("data") or {}).get("fold", 0))
    cases = read_cases(own_cases(run), target, need_files=False)[0].cases
    people = read_cases(own_cases(run, PEOPLE), target, need_files=False)[0].cases
    summary = read_plain(run / "summary.json")
    return Fold(number, run, config, target, tuple(cases), tuple(people), summary)


def _common_target(folds: Sequence[Fold]) -> Target:
    """Return the target of all folds, without its region, which may differ between folds."""
    regions = {fold.target.roi for fold in folds}
    roi = regions.pop() if len(regions) == 1 else None
    first = replace(folds[0].target, roi=roi)
    for fold in folds[1:]:
        if replace(fold.target, roi=roi) != first:
            raise DataError(
                f"{fold.folder}: found another target than in {folds[0].folder}, wanted one for "
                "all folds; train them again with one command, cv=<folds>"
            )
    return first


def _owners(folds: Sequence[Fold]) -> dict[str, list[int]]:
    """Return the numbers of the folds that have held out each case."""
    owners: dict[str, list[int]] = {}
    for fold in folds:
        for case in fold.cases:
            owners.setdefault(case.case_id, []).append(fold.number)
    return owners


def _config(folds: Sequence[Fold], target: Target) -> dict[str, Any]:
    """Return the configuration of the first fold, with the number of folds in place of its fold."""
    config = dict(folds[0].config)
    own = {key: value for key, value in config["target"].items() if key != "roi" or target.roi}
    return {**config, "cv": len(folds), "target": own}


def _rows(fold: Fold, kept: set[str]) -> list[Row]:
    table = read_rows(fold.folder / "rows.csv")
    table = table[table["case_id"].isin(kept)].assign(split=ONCE)
    return [Row(*line) for line in table.itertuples(index=False)]


def _write_predictions(folds: Sequence[Fold], kept: set[str], place: Path) -> None:
    """Copy the masks of each case from its fold, and join the tables of sizes and outcomes."""
    place.mkdir(exist_ok=True)
    tables: dict[str, list[pd.DataFrame]] = {}
    for fold in folds:
        source = fold.folder / "predictions"
        for case in fold.cases:
            masks = [source / f"{case.case_id}{suffix}" for suffix in MASKS]
            for mask in (path for path in masks if path.is_file() and case.case_id in kept):
                with written(place / mask.name) as draft:
                    shutil.copyfile(mask, draft)
        for path in sorted(source.glob("*.tsv")):
            table = _text_table(path)
            if "case_id" in table:
                tables.setdefault(path.name, []).append(table[table["case_id"].isin(kept)])
    for name, parts in tables.items():
        whole = pd.concat(parts, ignore_index=True).fillna("n/a")
        write_text(place / name, whole.to_csv(sep="\t", index=False, lineterminator="\n"))


def _text_table(path: Path) -> pd.DataFrame:
    """Read the cells of a table that neurotarget has written, as text."""
    lines = list(csv.reader(read_text(path).splitlines(), delimiter="\t"))
    return pd.DataFrame(lines[1:], columns=lines[0]) if lines else pd.DataFrame()


def _write_folds(folds: Sequence[Fold], kept: set[str], path: Path) -> None:
    lines = ["case_id\tfold\trun"]
    lines += [
        f"{cell(case.case_id)}\t{fold.number}\t{cell(fold.folder.name)}"
        for fold in folds
        for case in fold.cases
        if case.case_id in kept
    ]
    write_text(path, "\n".join(lines) + "\n")


def _summary(folds: Sequence[Fold], place: Path) -> dict[str, Any]:
    """Summarise all folds; the training is that of the fold with the lowest validation Dice.

    If the network of one fold has not learnt its target, the summary reports this for all folds.
    """
    first = folds[0].summary
    trainings = [fold.summary.get("training") or {} for fold in folds]
    seconds = [fold.summary.get("train_seconds") for fold in folds]
    facts = {
        key: first[key] for key in ("experiment", "model", "seed", "label_ids") if key in first
    }
    planted = {
        name: {"planted": one["planted"]}
        for name, one in (first.get("hypotheses") or {}).items()
        if isinstance(one, dict) and one.get("planted") is not None
    }
    return {
        **facts,
        "fold": f"each of {len(folds)} held out once",
        "train_seconds": round(sum(one for one in seconds if one is not None), 1),
        "training": min(trainings, key=lambda one: one.get("dice", math.inf)),
        "hypotheses": planted,
        "run": str(place),
        "folds": [
            {
                "fold": fold.number,
                "run": fold.folder.name,
                "n_test": fold.summary.get("n_test"),
                "dice_mean": fold.summary.get("dice_mean"),
            }
            for fold in folds
        ],
    }
