"""Covariates of cases: what the cells of a table mean, and what hypotheses ask of them."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from neurotarget.data.found import error, nearest, some, warning
from neurotarget.data.text_table import is_missing
from neurotarget.hypothesis import SPLINE
from neurotarget.types import Case, Covariate, Problem, Target

LIMIT = re.compile(
    r"(?:[<>]=?|[≤≥])\s*(?P<after>\d+(?:\.\d+)?)"
    r"|(?P<before>\d+(?:\.\d+)?)\s*(?:\+|(?:and|or) (?:over|older|above|more))"
)  # such as 89+ and >89, by which ages are made anonymous
SEX = ("sex", "gender")  # columns of it
SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


def type_covariates(
    rows: Sequence[Mapping[str, str]],
    case_ids: Sequence[str],
    *,
    target: Target | None,
    file: Path,
) -> tuple[list[dict[str, Covariate]], list[Problem]]:
    """Turn one row of text per case into covariates: numbers, else text, None where missing.

    A column is numeric where all its values are numbers, where most are, or where a slope
    hypothesis of the target needs it; a value of it that is no number is an error. A limit such
    as `89+` or `>89` is read as its number, with a warning. Names that a hypothesis writes in
    another case are taken over from there, and M, F, male, female become M or F.
    """
    asked = {name.casefold(): name for name in asked_covariates(target)}
    slopes = numeric_covariates(target)
    typed: list[dict[str, Covariate]] = [{} for _ in rows]
    problems = []
    for column in dict.fromkeys(name for row in rows for name in row):
        name = asked.get(column.casefold(), column)
        texts = [row.get(column, "") for row in rows]
        values = [None if is_missing(text) else _number(text) for text in texts]
        words = [index for index, value in enumerate(values) if isinstance(value, str)]
        limits = {index: limit for index in words if (limit := _limit(texts[index])) is not None}
        broken = [index for index in words if index not in limits]
        numbers = sum(isinstance(value, float) for value in values)
        if name in slopes or numbers > len(broken):
            for index in words:
                values[index] = limits.get(index)
            problems += [_not_a_number(case_ids[item], name, texts[item], file) for item in broken]
            if limits:
                problems.append(
                    _limits(name, {case_ids[item]: texts[item] for item in limits}, file)
                )
        elif words:
            values = [None if is_missing(text) else _word(name, text) for text in texts]
        for row, value in zip(typed, values, strict=True):
            row[name] = value
    return typed, problems


def asked_covariates(target: Target | None) -> set[str]:
    """Covariates that the hypotheses of a target name."""
    if target is None:
        return set()
    return {name for item in target.hypotheses for name in item.variables}


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


def check_sexes(cases: Sequence[Case]) -> list[Problem]:
    """Say which subjects have two sexes: one of them is mistyped, or two people share an id."""
    known: dict[tuple[str, str], dict[str, str]] = {}  # by subject and column: sex → a case
    for case in cases:
        for name, value in case.covariates.items():
            if name.casefold() in SEX and value is not None:
                sexes = known.setdefault((case.subject_id, name), {})
                sexes.setdefault(str(value), case.case_id)
    problems = []
    for (subject, name), sexes in known.items():
        if len(sexes) > 1:
            listed = ", ".join(f"{value} in {case_id}" for value, case_id in sexes.items())
            todo = "mend the column, or give each person a subject_id"
            found = f"subject {subject} of {len(sexes)} values of {name} ({listed})"
            problems.append(error(found, "one a subject", todo))
    return problems


def _number(text: str) -> float | str:
    """Number that a text writes, else the text."""
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
    """Say which cases have a limit in the place of a value."""
    found = f"the limit {name} = {some(sorted(set(texts.values())))} in {some(texts)}"
    todo = f"it is read as its number, which effects of {name} take as exact"
    return warning(found, "a number", todo, file=file)


def _word(name: str, text: str) -> str:
    return SEXES.get(text.casefold(), text) if name.casefold() in SEX else text


def _not_a_number(case_id: str, column: str, text: str, file: Path) -> Problem:
    todo = "mend the cell, or write n/a where it is not known"
    if isinstance(_number(text.replace(",", ".")), float):
        todo = "write a decimal point, not a comma"
    found = f"the covariate {column} = {text!r}, which is not a number"
    return error(found, "a number, as in the other cases", todo, case_id=case_id, file=file)


def _untestable(name: str, found: str, wanted: str, todo: str) -> Problem:
    return warning(f"{found}, so hypothesis {name} cannot be tested", wanted, todo)
