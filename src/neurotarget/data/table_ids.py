"""Ids in tables of volumes and covariates: of people and of their visits, however spelt."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from neurotarget.data.found import some, warning
from neurotarget.data.text_table import TextTable, align_ids, is_missing
from neurotarget.types import Problem

IDS = ("case_id", "participant_id", "subject_id", "sub_id", "subjid", "subject", "id")
SESSIONS = ("session_id", "session", "ses")
BIDS_VISIT = re.compile(r"(.+?)_(?:ses|run)-[^_]+.*")  # an id with its session or run
FREESURFER = re.compile(r"(?:measure:|[lr]h\.[\w.-]+\.)(\w+)", re.IGNORECASE)
VOLUMES = ("volume", "grayvol")  # measures of FreeSurfer's tables that are in mm³


def find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of some names, in whatever case, that is a column."""
    spelt = {name.casefold(): name for name in columns}
    return next((spelt[name.casefold()] for name in names if name.casefold() in spelt), None)


def find_ids(columns: Sequence[str]) -> str | None:
    """Column of ids: of a usual name, else the first of a table by FreeSurfer."""
    if (named := find_column(columns, IDS)) is not None:
        return named
    return columns[0] if columns and FREESURFER.fullmatch(columns[0]) else None


def measure_of(column: str) -> str | None:
    """What a table by FreeSurfer measures, by the name of its first column."""
    match = FREESURFER.fullmatch(column)
    return match[1].casefold() if match else None


def name_visits(tables: Sequence[tuple[TextTable, Path]]) -> list[tuple[TextTable, Path]]:
    """The tables with an id for each visit, and the person's beside it.

    Where a person has several sessions, an id and a `session_id` become `<id>_ses-<session>`, as
    BIDS names cases. An id of this form says whose it is, unless another column does.
    """
    ids = [find_ids(table.columns) for table, _ in tables]
    named = [(table, column) for (table, _), column in zip(tables, ids, strict=True) if column]
    has_visits = any(_has_visits(table, column) for table, column in named)
    return [
        (_named(table, column, has_visits=has_visits) if column else table, path)
        for (table, path), column in zip(tables, ids, strict=True)
    ]


def _has_visits(table: TextTable, column: str) -> bool:
    session = find_column(table.columns, SESSIONS)
    sessions: dict[str, set[str]] = {}
    for row in table.rows:
        if session and not is_missing(row[session]):
            sessions.setdefault(row[column], set()).add(row[session].removeprefix("ses-"))
    has_names = any(BIDS_VISIT.fullmatch(row[column]) for row in table.rows)
    return has_names or any(len(labels) > 1 for labels in sessions.values())


def _named(table: TextTable, column: str, *, has_visits: bool) -> TextTable:
    session = find_column(table.columns, SESSIONS)
    of_cases = column.casefold() == IDS[0]
    person_column = find_column(table.columns, IDS[1:]) if of_cases else None
    visits = [_visit(row, column, session) for row in table.rows] if has_visits else []
    if person_column and not (session and has_visits):
        return table
    persons = [match[1] if (match := BIDS_VISIT.fullmatch(name)) else name for name in visits]
    if visits == persons:  # nobody's visits are told apart
        return table
    gone = {column, *([session] if session else [])}
    rows = [
        {
            "case_id": visit,
            **({} if person_column else {"subject_id": person}),
            **{name: text for name, text in row.items() if name not in gone},
        }
        for row, visit, person in zip(table.rows, visits, persons, strict=True)
    ]
    return table._replace(columns=list(rows[0]), rows=rows)


def _visit(row: Mapping[str, str], column: str, session: str | None) -> str:
    name, label = row[column], row[session] if session else ""
    if is_missing(label) or is_missing(name) or BIDS_VISIT.fullmatch(name):
        return name
    return f"{name}_ses-{label.removeprefix('ses-')}"


def align_rows(
    rows: Sequence[dict[str, str]], column: str, known: Sequence[str], path: Path
) -> list[Problem]:
    """Write the ids of some rows as other tables do, where only zeros in front are lacking."""
    texts = list(dict.fromkeys(row[column] for row in rows if not is_missing(row[column])))
    means = align_ids(texts, known)
    changed = {
        text: other
        for text, other in means.items()
        if text.removeprefix("sub-") != other.removeprefix("sub-")
    }
    for row in rows:
        row[column] = changed.get(row[column], row[column])
    found = f"ids without leading zeros ({some(changed)})"
    todo = f"they are taken for {some(changed.values())}"
    return [warning(found, "one spelling", todo, file=path)] if changed else []
