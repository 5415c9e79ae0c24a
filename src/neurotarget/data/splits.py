"""Who trains, who stops the training, who is held out: drawn per subject, never per case."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from neurotarget.data.found import error
from neurotarget.types import Case, DataError, Manifest, Problem

Split = Literal["train", "val", "test"]


def assign_splits(
    manifest: Manifest, *, fold: int, n_folds: int, val_fraction: float, seed: int
) -> dict[str, Split]:
    """Split of each case, by case_id.

    Splits that the manifest gives are kept (a case without one trains), folds too: `fold` is the
    test set, or the validation set where the test set is given. Without either, the subjects are
    dealt to `n_folds` folds and `fold` is the test set. A validation set that is not given is
    `val_fraction` of the training subjects, at least one. Equal seeds draw equal splits.

    Raises:
        DataError: a subject in two splits or folds, a fold that does not exist, too few subjects,
            or a split without cases.
    """
    cases = manifest.cases
    if problems := split_conflicts(cases):
        raise DataError(problems)
    if not 0 < val_fraction < 1:
        raise DataError(f"data.val_fraction is {val_fraction}; give a share between 0 and 1")
    if any(case.split is not None for case in cases):
        splits = _given(cases, fold)
    elif any(case.fold is not None for case in cases):
        splits = _by_fold(cases, fold)
    else:
        splits = _drawn(cases, fold, n_folds, seed)
    if "val" not in splits.values():
        splits |= _validation(splits, val_fraction, np.random.default_rng([seed, fold]))
    by_case = {case.case_id: splits[case.subject_id] for case in cases}
    if empty := [split for split in ("train", "val", "test") if split not in by_case.values()]:
        todo = f"mark cases as {' and '.join(empty)}, or leave the split out and have it drawn"
        found = f"no {' and no '.join(empty)} case among {len(cases)}"
        raise DataError(error(found, "cases in each split", todo, file=manifest.source))
    return by_case


def split_conflicts(cases: Sequence[Case]) -> list[Problem]:
    """One problem for each subject whose cases lie in several splits or folds."""
    problems = []
    for name in ("split", "fold"):
        places: dict[str, dict] = {}
        for case in cases:
            value = getattr(case, name)
            if value is not None:
                places.setdefault(case.subject_id, {}).setdefault(value, case.case_id)
        for subject, found in places.items():
            if len(found) > 1:
                listed = ", ".join(f"{case_id} in {value}" for value, case_id in found.items())
                text = f"subject {subject} in {len(found)} {name}s ({listed})"
                todo = f"give all cases of {subject} the same {name}"
                problems.append(error(text, f"one {name} a subject", todo))
    return problems


def _given(cases: Sequence[Case], fold: int) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for case in cases:  # a subject whose split stands in one row only has it in all
        if case.split is not None or case.subject_id not in splits:
            splits[case.subject_id] = case.split or "train"
    if "val" not in splits.values():
        held = {case.subject_id for case in cases if case.fold == fold}
        splits |= {
            name: "val" for name, split in splits.items() if name in held and split != "test"
        }
    return splits


def _by_fold(cases: Sequence[Case], fold: int) -> dict[str, Split]:
    folds = {case.fold for case in cases} - {None}
    if fold not in folds:
        found = f"the folds {', '.join(map(str, sorted(folds)))}"
        raise DataError(error(found, f"fold {fold}", "set data.fold to one of them"))
    held = {case.subject_id for case in cases if case.fold == fold}
    return {case.subject_id: "test" if case.subject_id in held else "train" for case in cases}


def _drawn(cases: Sequence[Case], fold: int, n_folds: int, seed: int) -> dict[str, Split]:
    subjects = sorted({case.subject_id for case in cases})
    if not 0 <= fold < n_folds or n_folds < 2:
        found = f"data.fold={fold} of data.n_folds={n_folds}"
        raise DataError(error(found, "0 ≤ fold < n_folds and two folds", "mend the settings"))
    if len(subjects) < max(n_folds, 3):
        todo = "set data.n_folds lower, or add subjects"
        wanted = f"at least {max(n_folds, 3)} for {n_folds} folds"
        raise DataError(error(f"{len(subjects)} subjects", wanted, todo))
    order = np.random.default_rng(seed).permutation(len(subjects))
    held = {subjects[index] for index in order[fold::n_folds]}
    return {subject: "test" if subject in held else "train" for subject in subjects}


def _validation(
    splits: Mapping[str, Split], val_fraction: float, rng: np.random.Generator
) -> dict[str, Split]:
    subjects = sorted(subject for subject, split in splits.items() if split == "train")
    if len(subjects) < 2:
        return {}
    number = min(max(round(val_fraction * len(subjects)), 1), len(subjects) - 1)
    return {subjects[index]: "val" for index in rng.permutation(len(subjects))[:number]}
