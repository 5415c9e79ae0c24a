"""All problems of a data set, found in one pass over its files."""

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from neurotarget.data.attempts import attempts
from neurotarget.data.cases.case_outcomes import check_splits, with_outcomes
from neurotarget.data.cases.checkup import Checkup, check_case
from neurotarget.data.cases.splits import split_conflicts
from neurotarget.data.labels import ClassOfId, class_of_id
from neurotarget.data.scans.film_views import odd_views
from neurotarget.problems import DataError, Problem, error, errors_of, some, warning
from neurotarget.types import Case, Manifest, Target

FEW_SUBJECTS = 10  # with fewer, a fold of five holds one or two subjects


def lint(
    manifest: Manifest,
    target: Target | None,
    *,
    splits: Mapping[str, str] | None = None,
    checkups: Sequence[Checkup] | None = None,
    workers: int | None = None,
    need_labels: bool = True,
) -> list[Problem]:
    """Check every file of a data set once, and the data set as a whole.

    Problems that the reader of the manifest reported are not repeated: see `scan_manifest`. A case
    that cannot be checked is reported as a problem, and all other cases are checked.

    Args:
        manifest: the cases.
        target: requirements on the cases; without it files are only read and grids compared.
        splits: split of each case in a run, by case_id; by default the splits of the manifest.
        checkups: of the manifest's cases in their order, if the files have been read already.
        workers: number of threads; by default the number of processors, at most 8.
        need_labels: whether every case needs a mask, if the target has labels.
    """
    problems: list[Problem] = split_conflicts(manifest.cases)
    mapping = None
    if target is not None:
        try:
            mapping = class_of_id(target, manifest.label_ids)
        except DataError as wrong:
            problems += [item._replace(file=str(manifest.source)) for item in wrong.problems]
    if checkups is None:
        workers = workers or min(os.cpu_count() or 1, 8)
        checkups = _check_all(manifest.cases, target, mapping, workers)
    problems += [problem for checkup in checkups for problem in checkup.problems]
    splits = splits or _given_splits(manifest.cases)
    problems += _check_copies(manifest.cases, checkups, splits)
    problems += _check_folds(manifest.cases)
    problems += _check_contrasts(checkups)
    problems += odd_views(manifest.cases, [checkup.view for checkup in checkups])
    if target is not None:
        if need_labels and target.labels:
            problems += _check_labelled(manifest.cases)
        if target.outcomes and target.image_score is None:  # else masks give the outcome
            known, wrong = with_outcomes(manifest.cases, target)
            problems += [*wrong, *([] if errors_of(wrong) else check_splits(known, target, splits))]
        if mapping is not None:  # else the meaning of the voxels is unknown
            problems += _check_foreground(manifest.cases, checkups, splits, target)
        problems += _check_patch(checkups, target)
    problems += _check_cut(checkups)
    return list(dict.fromkeys(problems))


def _check_all(
    cases: Sequence[Case],
    target: Target | None,
    mapping: ClassOfId | None,
    workers: int,
) -> list[Checkup]:
    # threads suffice: unzipping and counting release the interpreter lock
    def check(case: Case) -> Checkup:
        """Read the files of one case once."""
        return check_case(case, target, mapping)

    with attempts(check, cases, workers) as outcomes:
        results = map(_as_checkup, outcomes)
        pace = 0.1 if sys.stderr.isatty() else 30.0
        return list(tqdm(results, "lint", len(cases), unit="case", delay=1, mininterval=pace))


def _as_checkup(outcome: Checkup | DataError) -> Checkup:
    """Return the checkup, or make one with the reason why the case could not be checked."""
    if isinstance(outcome, Checkup):
        return outcome
    problems = list(outcome.problems) or [
        error(str(outcome), "a case that can be read", "look at it")
    ]
    return Checkup(problems, None, {}, False, (), "")


def _given_splits(cases: Sequence[Case]) -> dict[str, str]:
    if all(case.split is None for case in cases):
        return {}
    return {case.case_id: case.split or "train" for case in cases}


def _check_copies(
    cases: Sequence[Case], checkups: Sequence[Checkup], splits: Mapping[str, str]
) -> list[Problem]:
    """Find cases with the same voxels; across two splits they leak training data into the test."""
    copies: dict[str, list[Case]] = {}
    for case, checkup in zip(cases, checkups, strict=True):
        if checkup.digest:
            copies.setdefault(checkup.digest, []).append(case)
    problems = []
    for same in copies.values():
        names = list(dict.fromkeys(case.case_id for case in same))
        if len(names) < 2:
            continue
        leaks = len({splits.get(name) for name in names}) > 1
        problem = error if leaks else warning
        found = f"the same voxels in the cases {some(names)}"
        found += " of two splits" if leaks else ""
        problems.append(
            problem(found, "one case per scan", "keep one, or give the others their own files")
        )
    return problems


def _check_folds(cases: Sequence[Case]) -> list[Problem]:
    if any(case.split is not None for case in cases):
        return []
    without = [case.case_id for case in cases if case.fold is None]
    if not without or len(without) == len(cases):
        return []
    found = f"no fold for {some(without)}"
    return [warning(found, "a fold for each case", "number it; they train in every fold now")]


def _check_contrasts(checkups: Sequence[Checkup]) -> list[Problem]:
    """Count the contrasts on other grids, if no target defines whether that matters."""
    off_grid = Counter(name for checkup in checkups for name in checkup.off_grid)
    differences = [
        f"{name} off the grid of the first contrast in {n} cases" for name, n in off_grid.items()
    ]
    todo = "resample it if a target uses both"
    return [warning(item, "one grid per case", todo) for item in differences]


def _check_labelled(cases: Sequence[Case]) -> list[Problem]:
    labelled = [case for case in cases if case.label is not None]
    without = [case.case_id for case in cases if case.label is None]
    problems = []
    if without:
        found = f"no label for {len(without)} of {len(cases)} cases ({some(without)})"
        todo = "give their masks' paths, or leave them out of a training run"
        problems.append(error(found, "a mask for every case", todo))
    subjects = {case.subject_id for case in labelled}
    if 0 < len(subjects) < FEW_SUBJECTS:
        found = f"{len(subjects)} labelled subjects"
        todo = "do not generalise from the scores"
        problems.append(warning(found, f"at least {FEW_SUBJECTS}", todo))
    return problems


def _check_foreground(
    cases: Sequence[Case],
    checkups: Sequence[Checkup],
    splits: Mapping[str, str],
    target: Target,
) -> list[Problem]:
    """Find labels that are absent from all cases of a split; without splits, from all cases.

    An error, except in validation and test cases for a label whose range of plausible sizes begins
    at 0: the target then expects cases without it.
    """
    if all(case.label is None for case in cases):
        return []
    total: dict[str, dict[str, float]] = {}
    unread = set()  # splits with cases that could not be read
    for case, checkup in zip(cases, checkups, strict=True):
        split = splits.get(case.case_id, "")
        sums = total.setdefault(split, dict.fromkeys(target.labels, 0.0))
        for name, size in (checkup.label_mm3 or {}).items():
            sums[name] = sums.get(name, 0.0) + size
        if case.label is not None and checkup.label_mm3 is None:
            unread.add(split)
    read = {split: sums for split, sums in total.items() if split not in unread}
    return [problem for split, sums in read.items() for problem in _absent(sums, split, target)]


def _absent(sums: Mapping[str, float], split: str, target: Target) -> list[Problem]:
    absent = [name for name, size in sums.items() if size == 0]
    ranges = {name: target.size_ranges.get(name, (1.0, 1.0)) for name in absent}
    expected = [name for name in absent if split in ("val", "test") and ranges[name][0] <= 0]
    wanted = "each label in each split"
    where = f"the {split} cases" if split else "the data set"
    problems = []
    if expected:
        todo = "their Dice is undefined where nothing is predicted, and 0 elsewhere"
        problems.append(warning(f"no voxel of {some(expected)} in {where}", wanted, todo))
    if missing := [name for name in absent if name not in expected]:
        todo = "add labelled cases, correct the target's labels, or assign the splits again"
        problems.append(error(f"no voxel of {some(missing)} in {where}", wanted, todo))
    return problems


def _check_cut(checkups: Sequence[Checkup]) -> list[Problem]:
    """Count the structures that may be cut off by ignored voxels."""
    cut = [checkup.cut for checkup in checkups if checkup.cut]
    if not cut:
        return []
    names = dict.fromkeys(name for names in cut for name in names)
    found = f"{some(names)} next to ignored voxels in {len(cut)} of {len(checkups)} cases"
    todo = "if a structure extends into them, its volumes are those of its labelled part"
    return [warning(found, "whole structures", todo)]


def _check_patch(checkups: Sequence[Checkup], target: Target) -> list[Problem]:
    small = sum(checkup.is_small for checkup in checkups)
    if not small:
        return []
    patch = " × ".join(map(str, target.patch_vox))
    found = f"{small} of {len(checkups)} volumes smaller than the patch of {patch} voxels"
    todo = "they are padded; a smaller patch_vox would train faster"
    return [warning(found, "volumes of at least one patch", todo)]
