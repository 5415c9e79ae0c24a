"""Ids of people and of their visits in tables of volumes and covariates, in any spelling."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from neurotarget.data.tables.text_table import TextTable, align_ids, is_missing
from neurotarget.problems import DataError, Problem, did_you_mean, error, some, warning

IDS = ("case_id", "participant_id", "subject_id", "sub_id", "subjid", "subject", "id")
SESSIONS = ("session_id", "session", "ses", "visit")
BIDS_VISIT = re.compile(r"(.+?)_(?:ses|run)-[^_]+.*")  # an id with its session or run
SESSION_ID = re.compile(r"(?P<person>.+?)_ses-(?P<session>[^_]+)(?P<rest>.*)")
FREESURFER = re.compile(r"(?:measure:|[lr]h\.[\w.-]+\.)(\w+)", re.IGNORECASE)
VOLUMES = ("volume", "grayvol")  # measures of FreeSurfer's tables in mm³


def find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """First of some names that is a column, ignoring case and `_` or blanks; None if none is.

    It is returned as the table spells it; earlier names take precedence over earlier columns.
    """
    spelt = {_plain(name): name for name in columns}
    return next((spelt[_plain(name)] for name in names if _plain(name) in spelt), None)


def required_column(
    columns: Iterable[str], name: str, file: Path | str, wanted: str = "it among the columns"
) -> str:
    """Name of a column as the table spells it.

    Args:
        columns: of the table.
        name: as the user writes it, see `find_column`.
        file: the table, for the message.
        wanted: what the message names as wanted.

    Raises:
        DataError: there is no such column.
    """
    columns, name = list(columns), name.strip()
    found = find_column(columns, [name])
    if found is None:
        todo = f"{did_you_mean(name, columns)}the table has {some(columns, 12)}"
        raise DataError(error(f"no column {name}", wanted, todo, file=file))
    return found


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "_")


def find_ids(columns: Sequence[str]) -> str | None:
    """Column of ids: a standard name, else the first column of a FreeSurfer table."""
    if (named := find_column(columns, IDS)) is not None:
        return named
    return columns[0] if columns and FREESURFER.fullmatch(columns[0]) else None


def measure_of(column: str) -> str | None:
    """Measure of a FreeSurfer table, from the name of its first column; else None.

    Names are such as `Measure:volume` and `lh.aparc.thickness`, which give volume and thickness.
    """
    match = FREESURFER.fullmatch(column)
    return match[1].casefold() if match else None


def name_visits(
    tables: Sequence[tuple[TextTable, Path]],
) -> tuple[list[tuple[TextTable, Path]], list[Problem]]:
    """Give rows an id per visit and the id of the person; also return the respelled ids.

    If a person has several sessions, an id and a `session_id` become `<id>_ses-<session>`, as in
    BIDS. Such an id contains its person, unless another column gives the person. People and
    sessions are first spelled as in the first table that has them.

    Returns:
        The tables with their paths, whose columns are now `case_id` and `subject_id` where ids
        contain a visit; and warnings about ids that lacked leading zeros.
    """
    ids = [find_ids(table.columns) for table, _ in tables]
    named = [(table, column) for (table, _), column in zip(tables, ids, strict=True) if column]
    has_visits = any(_has_visits(table, column) for table, column in named)
    tables, problems = _aligned(tables, ids) if has_visits else (tables, [])
    named_tables = [
        (_named(table, column, has_visits=has_visits) if column else table, path)
        for (table, path), column in zip(tables, ids, strict=True)
    ]
    return named_tables, problems


def _aligned(
    tables: Sequence[tuple[TextTable, Path]], ids: Sequence[str | None]
) -> tuple[list[tuple[TextTable, Path]], list[Problem]]:
    """Give people and sessions one spelling in all tables if they differ only in leading zeros."""
    known: dict[str, dict[str, None]] = {"person": {}, "session": {}}
    aligned, problems = [], []
    for (table, path), column in zip(tables, ids, strict=True):
        if column is None:
            aligned.append((table, path))
            continue
        session = find_column(table.columns, SESSIONS)
        parts = [_parts(row, column, session) for row in table.rows]
        for name, prefix in (("person", "sub-"), ("session", "ses-")):
            problems += align_rows(parts, name, list(known[name]), path, prefix=prefix)
            known[name] |= dict.fromkeys(part[name] for part in parts)
        rows = [
            row | _written(part, column, session)
            for row, part in zip(table.rows, parts, strict=True)
        ]
        aligned.append((table._replace(rows=rows), path))
    return aligned, problems


def _parts(row: Mapping[str, str], column: str, session: str | None) -> dict[str, str]:
    """Person and session of a row, from its id or from two columns."""
    if match := SESSION_ID.fullmatch(row[column]):
        return match.groupdict()
    visit = row[session] if session else ""
    return {"person": row[column], "session": visit}


def _written(part: Mapping[str, str], column: str, session: str | None) -> dict[str, str]:
    """Cells of a row for the person and session that `_parts` returned."""
    if "rest" in part:
        label = part["session"].removeprefix("ses-")
        return {column: f"{part['person']}_ses-{label}{part['rest']}"}
    return {column: part["person"]} | ({session: part["session"]} if session else {})


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
    if visits == persons:  # no id contains a visit
        return table
    replaced = {column, *([session] if session else [])}
    rows = [
        {
            "case_id": visit,
            **({} if person_column else {"subject_id": person}),
            **{name: text for name, text in row.items() if name not in replaced},
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
    rows: Sequence[dict[str, str]],
    column: str,
    known: Sequence[str],
    path: Path,
    *,
    prefix: str = "sub-",
) -> list[Problem]:
    """Add leading zeros to the ids of some rows where other tables have them.

    Args:
        rows: changed in place.
        column: of the ids.
        known: ids of other tables.
        path: of the table, for the message.
        prefix: that ids may have or lack.

    Returns:
        One warning that lists the ids that were changed; none if nothing was.
    """
    texts = list(dict.fromkeys(row[column] for row in rows if not is_missing(row[column])))
    means = align_ids(texts, [text for text in known if not is_missing(text)], prefix)
    changed = {
        text: other
        for text, other in means.items()
        if text.removeprefix(prefix) != other.removeprefix(prefix)
    }
    for row in rows:
        row[column] = changed.get(row[column], row[column])
    found = f"ids without leading zeros ({some(changed)})"
    todo = f"they are read as {some(changed.values())}"
    return [warning(found, "one spelling", todo, file=path)] if changed else []
