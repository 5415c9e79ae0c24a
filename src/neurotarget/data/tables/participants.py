"""Covariates from a data set's tables, matched by id: participants, sessions, phenotypes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.tables.covariates import requested_covariates, type_covariates
from neurotarget.data.tables.table_ids import find_column
from neurotarget.data.tables.text_table import TextTable, align_ids, is_missing, read_text_table
from neurotarget.files.reading import is_there
from neurotarget.problems import Problem, error, some, warning
from neurotarget.types import Case, Covariate, Target

PEOPLE = ("case_id", "participant_id", "subject_id")
SESSION, RUN = "ses-", "run-"
VISITS = {SESSION: ("session_id", "session", "ses"), RUN: ("run_id", "run")}


class _Line(NamedTuple):
    """A row of a table and its line in the file."""

    row: Mapping[str, str]
    line: int


def add_participants(
    cases: list[Case], folder: Path, target: Target | None
) -> tuple[list[Case], list[Problem]]:
    """Add the covariates of `participants.tsv` in the data set's folder to the cases, if it exists.

    Rows are found by `case_id`, `participant_id` or `subject_id`, with or without `sub-`; a column
    `subject_id` next to another key assigns cases to people. If a person has several rows,
    `session_id` and `run` assign them; rows that differ and cannot be assigned are an error.
    """
    path = folder / "participants.tsv"
    if not is_there(path) or not cases:
        return cases, []
    return _add_people(cases, read_text_table(path), path, target)


def add_phenotypes(
    cases: list[Case], root: Path, target: Target | None
) -> tuple[list[Case], list[Problem]]:
    """Add covariates that hypotheses need and only tables in BIDS' folder `phenotype` have.

    Rows are found as in `add_participants`. Without a target no table is read.
    """
    problems = []
    for path in sorted((root / "phenotype").glob("*.tsv")) if target and cases else ():
        known = {name.casefold() for case in cases for name in case.covariates}
        absent = {name.casefold() for name in requested_covariates(target)} - known
        table = read_text_table(path)
        columns = [name for name in table.columns if name.casefold() in absent]
        if columns:
            ids = [*PEOPLE, *(name for names in VISITS.values() for name in names)]
            columns += [name for name in table.columns if name.casefold() in ids]
            rows = [{name: row[name] for name in columns} for row in table.rows]
            cases, wrong = _add_people(
                cases, table._replace(columns=columns, rows=rows), path, target
            )
            problems += wrong
    return cases, problems


def _add_people(
    cases: list[Case], table: TextTable, path: Path, target: Target | None
) -> tuple[list[Case], list[Problem]]:
    keys = [found for name in PEOPLE if (found := find_column(table.columns, [name]))]
    if not keys:
        if not table.columns:
            return cases, table.problems
        todo = "name the column of ids participant_id"
        found = error(f"the columns {some(table.columns)}", "participant_id", todo, file=path)
        return cases, [*table.problems, found]
    people = _by_id(table, keys[0])
    means = align_ids((name for case in cases for name in _ids(case)), people)
    if not means:
        todo = "give them the ids of the cases; its columns are not used"
        found = warning(f"no id of a case (but {some(people)})", cases[0].case_id, todo, file=path)
        return cases, [*table.problems, found]
    visits = _visit_columns(table, cases)
    keys += visits.values()
    own = [_first(people, means, _ids(case)) for case in cases]
    rows, wrong = _one_each(cases, own, visits, keys, path)
    typed, untyped = _typed(cases, rows, keys, target, path)
    joined = [
        replace(
            case,
            subject_id=case.subject_id if is_missing(subject) else subject,
            covariates={**case.covariates, **values},
        )
        for case, subject, values in zip(cases, _subjects(rows, keys), typed, strict=True)
    ]
    return joined, [*table.problems, *wrong, *untyped]


def add_sessions(
    cases: list[Case], root: Path, target: Target | None
) -> tuple[list[Case], list[Problem]]:
    """Add the covariates of each case's session from `sub-*_sessions.tsv` (BIDS).

    Sessions match with and without `ses-`. Their columns replace those of `participants.tsv`, which
    describe one visit, even where a session has no value; a warning lists such sessions.
    """
    problems: list[Problem] = []
    rows: list[Mapping[str, str]] = [{} for _ in cases]
    keys: set[str] = set()
    for subject, members in _by_subject(cases).items():
        path = root / subject / f"{subject}_sessions.tsv"
        if not is_there(path):
            continue
        table = read_text_table(path)
        problems += table.problems
        own = [cases[index] for index in members]
        visits = _visit_columns(table, own)
        if table.rows and SESSION not in visits:
            todo = "name the column of sessions session_id; the table is not used"
            found = f"the columns {some(table.columns)}"
            problems.append(warning(found, "session_id", todo, file=path))
            continue
        keys |= {*visits.values()}
        found, wrong = _one_each(own, [_lines(table)] * len(own), visits, keys, path)
        problems += wrong
        for index, row in zip(members, found, strict=True):
            rows[index] = {**dict.fromkeys(table.columns, ""), **row}
    if not any(rows):
        return cases, problems
    path = root / "sub-*_sessions.tsv"
    typed, wrong = _typed(cases, rows, keys, target, path)
    joined = [
        replace(case, covariates=_session_covariates(case, values, row))
        for case, values, row in zip(cases, typed, rows, strict=True)
    ]
    return joined, [*problems, *wrong, *_lost_values(cases, joined, path)]


def _session_covariates(
    case: Case, values: Mapping[str, Covariate], row: Mapping[str, str]
) -> dict[str, Covariate]:
    """Covariates of a case after the columns of its session have replaced them."""
    own = {name.casefold() for name in row}
    covariates = {name: value for name, value in values.items() if name.casefold() in own}
    others = {name: value for name, value in case.covariates.items() if name.casefold() not in own}
    return {**dict.fromkeys(values), **others, **covariates}


def _lost_values(cases: Sequence[Case], joined: Sequence[Case], path: Path) -> list[Problem]:
    """Warn where the session has no value but the person has one."""
    absent: dict[str, list[str]] = {}
    for case, other in zip(cases, joined, strict=True):
        now = {name.casefold(): value for name, value in other.covariates.items()}
        for name, value in case.covariates.items():
            if value is not None and now.get(name.casefold()) is None:
                absent.setdefault(name, []).append(case.case_id)
    todo = "fill it in; that of participants.tsv may be of another visit and is not taken"
    return [
        warning(f"no {name} of {some(ids)}", "one for each session", todo, file=path)
        for name, ids in absent.items()
    ]


def _ids(case: Case) -> tuple[str, ...]:
    """Ids under which a table may list a case or its person."""
    person = case.case_id.split("_")[0]
    return case.case_id, case.subject_id, *([person] if person.startswith("sub-") else [])


def _first(
    people: Mapping[str, list[_Line]], means: Mapping[str, str], ids: Sequence[str]
) -> list[_Line]:
    """Rows of the first id that has any."""
    return next((people[means[name]] for name in ids if name in means), [])


def _lines(table: TextTable) -> list[_Line]:
    return [_Line(row, line) for row, line in zip(table.rows, table.lines, strict=True)]


def _by_id(table: TextTable, column: str) -> dict[str, list[_Line]]:
    people: dict[str, list[_Line]] = {}
    for line in _lines(table):
        people.setdefault(line.row[column].removeprefix("sub-"), []).append(line)
    return people


def _by_subject(cases: Sequence[Case]) -> dict[str, list[int]]:
    """Indices of the cases with a session, by the subject in their file names."""
    members: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        if _label(case, SESSION):
            members.setdefault(case.case_id.split("_")[0], []).append(index)
    return members


def _subjects(rows: Sequence[Mapping[str, str]], keys: Sequence[str]) -> list[str]:
    """Person of each case according to rows that were found by another id."""
    subject = find_column(keys[1:], ["subject_id"])
    return [row.get(subject, "") if subject else "" for row in rows]


def _label(case: Case, prefix: str) -> str:
    """Session or run in the id of a case."""
    parts = case.case_id.split("_")
    return next((part.removeprefix(prefix) for part in parts if part.startswith(prefix)), "")


def _visit_columns(table: TextTable, cases: Sequence[Case]) -> dict[str, str]:
    """Columns with the session and the run, if any case has a session or run.

    A column with a non-BIDS name counts only if some of its values are sessions of cases.
    """
    columns_by_prefix = {}
    for prefix, names in VISITS.items():
        labels = {label for case in cases if (label := _label(case, prefix))}
        for name in names if labels else ():
            if (column := find_column(table.columns, [name])) is None:
                continue
            values = {row[column] for row in table.rows}
            if name == names[0] or align_ids(labels, values, prefix):
                columns_by_prefix.setdefault(prefix, column)
    return columns_by_prefix


def _one_each(
    cases: Sequence[Case],
    own: Sequence[Sequence[_Line]],
    visits: Mapping[str, str],
    keys: Collection[str],
    path: Path,
) -> tuple[list[dict[str, str]], list[Problem]]:
    """Choose one row per case from those of its person; report missing and ambiguous rows.

    Rows that cannot be assigned to a visit count as one if they agree; missing values are ignored.
    """
    rows, problems = [], []
    for case, lines in zip(cases, own, strict=True):
        fits = _of_visit(case, lines, visits)
        if not fits:
            problems.append(_no_row(case, lines, visits, path))
        row = {name: "" for line in fits for name in line.row}
        for line in fits:
            row |= {name: text for name, text in line.row.items() if not is_missing(text)}
        differ = {
            name: texts
            for name in row
            if name not in keys and len(texts := _values(fits, name)) > 1
        }
        if differ:
            problems.append(_doubt(case, fits, differ, path))
        rows.append(row)
    return rows, list(dict.fromkeys(problems))


def _of_visit(case: Case, lines: Sequence[_Line], visits: Mapping[str, str]) -> Sequence[_Line]:
    """Rows of a case's session and run, else rows that state neither."""
    for prefix, column in visits.items():
        if not (label := _label(case, prefix)):
            continue
        labels = [line.row[column] for line in lines]
        meant = align_ids([label], labels, prefix).get(label, label).removeprefix(prefix)
        fits = [line for line in lines if line.row[column].removeprefix(prefix) == meant]
        fits = fits or [line for line in lines if is_missing(line.row[column])]
        if fits or prefix == SESSION:  # age differs between sessions; a person's runs agree
            lines = fits
    return lines


def _values(lines: Sequence[_Line], name: str) -> list[str]:
    texts = (line.row[name] for line in lines)
    return list(dict.fromkeys(text for text in texts if not is_missing(text)))


def _typed(
    cases: Sequence[Case],
    rows: Sequence[Mapping[str, str]],
    keys: Collection[str],
    target: Target | None,
    path: Path,
) -> tuple[list[dict[str, Covariate]], list[Problem]]:
    """Covariates of rows; keys are included only if a hypothesis names them."""
    requested = {name.casefold() for name in requested_covariates(target)}
    left_out = {name for name in keys if name.casefold() not in requested}
    columns = dict.fromkeys(name for row in rows for name in row if name not in left_out)
    texts = [{name: row.get(name, "") for name in columns} for row in rows]
    return type_covariates(texts, [case.case_id for case in cases], target=target, file=path)


def _no_row(case: Case, lines: Sequence[_Line], visits: Mapping[str, str], path: Path) -> Problem:
    found = "no row"
    if lines and SESSION in visits:
        others = dict.fromkeys(line.row[visits[SESSION]] for line in lines)
        found = f"no row of the session {_label(case, SESSION)} (but {some(others)})"
    todo = "add the row; the case has no covariates of this table"
    return warning(found, "one row per case", todo, case_id=case.case_id, file=path)


def _doubt(
    case: Case, lines: Sequence[_Line], differ: Mapping[str, Sequence[str]], path: Path
) -> Problem:
    values = some(f"{name} = {' or '.join(texts)}" for name, texts in differ.items())
    found = f"the rows in lines {some(line.line for line in lines)} for it, with {values}"
    todo = "name the session of each in a column session_id, or remove those that are wrong"
    return error(found, "one row per case", todo, case_id=case.case_id, file=path)
