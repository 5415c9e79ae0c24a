"""Covariates of cases: types and spellings of table cells, and what hypotheses require."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from neurotarget.data.tables.text_table import is_missing
from neurotarget.hypothesis import SPLINE, Hypothesis
from neurotarget.levels import (
    CATEGORIES,
    CodeBook,
    code_key,
    codes_of,
    level_key,
    one_spelling,
    usual_columns,
    usual_name,
)
from neurotarget.problems import Problem, error, nearest, some, warning
from neurotarget.types import Case, Covariate, Target

LIMIT = re.compile(
    r"(?:[<>]=?|[≤≥])\s*(?P<after>\d+(?:\.\d+)?)"
    r"|(?P<before>\d+(?:\.\d+)?)\s*(?:\+|(?:and|or) (?:over|older|above|more))"
)  # such as 89+ and >89, used to anonymise ages
NO_CODES: CodeBook = {}


def type_covariates(
    rows: Sequence[Mapping[str, str]],
    case_ids: Sequence[str],
    *,
    target: Target | None,
    file: Path,
    codes: CodeBook = NO_CODES,
) -> tuple[list[dict[str, Covariate]], list[Problem]]:
    """Convert rows of text, one per case, to covariates: numbers, else text, None if missing.

    A column is numeric if all or most of its values are numbers, or if a slope hypothesis of the
    target needs it; other values in it are errors. A limit such as `89+` or `>89` is read as its
    number, with a warning. A column is renamed to the spelling that a hypothesis uses, or to its
    standard name (`Gender`, `Age at scan`), the latter with a warning. Categories get one spelling:
    that of the hypotheses, F and M for sexes, else the first.

    Args:
        rows: cells by column; all rows have the same columns.
        case_ids: of the rows, for messages.
        target: its hypotheses, outcomes and code book; None if there is none.
        file: the table, for messages.
        codes: code book of the caller, which defines the meaning of numbers.

    Returns:
        One mapping from covariate to value per row, and problems.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    names, problems = _names(columns, target, file)
    slopes = numeric_covariates(target)
    codes = {**(target.levels if target else {}), **codes}
    typed: list[dict[str, Covariate]] = [{} for _ in rows]
    for column in columns:
        name = names[column]
        meaning = codes_of(name, codes)
        texts = [row.get(column, "") for row in rows]
        texts = [meaning.get(code_key(text), text) for text in texts]
        values, wrong = _values(name, texts, case_ids, file, is_number=name in slopes)
        problems += wrong
        if any(isinstance(value, str) for value in values):
            values, wrong = _categories(name, values, target, file)
            problems += wrong
        for row, value in zip(typed, values, strict=True):
            row[name] = value
    return typed, problems


def _names(
    columns: Sequence[str], target: Target | None, file: Path
) -> tuple[dict[str, str], list[Problem]]:
    """New name of each column, and the problems of renaming."""
    requested = {name.casefold(): name for name in requested_covariates(target)}
    renamed, several = usual_columns(columns, requested.values())
    names = {name: renamed.get(name, requested.get(name.casefold(), name)) for name in columns}
    return names, renamed_problems(renamed, several, file)


def renamed_problems(
    renamed: Mapping[str, str], several: Mapping[str, Sequence[str]], file: Path | str = ""
) -> list[Problem]:
    """Report columns that were renamed to a standard name, and ambiguous ones.

    Args:
        renamed: standard name by column, from `usual_columns`.
        several: columns that may mean a standard name, by that name; none of them was renamed.
        file: the table.
    """
    taken = [
        warning(f"the column {column!r}", name, f"it is read as {name}", file=file)
        for column, name in renamed.items()
    ]
    return taken + [
        warning(
            f"the columns {' and '.join(map(repr, columns))}",
            f"one that means {name}",
            f"rename the intended one to {name}; until then neither is used as {name}",
            file=file,
        )
        for name, columns in several.items()
    ]


def _values(
    name: str, texts: Sequence[str], case_ids: Sequence[str], file: Path, *, is_number: bool
) -> tuple[list[Covariate], list[Problem]]:
    """Numbers or texts of a column, and the problems of its other cells."""
    values: list[Covariate] = [None if is_missing(text) else _number(text) for text in texts]
    texts_at = [index for index, value in enumerate(values) if isinstance(value, str)]
    limits = {index: limit for index in texts_at if (limit := _limit(texts[index])) is not None}
    broken = [index for index in texts_at if index not in limits]
    numbers = sum(isinstance(value, float) for value in values)
    if not is_number and numbers <= len(broken):
        if not texts_at:
            return values, []
        return [None if is_missing(text) else text for text in texts], []
    for index in texts_at:
        values[index] = limits.get(index)
    problems = [_not_a_number(case_ids[index], name, texts[index], file) for index in broken]
    if limits:
        problems.append(_limits(name, {case_ids[index]: texts[index] for index in limits}, file))
    return values, problems


def _categories(
    name: str, values: Sequence[Covariate], target: Target | None, file: Path
) -> tuple[list[Covariate], list[Problem]]:
    """Values of a column with one spelling per category, and problems to report."""
    usual = usual_name(name)
    if usual not in CATEGORIES and name.casefold() not in CATEGORIES:
        return list(values), []
    labels = [value for value in values if isinstance(value, str)]
    hypotheses = target.hypotheses if target else ()
    wanted = [group for item in hypotheses if item.covariate == name for group in item.groups or ()]
    outcomes = target.outcomes if target else ()
    wanted += [one for outcome in outcomes if outcome.column == name for one in outcome.classes]
    spelt = one_spelling(labels, name, wanted)
    problems = []
    if usual != "sex":
        problems += [_merged(name, merge, spelt, file) for merge in _merges(spelt)]
    elif odd := {one: labels.count(one) for one in spelt if level_key(one, name) not in ("f", "m")}:
        listed = ", ".join(f"{text!r} in {count}" for text, count in odd.items())
        todo = "correct them; until then they are categories of their own"
        problems.append(
            warning(f"{name} = {listed} of {len(values)} cases", "F or M", todo, file=file)
        )
    return [
        spelt.get(value, value) if isinstance(value, str) else value for value in values
    ], problems


def _merges(spelt: Mapping[str, str]) -> list[list[str]]:
    """Groups of spellings of one category that differ in more than case."""
    groups: dict[str, list[str]] = {}
    for text, name in spelt.items():
        groups.setdefault(name, []).append(text)
    return [texts for texts in groups.values() if len({text.casefold() for text in texts}) > 1]


def _merged(name: str, texts: Sequence[str], spelt: Mapping[str, str], file: Path) -> Problem:
    todo = f"they are read as {spelt[texts[0]]}; give each a name of its own if they differ"
    return warning(f"{name} = {' and '.join(map(repr, texts))}", "one spelling", todo, file=file)


def requested_covariates(target: Target | None) -> set[str]:
    """Covariates that the hypotheses and outcomes of a target use; none without a target."""
    if target is None:
        return set()
    outcomes = {name for outcome in target.outcomes for name in outcome.columns}
    return outcomes | {name for item in target.hypotheses for name in item.variables}


def numeric_covariates(target: Target | None) -> set[str]:
    """Covariates that a target uses as numbers: slopes and curves, outcomes that are no classes.

    Covariates of interactions may be numbers or categories and are not included.
    """
    outcomes = target.outcomes if target else ()
    names = {name for one in outcomes if not one.is_class for name in one.columns}
    for item in target.hypotheses if target else ():
        if item.groups is None and "*" not in item.covariate:
            names.add(item.covariate)
        names |= {match[1] for term in item.adjust if (match := SPLINE.fullmatch(term))}
    return names


def check_hypotheses(cases: Sequence[Case], target: Target) -> list[Problem]:
    """Report hypotheses of a target that the covariates of these cases cannot test.

    A covariate may be absent, or none of its values may be one of the groups that are compared. All
    are warnings, since the other hypotheses can be tested.
    """
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
        keys = {level_key(value, item.covariate) for value in has}
        absent = [one for one in item.groups or () if level_key(one, item.covariate) not in keys]
        if has and absent:
            found = f"no case of {item.covariate} {' or '.join(sorted(absent))}"
            todo = f"write the groups as in the column: {some(sorted(has))}"
            if all(isinstance(value, float) for value in values):
                todo += f"; or state their meaning in the target: {book_of(item, has)}"
            problems.append(_untestable(item.name, found, " and ".join(item.groups), todo))
    return list(dict.fromkeys(problems))


def book_of(hypothesis: Hypothesis, codes: Iterable[str]) -> str:
    """Example of a code book for the groups of a hypothesis: `levels: {sex: {0: M, 1: F}}`.

    Which code means which group is a guess that the user has to check.
    """
    groups = sorted(hypothesis.groups or (), reverse=True)
    pairs = ", ".join(f"{code}: {name}" for code, name in zip(sorted(codes), groups, strict=False))
    return f"levels: {{{hypothesis.covariate}: {{{pairs}}}}}"


def check_sexes(cases: Sequence[Case]) -> list[Problem]:
    """Report subjects with two sexes: a typing error, or two people with one id.

    Sexes are compared as texts, after `type_covariates` has given them one spelling.
    """
    known: dict[tuple[str, str], dict[str, str]] = {}  # (subject, column) → sex → case
    for case in cases:
        for name, value in case.covariates.items():
            if usual_name(name) == "sex" and value is not None:
                sexes = known.setdefault((case.subject_id, name), {})
                sexes.setdefault(str(value), case.case_id)
    problems = []
    for (subject, name), sexes in known.items():
        if len(sexes) > 1:
            listed = ", ".join(f"{value} in {case_id}" for value, case_id in sexes.items())
            todo = "correct the column, or give each person a subject_id"
            found = f"subject {subject} of {len(sexes)} values of {name} ({listed})"
            problems.append(error(found, "one per subject", todo))
    return problems


def _number(text: str) -> float | str:
    """Parse a number; else return the text."""
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _limit(text: str) -> float | None:
    match = LIMIT.fullmatch(text.casefold())
    limit = float(match["after"] or match["before"]) if match else None
    return limit if limit is None or math.isfinite(limit) else None


def _limits(name: str, texts: Mapping[str, str], file: Path) -> Problem:
    """Warn about cells with a limit instead of a value."""
    found = f"the limit {name} = {some(sorted(set(texts.values())))} in {some(texts)}"
    todo = f"it is read as its number, which effects of {name} take as exact"
    return warning(found, "a number", todo, file=file)


def _not_a_number(case_id: str, column: str, text: str, file: Path) -> Problem:
    todo = "correct the cell, or write n/a where it is not known"
    if isinstance(_number(text.replace(",", ".")), float):
        todo = "write a decimal point, not a comma"
    found = f"the covariate {column} = {text!r}, which is not a number"
    return error(found, "a number, as in the other cases", todo, case_id=case_id, file=file)


def _untestable(name: str, found: str, wanted: str, todo: str) -> Problem:
    return warning(f"{found}, so hypothesis {name} cannot be tested", wanted, todo)
