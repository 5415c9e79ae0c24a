"""Gather finished runs into comparable arms, or report all reasons against it at once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.comparison.arm_names import settle_arms
from neurotarget.comparison.design import (
    Named,
    check_data,
    check_distances,
    check_targets,
    shared_cases,
    shared_runs,
)
from neurotarget.comparison.read_run import Run, read_run
from neurotarget.comparison.shared_outcomes import only_outcomes
from neurotarget.files.memory_limits import within_memory
from neurotarget.files.reading import read_plain
from neurotarget.problems import DataError
from neurotarget.report.text.numbers import counted
from neurotarget.runs.folder.finished_runs import run_folders, why_unfinished
from neurotarget.runs.folder.run_folder import own_cases
from neurotarget.stats.arms.arms import NET, Arms, check_design, listed
from neurotarget.studies.run_origin import commit_text
from neurotarget.studies.study_inputs import covariate_table, from_run, read_cases
from neurotarget.types import Target

ADVICE = "common=true compares only the folds, seeds and cases that all arms have"
SHOWN = 12  # most reasons in an error; further reasons are counted
SCORE = ["case_id", "subject_id", "label", "metric", "value", "unit", "split"]


Slot = tuple[int, int]  # fold and seed


class Gathered(NamedTuple):
    """Arms to compare, their runs by name, and notes.

    `notes` are sentences on what was left out and what differs; `facts` are the origin of the
    numbers.
    """

    arms: Arms
    runs: Mapping[str, Run]  # by name, the index of `arms.runs`
    notes: tuple[str, ...]
    facts: Mapping[str, str]


def read_arms(
    places: Sequence[Path], *, target: Target | None = None, common: bool = False
) -> Gathered:
    """Read every finished run in some folders and group them into arms.

    Unfinished and unreadable runs are left out with a note.

    Args:
        places: multirun folders, run folders, or parents of these.
        target: target whose hypotheses replace those of the runs.
        common: whether runs and cases that some arm lacks are also left out, instead of an error.

    Raises:
        DataError: no run is finished, or the runs cannot be compared; all reasons are listed.
    """
    runs, left = _read_all(run_folders(places))
    if not runs:
        raise DataError(["compare: found no finished run, wanted one or more", *left])
    runs, outcome_notes = only_outcomes(runs)
    shared = runs[0].target if outcome_notes else None
    known = []
    if target is not None:
        known = [runs[0]._replace(target=target, folder=Path(f"target {target.name}"))]
    if errors := check_targets([*known, *runs]):
        raise DataError(errors)
    named, notes = _named(runs)
    notes = [*outcome_notes, *notes]
    if common:
        named, more = shared_runs(named)
        notes += more
    errors, more = check_data(named, common=common)
    errors += check_distances(named)
    arms, notes_of_arms = _arms(named, target or shared)
    notes += [*more, *notes_of_arms]
    if common and not errors:
        arms, more = shared_cases(arms)
        notes += more
    # the reason already lists the missing cases
    errors += [] if errors else check_design(arms)
    if errors:
        raise DataError([*_few(errors), *left, *([] if common else [ADVICE])])
    notes += _machines(named)
    return Gathered(arms, {one.name: one.run for one in named}, (*left, *notes), _facts(named))


def score_rows(rows: pd.DataFrame, *, arm: str, kind: str, run: str, slot: Slot) -> pd.DataFrame:
    """Return rows of rows.csv with the columns of a comparison; `slot` is fold and seed.

    Args:
        rows: rows of one run or ensemble.
        arm: name of its arm.
        kind: net, ensemble or soup.
        run: its name, unique in the comparison.
        slot: fold and seed.
    """
    table = rows[SCORE].reset_index(drop=True)
    for place, (name, value) in enumerate(
        {"arm": arm, "kind": kind, "run": run, "fold": slot[0], "seed": slot[1]}.items()
    ):
        table.insert(place, name, value)
    return table


def _read_all(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Return finished runs, and a sentence on each unreadable run."""
    runs, left = [], []
    for folder in folders:
        reason = why_unfinished(folder)
        # outside of the loop: a lack of memory is no reason to leave out a run
        with within_memory(str(folder / "rows.csv"), "close other programs"):
            reason = reason or _read_into(runs, folder)
        if reason:
            left.append(f"{folder.name}: {reason}.")
    if left:
        verb = "is" if len(left) == 1 else "are"
        left = [f"{len(left)} of {counted(len(folders), 'run')} {verb} left out.", *_few(left)]
    return runs, left


def _read_into(runs: list[Run], folder: Path) -> str:
    """Append a run; return the reason if it cannot be read, else ""."""
    try:
        runs.append(read_run(folder))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return " ".join(str(error).split())
    return ""


def _named(runs: Sequence[Run]) -> tuple[list[Named], list[str]]:
    """Give runs their arms and names; return them with notes on differences between the arms.

    Raises:
        DataError: runs have the same arm, fold and seed; the message lists all of them.
    """
    slots = [(run.fold, run.seed) for run in runs]
    settled = settle_arms([run.settings for run in runs], [run.model for run in runs], slots)
    groups: dict[str, list[Run]] = defaultdict(list)
    for arm, (fold, seed), run in zip(settled.arms, slots, runs, strict=True):
        groups[f"{arm}/fold={fold},seed={seed}"].append(run)
    repeated = [
        f"{name}: found {counted(len(several), 'run')} of it, wanted one "
        f"({listed(str(run.folder) for run in several)}); name only one of them"
        for name, several in groups.items()
        if len(several) > 1
    ]
    if repeated:
        raise DataError(_few(repeated))
    named = [
        Named(arm, f"{arm}/fold={run.fold},seed={run.seed}", run)
        for arm, run in zip(settled.arms, runs, strict=True)
    ]
    others = "Runs have other hypotheses than the first; the first one's are studied for all."
    differ = len({run.target.hypotheses for run in runs}) > 1
    return named, [*settled.notes, *([others] if differ else [])]


def _arms(named: Sequence[Named], target: Target | None) -> tuple[Arms, list[str]]:
    """Collect scores, costs and covariates of runs, and notes on covariates."""
    scores = [
        score_rows(run.rows, arm=arm, kind=NET, run=name, slot=(run.fold, run.seed))
        for arm, name, run in named
    ]
    costs: dict[str, dict[str, Any]] = {
        name: {"arm": arm, "kind": NET, "fold": run.fold, "seed": run.seed, **run.cost}
        for arm, name, run in named
    }
    runs = pd.DataFrame.from_dict(costs, orient="index").rename_axis("run")
    covariates, notes = _covariates([one.run for one in named])
    known = target or _planted([one.run for one in named])
    return Arms(known, pd.concat(scores, ignore_index=True), runs, covariates), notes


def _covariates(runs: Sequence[Run]) -> tuple[pd.DataFrame, list[str]]:
    """Collect the covariates of all cases by case_id, from the first run of each case."""
    lines: dict[str, dict[str, Any]] = {}
    notes, unlike, read = [], set(), set()
    for run in runs:
        try:
            path = own_cases(run.folder)
            text = path.read_bytes() if path.is_file() else b""
            if not text or text in read:
                continue
            read.add(text)
            # warnings are about this fold only, and were reported by the training
            manifest, _ = read_cases(path, run.target, need_files=False)
        except DataError as error:
            why = " ".join(str(error).split())
            notes.append(f"Covariates of {run.folder.name} cannot be read: {why}.")
            continue
        table = covariate_table(manifest.cases)
        for case_id, line in zip(table.index, table.to_dict("records"), strict=True):
            if lines.setdefault(case_id, line) != line:
                unlike.add(case_id)
    if unlike:
        note = (
            f"Covariates of {counted(len(unlike), 'case')} differ between runs, the first count: "
        )
        notes.append(f"{note}{listed(sorted(unlike))}.")
    scored = set().union(*(run.test_cases for run in runs))
    if lacking := sorted(scored - lines.keys()):
        note = (
            f"No covariates of {counted(len(lacking), 'case')}, as cases.tsv of the run is lost or "
            "cannot be read: "
        )
        notes.append(f"{note}{listed(lacking)}.")
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("case_id")
    table = table if len(table) else pd.DataFrame(columns=["subject_id"]).rename_axis("case_id")
    return table, list(dict.fromkeys(notes))


def _planted(runs: Sequence[Run]) -> Target:
    """Return the target of the first run, with the simulated effects of a generated cohort."""
    for run in runs:
        if (run.folder / "cases.tsv").is_file():
            try:
                return from_run(run.folder).measured.target
            except DataError:  # reported with the covariates
                continue
    return runs[0].target


def _facts(named: Sequence[Named]) -> dict[str, str]:
    """Describe the origin of the numbers, as text by name."""
    runs = [one.run for one in named]
    records = [read_plain(run.folder / "run.json") for run in runs]
    origins = {
        "experiment": [str(run.summary.get("experiment", "")) for run in runs],
        "data fingerprint": [str(run.summary.get("data_fingerprint") or "") for run in runs],
        "commit": [commit_text(record.get("code") or {}) for record in records],
        "hardware": [_hardware(record.get("hardware") or {}) for record in records],
        "folder": [str(run.folder.parent) for run in runs],
    }
    unique = {name: [one for one in dict.fromkeys(many) if one] for name, many in origins.items()}
    return {"runs": str(len(runs)), **{name: listed(many) for name, many in unique.items() if many}}


def _machines(named: Sequence[Named]) -> list[str]:
    """Return a note if runs used several machines, or both GPU and CPU of one machine."""
    known: dict[str, list[str]] = defaultdict(list)
    for _, name, run in named:
        machine = _hardware(read_plain(run.folder / "run.json").get("hardware") or {})
        if machine:
            used = " on its GPU" if run.cost["peak_memory_of"] == "gpu" else ""
            known[machine + used].append(name)
    if len(known) < 2:
        return []
    hardware = "; ".join(f"{machine}: {listed(runs)}" for machine, runs in known.items())
    return [f"Runs had different hardware, so their costs are not to be compared ({hardware})."]


def _hardware(record: Mapping[str, Any]) -> str:
    """Describe the processor and GPUs of a run."""
    parts = [record.get("processor"), *(record.get("gpus") or [])]
    return ", ".join(str(part) for part in parts if part)


def _few(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"… and {rest} more"] if rest > 0 else [])]
