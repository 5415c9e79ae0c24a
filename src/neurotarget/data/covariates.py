"""Tables of text (CSV, TSV) and the covariates of cases in them."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.found import error, nearest, some, warning
from neurotarget.hypothesis import SPLINE
from neurotarget.types import Case, Covariate, Problem, Target

MISSING = frozenset({"", "n/a", "na", "nan", "none", "null"})
SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


class TextTable(NamedTuple):
    """A table as it was written: columns in order, one mapping of text per row."""

    columns: list[str]
    rows: list[dict[str, str]]
    problems: list[Problem]


def read_text_table(path: Path) -> TextTable:
    """Read a CSV or TSV file as text; columns without a name are dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = list(csv.reader(StringIO(text, newline=""), delimiter=_separator(path, text)))
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        todo = "save it as UTF-8 text with commas or tabs"
        return TextTable([], [], [error(f"no table ({reason})", "CSV or TSV", todo, file=path)])
    columns = [name.strip() for name in lines[0]] if lines else []
    named = [name for name in columns if name]
    problems = []
    if twice := sorted({name for name in named if named.count(name) > 1}):
        found = f"the columns {', '.join(twice)} twice"
        problems.append(error(found, "each column once", "rename or drop one", file=path))
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if len(cells) != len(columns):
            found = f"{len(cells)} cells in line {number}"
            todo = "quote cells that hold a separator, fill empty ones with n/a"
            problems.append(error(found, f"{len(columns)}, as in the head", todo, file=path))
            continue
        rows.append({name: cell for name, cell in zip(columns, cells, strict=True) if name})
    return TextTable(named, rows, problems)


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.casefold() in MISSING


def type_covariates(
    rows: Sequence[Mapping[str, str]],
    case_ids: Sequence[str],
    *,
    target: Target | None,
    file: Path,
) -> tuple[list[dict[str, Covariate]], list[Problem]]:
    """Turn one row of text per case into covariates: numbers, else text, None where missing.

    A column is numeric where all its values are numbers, where most are, or where a slope
    hypothesis of the target needs it; a value of it that is no number is an error. Names that
    a hypothesis writes in another case are taken over from there, and M, F, male, female become
    M or F.
    """
    asked = {name.casefold(): name for name in asked_covariates(target)}
    slopes = numeric_covariates(target)
    typed: list[dict[str, Covariate]] = [{} for _ in rows]
    problems = []
    for column in dict.fromkeys(name for row in rows for name in row):
        name = asked.get(column.casefold(), column)
        texts = [row.get(column, "") for row in rows]
        values = [None if is_missing(text) else _number(text) for text in texts]
        broken = [index for index, value in enumerate(values) if isinstance(value, str)]
        numbers = sum(isinstance(value, float) for value in values)
        if name in slopes or numbers > len(broken):
            for index in broken:
                problems.append(_not_a_number(case_ids[index], name, texts[index], file))
                values[index] = None
        elif broken:
            values = [None if is_missing(text) else _word(name, text) for text in texts]
        for row, value in zip(typed, values, strict=True):
            row[name] = value
    return typed, problems


def asked_covariates(target: Target | None) -> set[str]:
    """Covariates that the hypotheses of a target name."""
    if target is None:
        return set()
    return {name for item in target.hypotheses for name in item.variables}


def add_participants(
    cases: list[Case], folder: Path, target: Target | None
) -> tuple[list[Case], list[Problem]]:
    """Give cases the covariates of a `participants.tsv` in the data set's folder, if there is one.

    Its rows are found by `case_id`, `participant_id` or `subject_id`, with or without `sub-`; a
    column `subject_id` beside another key says which cases are one person.
    """
    path = folder / "participants.tsv"
    if not path.is_file() or not cases:
        return cases, []
    table = read_text_table(path)
    keys = [name for name in ("case_id", "participant_id", "subject_id") if name in table.columns]
    if not keys:
        todo = "name the column of ids participant_id"
        found = error(f"the columns {some(table.columns)}", "participant_id", todo, file=path)
        return cases, [*table.problems, found]
    by_key = {row[keys[0]].removeprefix("sub-"): row for row in table.rows}
    rows = [_row_of(case, by_key) for case in cases]
    if not any(rows):
        todo = "give them the ids of the cases; its columns are not used"
        found = warning(f"no id of a case (but {some(by_key)})", cases[0].case_id, todo, file=path)
        return cases, [*table.problems, found]
    problems = list(table.problems)
    for case, row in zip(cases, rows, strict=True):
        if not row:
            problems.append(_no_row(case, path))
    columns = [name for name in table.columns if name not in keys]
    texts = [{name: row.get(name, "") for name in columns} for row in rows]
    typed, wrong = type_covariates(
        texts, [case.case_id for case in cases], target=target, file=path
    )
    joined = [
        replace(
            case,
            subject_id=row.get("subject_id") or case.subject_id,
            covariates={**case.covariates, **values},
        )
        for case, row, values in zip(cases, rows, typed, strict=True)
    ]
    return joined, problems + wrong


def add_sessions(
    cases: list[Case], root: Path, target: Target | None
) -> tuple[list[Case], list[Problem]]:
    """Give cases what the `sub-*_sessions.tsv` of their subject (BIDS) says of their session."""
    tables: dict[str, dict[str, dict[str, str]]] = {}
    problems = []
    for subject in dict.fromkeys(case.subject_id for case in cases):
        path = root / subject / f"{subject}_sessions.tsv"
        if path.is_file():
            table = read_text_table(path)
            problems += table.problems
            tables[subject] = {row.pop("session_id", ""): row for row in table.rows}
    if not tables:
        return cases, problems
    rows = []
    for case in cases:
        session = next((part for part in case.case_id.split("_") if part.startswith("ses-")), "")
        rows.append(tables.get(case.subject_id, {}).get(session, {}))
    case_ids = [case.case_id for case in cases]
    typed, wrong = type_covariates(rows, case_ids, target=target, file=root / "sub-*_sessions.tsv")
    joined = [
        replace(
            case,
            covariates={
                **values,
                **case.covariates,
                **{name: value for name, value in values.items() if value is not None},
            },
        )
        for case, values in zip(cases, typed, strict=True)
    ]
    return joined, problems + wrong


def numeric_covariates(target: Target | None) -> set[str]:
    """Covariates that the hypotheses of a target take as numbers: slopes and curves."""
    found = set()
    for item in target.hypotheses if target else ():
        if item.groups is None and "*" not in item.covariate:
            found.add(item.covariate)
        found |= {match[1] for term in item.adjust if (match := SPLINE.fullmatch(term))}
    return found


def check_hypotheses(cases: Sequence[Case], target: Target) -> list[Problem]:
    """Say which hypotheses of a target these covariates cannot answer."""
    problems = []
    columns = list(dict.fromkeys(name for case in cases for name in case.covariates))
    for item in target.hypotheses:
        for name in item.variables:
            if name not in columns:
                close = nearest(name, columns)
                todo = f"rename the column {close}" if close else f"add a column {name}"
                problems.append(_untestable(item.name, f"no covariate {name}", name, todo))
        values = {case.covariates.get(item.covariate) for case in cases} - {None}
        has = {f"{value:g}" if isinstance(value, float) else value for value in values}
        if item.groups and has and (absent := set(item.groups) - has):
            found = f"no case of {item.covariate} {' or '.join(sorted(absent))}"
            todo = f"write the groups so; the column has {some(sorted(has))}"
            problems.append(_untestable(item.name, found, " and ".join(item.groups), todo))
    return list(dict.fromkeys(problems))


def _separator(path: Path, text: str) -> str:
    head = text.split("\n", 1)[0]
    if path.suffix.lower() == ".tsv" and "\t" in head:
        return "\t"
    return max(",\t;", key=head.count)  # the comma where there is none at all


def _number(text: str) -> float | str:
    """Number that a text writes, else the text."""
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _word(name: str, text: str) -> str:
    return SEXES.get(text.casefold(), text) if name.casefold() in ("sex", "gender") else text


def _not_a_number(case_id: str, column: str, text: str, file: Path) -> Problem:
    todo = "mend the cell, or write n/a where it is not known"
    if isinstance(_number(text.replace(",", ".")), float):
        todo = "write a decimal point, not a comma"
    found = f"the covariate {column} = {text!r}, which is not a number"
    return error(found, "a number, as in the other cases", todo, case_id=case_id, file=file)


def _row_of(case: Case, by_key: Mapping[str, dict[str, str]]) -> dict[str, str]:
    ids = (case.case_id.removeprefix("sub-"), case.subject_id.removeprefix("sub-"))
    return next((by_key[key] for key in ids if key in by_key), {})


def _no_row(case: Case, path: Path) -> Problem:
    todo = "add the row; the case has no covariates"
    return warning("no row", "one row per participant", todo, case_id=case.case_id, file=path)


def _untestable(name: str, found: str, wanted: str, todo: str) -> Problem:
    return warning(f"{found}, so hypothesis {name} cannot be tested", wanted, todo)
