"""Masks that a table does not list with their case, and several masks of one scan."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from neurotarget.data.scans.volume import file_stem, image_files
from neurotarget.problems import Problem, error, some, warning
from neurotarget.types import Case


def place_masks(cases: Sequence[Case], folder: Path) -> tuple[list[Case], list[Problem]]:
    """Replace the labels of cases by the masks in a folder.

    A case gets the file with the path or name of its label; else `<case_id>.nii.gz`, or the only
    file whose name begins with its id and `_`, `-` or `.`.

    Returns:
        Cases, without a label if they have no mask; and problems: cases without a mask, cases with
        several matching files, files of several cases, and files of no case. If the folder does
        not exist, the cases are unchanged.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        return list(cases), [error(found, "a folder of masks", "check its path", file=folder)]
    files = image_files(folder)
    named = Counter(label.name for label in {case.label for case in cases} if label)
    placed, problems = [], []
    for case in cases:
        fits = _fits(case, folder, files, named)
        if len(fits) > 1:
            problems.append(_unclear(case, fits, folder))
        placed.append(replace(case, label=fits[0] if fits else None))
    problems += [*_shared(placed), *_left_over(placed, files, folder)]
    return placed, problems


def part_repeats(cases: Sequence[Case]) -> tuple[list[Case], list[Problem]]:
    """Turn several masks of one scan into separate cases: `<case_id>_mask1`, `<case_id>_mask2`.

    The new cases keep their subject. Cases with the same id and the same mask, or without a mask,
    stay unchanged, so that the manifest refuses them as duplicates.
    """
    masks: dict[str, list[Path | None]] = {}
    for case in cases:
        masks.setdefault(case.case_id, []).append(case.label)
    parted, problems = {}, []
    for case_id, labels in masks.items():
        if len(labels) == 1 or None in labels or len(set(labels)) < len(labels):
            continue
        parted[case_id] = count(1)
        found = f"{len(labels)} masks of one scan ({some(path.name for path in labels if path)})"
        todo = (
            f"each is measured, as {case_id}_mask1 and so on, and their subject counts once; "
            "remove those that are not intended"
        )
        problems.append(warning(found, "one mask per scan", todo, case_id=case_id))
    named = [
        replace(case, case_id=f"{case.case_id}_mask{next(parted[case.case_id])}")
        if case.case_id in parted
        else case
        for case in cases
    ]
    return named, problems


def _fits(case: Case, folder: Path, files: Sequence[Path], named: Mapping[str, int]) -> list[Path]:
    """Find files that may be a case's mask; `named` counts the labels with each file name."""
    if case.label is not None:
        parts = case.label.parts
        ends = [folder.joinpath(*parts[start:]) for start in range(1, len(parts) - 1)]
        # with one folder per case, the file names are all the same
        ends += [folder / case.label.name] if named[case.label.name] == 1 else []
        if (mask := next((end for end in ends if end.is_file()), None)) is not None:
            return [mask]
    exact = [path for path in files if file_stem(path) == case.case_id]
    return exact or [path for path in files if begins(path.name, case.case_id)]


def begins(name: str, case_id: str) -> bool:
    """Return whether a file name begins with a case's id and `_`, `-` or `.`.

    The separator is needed, so that a mask of IXI251 does not match IXI25.
    """
    return name.startswith(case_id) and name[len(case_id) : len(case_id) + 1] in tuple("_-.")


def _unclear(case: Case, fits: Sequence[Path], folder: Path) -> Problem:
    found = f"{len(fits)} possible masks ({some(path.name for path in fits)})"
    todo = "name the file of each case in a column label"
    return error(found, "one mask per case", todo, case_id=case.case_id, file=folder)


def _shared(cases: Sequence[Case]) -> list[Problem]:
    """Find files that match several cases."""
    users: dict[Path, set[str]] = {}
    for case in cases:
        if case.label is not None:
            users.setdefault(case.label, set()).add(case.case_id)
    todo = "name the file of each case in a column label"
    return [
        error(f"one mask for the cases {some(sorted(ids))}", "one mask per case", todo, file=path)
        for path, ids in users.items()
        if len(ids) > 1
    ]


def _left_over(cases: Sequence[Case], files: Sequence[Path], folder: Path) -> list[Problem]:
    """Find cases without a mask and masks without a case."""
    problems, used = [], {case.label for case in cases}
    spare = [path.name for path in files if path not in used]
    without = [case.case_id for case in cases if case.label is None]
    if without:
        problem = error if len(without) == len(cases) else warning
        found = f"no mask for {len(without)} of {len(cases)} cases ({some(without)})"
        todo = "name it after its case_id, or name its file in a column label"
        problems.append(problem(found, "one mask per case", todo, file=folder))
    if spare:
        found = f"{len(spare)} file{'s' * (len(spare) > 1)} of no case ({some(spare)})"
        todo = "add their cases to the table; these files are not measured"
        problems.append(warning(found, "one case per mask", todo, file=folder))
    return problems
