"""Tables of people, such as participants.tsv, as tables of cases: one scan per person.

Files that no column lists are found by the person's id in folders next to the table: scans in a
folder named as the contrast (or `images/` for a single contrast), masks in `masks/` or `labels/`.
"""

from collections.abc import Sequence
from pathlib import Path

from neurotarget.data.layouts.masks import begins
from neurotarget.data.scans.volume import file_stem, film_files, image_files
from neurotarget.data.tables.columns import plain_name
from neurotarget.data.tables.text_table import TextTable, align_ids, read_text_table
from neurotarget.problems import Problem, error, some
from neurotarget.types import Case, Target

PERSON, CASE = "participant_id", "case_id"
IMAGES, MASKS = "images", ("masks", "labels")


def as_cases(table: TextTable, path: Path, target: Target | None, folder: Path) -> TextTable:
    """Rename `participant_id` to `case_id`, and add columns of files found in `folder`.

    A table with a column case_id, or without a column participant_id, is returned unchanged.

    Args:
        table: as read.
        path: of the table, for messages.
        target: its contrasts; without it each folder of scans is a contrast.
        folder: holds folders of scans and masks.

    Returns:
        A table with one row per person; a cell without a file is empty, and a person with several
        files is a problem.
    """
    known = {name.casefold(): name for name in table.columns}
    if CASE in known or PERSON not in known:
        return table
    ids = [row[known[PERSON]] for row in table.rows]
    rows = [
        {CASE if name == known[PERSON] else name: cell for name, cell in row.items()}
        for row in table.rows
    ]
    columns = [CASE if name == known[PERSON] else name for name in table.columns]
    problems = list(table.problems)
    for column, places in _wanted(columns, target, folder).items():
        place = next((folder / name for name in places if (folder / name).is_dir()), None)
        if place is None:
            continue
        files, wrong = _files(ids, place, path)
        problems += wrong
        columns.append(column)
        for row, file in zip(rows, files, strict=True):
            row[column] = "" if file is None else str(file.relative_to(folder))
    return TextTable(columns, rows, problems, table.lines)


def listed_people(cases: Sequence[Case], path: Path) -> list[Case]:
    """Return the cases whose person is in a participants.tsv; all cases if it has no ids.

    Args:
        cases: all cases of a BIDS data set.
        path: of participants.tsv, whose ids may lack `sub-`.
    """
    table = read_text_table(path)
    known = {name.casefold(): name for name in table.columns}
    if PERSON not in known:
        return list(cases)
    listed = align_ids(
        (case.subject_id for case in cases), [row[known[PERSON]] for row in table.rows]
    )
    return [case for case in cases if case.subject_id in listed]


def _wanted(
    columns: Sequence[str], target: Target | None, folder: Path
) -> dict[str, tuple[str, ...]]:
    """Return the columns of files that a table lacks, and folders that may hold these files."""
    there = {plain_name(name).removesuffix("_path") for name in columns}
    contrasts = target.contrasts if target else _image_folders(folder)
    wanted = {}
    for contrast in contrasts:
        named = {contrast.casefold(), *(("image",) if len(contrasts) == 1 else ())}
        if not named & there:
            wanted[contrast] = (contrast, *((IMAGES,) if len(contrasts) == 1 else ()))
    return wanted if "label" in there else {**wanted, "label": MASKS}


def _image_folders(folder: Path) -> tuple[str, ...]:
    """Find folders of scans, named as their contrast; the folder images holds `image`."""
    places = sorted(path for path in folder.iterdir() if path.is_dir())
    names = [path.name for path in places if path.name not in MASKS and image_files(path)]
    return ("image",) if names == [IMAGES] else tuple(names)


def _files(
    ids: Sequence[str], folder: Path, table: Path
) -> tuple[list[Path | None], list[Problem]]:
    """Find the file of each person, with or without `sub-`; several files are a problem."""
    there = image_files(folder) or film_files(folder)
    stems = {file_stem(path): path for path in there}
    means = align_ids(ids, stems)
    files, problems = [], []
    for one in ids:
        fits = [stems[means[one]]] if one in means else [p for p in there if begins(p.name, one)]
        if len(fits) > 1:
            found = f"{len(fits)} files ({some(path.name for path in fits)})"
            todo = f"name the file of each case in a column of {table.name}"
            problems.append(error(found, "one file per person", todo, case_id=one, file=folder))
        files.append(fits[0] if fits else None)
    return files, problems
