"""Check that runs were trained and scored on the same cases; select folds and cases of all arms."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from neurotarget.comparison.read_run import Run
from neurotarget.problems import DataError
from neurotarget.report.text.numbers import counted
from neurotarget.scoring import ELEMENTS, VOXELS, distances_by
from neurotarget.size_units import AREAS, PIXELS, VOLUMES
from neurotarget.stats.arms.arms import Arms, listed

SIGHT = (
    *("target.contrasts", "target.derived", "target.spacing_mm", "target.spacing_px"),
    *("target.dimensions", "target.roi", "target.sides", "target.size_vox"),
    *("data.preparation", "cascade.localise"),  # a cascade's scans are prepared uncropped
)
SAME_MM3 = 0.05  # reference volumes of the same mask differ by at most this


class Named(NamedTuple):
    """A run with its arm and its name in the comparison, `<arm>/fold=<k>,seed=<s>`."""

    arm: str
    name: str
    run: Run


def check_targets(runs: Sequence[Run]) -> list[str]:
    """Return sentences on runs whose target has other labels, ids or tolerance than the first's.

    Empty if all agree; runs with the same fault share a sentence.
    """
    first, note_text = runs[0], defaultdict(list)
    for run in runs:
        for what in ("labels", "surface_tolerance_mm", "surface_tolerance_px"):
            ours, theirs = getattr(first.target, what), getattr(run.target, what)
            if ours != theirs or (what == "labels" and list(ours) != list(theirs)):
                note_text[f"the {what} {theirs}, wanted {ours}"].append(run)
    return [
        f"{listed(str(run.folder) for run in others)}: found {text} as in {first.folder}; compare "
        "runs of one target"
        for text, others in note_text.items()
    ]


def check_distances(named: Sequence[Named]) -> list[str]:
    """Return a sentence if distances are by surface voxels in some runs, by elements in others.

    Distances by surface voxels are those of an older version. They differ from those by surface
    elements on the same masks, so both cannot be in one table.
    """
    by = {one.name: distances_by(one.run.rows) for one in named}
    older, newer = (
        [name for name, what in by.items() if what == one] for one in (VOXELS, ELEMENTS)
    )
    if not older or not newer:
        return []
    folder = next(one.run.folder for one in named if one.name == older[0])
    return [
        f"compare: found distances by {VOXELS}, of an older version, in {listed(older)}, wanted "
        f"those by {ELEMENTS} as in {listed(newer)}; score them again: neurotarget evaluate "
        f"{folder}/cases.tsv target=<name> predictions={folder}/predictions rows={folder}/rows.csv"
    ]


def check_data(named: Sequence[Named], *, common: bool) -> tuple[list[str], list[str]]:
    """Return reasons against a comparison, and notes, from the data of the runs of each fold.

    Runs of one fold must have the same test cases, the same cases in total and the same files, and
    must be scored against the same reference masks. Each run is compared with the first one of its
    fold.

    Args:
        named: all runs.
        common: whether different cases give a note instead of a reason, since only shared cases
            count.
    """
    errors, notes = [], []
    for fold, group in _by_fold(named).items():
        first, *others = group
        for other in others:
            cases = _other_cases(first, other, fold)
            errors += _other_masks(first, other)
            if cases:
                (notes if common else errors).append(cases)
            elif text := _other_files(first, other):
                errors.append(text)
    return list(dict.fromkeys(errors)), list(dict.fromkeys(notes))


def shared_runs(named: Sequence[Named]) -> tuple[list[Named], list[str]]:
    """Return the runs of the folds and seeds that all arms have, and a note on the other runs.

    Raises:
        DataError: there is no such pair; the message lists what each arm has.
    """
    slots: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for arm, _, run in named:
        slots[arm].add((run.fold, run.seed))
    shared = set.intersection(*slots.values())
    if not shared:
        have = "; ".join(
            f"{arm}: {listed(f'fold {fold} seed {seed}' for fold, seed in sorted(own))}"
            for arm, own in slots.items()
        )
        raise DataError(
            f"compare: found no fold and seed that all arms have ({have}), wanted at least one; "
            "train the missing ones, or name fewer runs"
        )
    kept = [one for one in named if (one.run.fold, one.run.seed) in shared]
    left = [one.name for one in named if (one.run.fold, one.run.seed) not in shared]
    note_text = f"Left out {counted(len(left), 'run')} of folds and seeds that not every arm has: "
    return kept, [f"{note_text}{listed(left)}."] if left else []


def shared_cases(arms: Arms) -> tuple[Arms, list[str]]:
    """Return scores of cases that all runs of a fold have scored, and a note on other cases.

    Raises:
        DataError: a fold has no such case.
    """
    shared, left = [], set()
    for fold, rows in arms.scores.groupby("fold"):
        cases = [set(part["case_id"]) for _, part in rows.groupby("run")]
        kept = set.intersection(*cases)
        if not kept:
            raise DataError(
                f"compare: found no case of fold {fold} that all runs have scored, wanted at least "
                "one; compare runs of the same folds"
            )
        left |= set.union(*cases) - kept
        shared.append(rows[rows["case_id"].isin(kept)])
    scores = pd.concat(shared).loc[lambda table: table.index.sort_values()]
    note_text = f"Left out {counted(len(left), 'case')} that not every run of the fold has scored: "
    return replace(arms, scores=scores), [f"{note_text}{listed(sorted(left))}."] if left else []


def _by_fold(named: Sequence[Named]) -> dict[int, list[Named]]:
    groups: dict[int, list[Named]] = defaultdict(list)
    for one in named:
        groups[one.run.fold].append(one)
    return groups


def _other_cases(first: Named, other: Named, fold: int) -> str:
    """Describe the different cases of two runs of one fold; "" for equal cases."""
    ours, theirs = first.run, other.run
    if text := _only(first, other, ours.test_cases, theirs.test_cases):
        hint = "; use the same data and folds for all"
        if ours.seed != theirs.seed and "split_seed" not in _data(theirs):
            hint = "; each seed of such older runs drew folds of its own: compare one seed"
        return f"fold {fold} holds out other cases: {text}{hint}"
    if not (ours.splits and theirs.splits):
        return ""
    if text := _only(first, other, ours.splits.keys(), theirs.splits.keys()):
        return f"fold {fold} has other training cases: {text}; use the same data for all"
    moved = [case for case, split in ours.splits.items() if theirs.splits[case] != split]
    if moved and _data(ours).get("val_fraction") == _data(theirs).get("val_fraction"):
        return (
            f"fold {fold} trains {first.name} and {other.name} on other cases: {listed(moved)} "
            "are not in the same split; use the same data.split_seed for all"
        )
    return ""


def _data(run: Run) -> Mapping:
    return run.config.get("data") or {}


def _only(first: Named, other: Named, ours: frozenset | set, theirs: frozenset | set) -> str:
    parts = [
        f"only {one.name} has {listed(sorted(own))}"
        for one, own in ((first, ours - theirs), (other, theirs - ours))
        if own
    ]
    return ", ".join(parts)


def _other_files(first: Named, other: Named) -> str:
    """Describe different files of equal cases; "" for equal or unknown files."""
    prints = {one.run.summary.get("data_fingerprint") for one in (first, other)}
    if len(prints) < 2 or None in prints or _sight(first.run) != _sight(other.run):
        return ""
    if _data(first.run).get("val_fraction") != _data(other.run).get("val_fraction"):
        return ""
    return (
        f"{first.name} and {other.name} have the same cases and other files (data_fingerprint "
        f"{' and '.join(sorted(map(str, prints)))}): a scan or a mask has changed, or another "
        "version prepared them; train both on the same files"
    )


def _sight(run: Run) -> dict[str, object]:
    """Return the settings of the preparation of files."""
    settings = run.settings
    return {key: settings[key] for key in settings if key.startswith(SIGHT)}


def _other_masks(first: Named, other: Named) -> list[str]:
    """Return a sentence on cases that two runs of one fold scored against different masks."""
    cases = unlike_masks(first.run.rows, other.run.rows)
    if not cases:
        return []
    number = counted(len(cases), "case")
    return [
        f"{first.name} and {other.name} were scored against other masks of {number}: "
        f"{listed(cases)}; score both against the same masks"
    ]


def unlike_masks(ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """Return the cases whose reference masks differ in two tables of rows, by their sizes.

    Sizes that differ by at most 0.05 (mm³, mm² or px) are those of one mask; cases in one table
    only do not count.
    """
    first, second = _reference(ours), _reference(theirs)
    both = first.index.intersection(second.index)
    unlike = (first[both] - second[both]).abs() > SAME_MM3
    return list(dict.fromkeys(case for case, _ in both[unlike.to_numpy()]))


def _reference(rows: pd.DataFrame) -> pd.Series:
    sizes = [f"reference_{one.size}" for one in (VOLUMES, AREAS, PIXELS)]
    volumes = rows[rows["metric"].isin(sizes)].drop_duplicates(["case_id", "label"])
    return volumes.set_index(["case_id", "label"])["value"]
