"""Outcomes of cases: read from their covariates, checked, and coded as numbers for a network."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.levels import spelt_as
from neurotarget.outcome import Outcome
from neurotarget.problems import Problem, did_you_mean, error, nearest, some, warning
from neurotarget.types import Case, Target


def outcome_codes(case: Case, target: Target) -> Float[ndarray, " outcomes"]:
    """Return the code of each outcome of a case (see `Outcome.code`); NaN if missing or invalid.

    Values are covariates of the case, found by `spelt_as`; the order is that of `target.outcomes`.
    The code of a time to an event is the time alone.
    """
    return np.array([_code(case, outcome) for outcome in target.outcomes], dtype=np.float32)


def with_outcomes(cases: Sequence[Case], target: Target) -> tuple[list[Case], list[Problem]]:
    """Return the cases in which every outcome is known, and problems: missing or invalid values.

    A case without a value is left out, with a warning that counts such cases. If a column is
    missing, all cases are returned with an error, since no outcome can be checked.
    """
    problems = _absent_columns(cases, target)
    if problems:
        return list(cases), problems
    kept = list(cases)
    for outcome in target.outcomes:
        problems += [item for case in cases if (item := _invalid(case, outcome)) is not None]
        if without := [case.case_id for case in cases if not _is_known(case, outcome)]:
            found = f"no {' or no '.join(outcome.columns)} of {len(without)} of {len(cases)} cases"
            todo = "they are left out; fill in the column to use them"
            problems.append(warning(f"{found} ({some(without)})", "a value for each case", todo))
            kept = [case for case in kept if _is_known(case, outcome)]
    if not kept:
        columns = ", ".join(name for one in target.outcomes for name in one.columns)
        found = f"no case with all outcomes among {len(cases)}"
        problems.append(error(found, "cases to learn from", f"fill in the columns {columns}"))
    return kept, problems


def check_splits(cases: Sequence[Case], target: Target, splits: Mapping[str, str]) -> list[Problem]:
    """Find outcomes with a single value in a split: nothing can be learned or tested there.

    Args:
        cases: all cases.
        target: its outcomes.
        splits: split by case_id; without splits, all cases are checked together.

    Returns:
        Errors about the training cases (all cases without splits): a single value, or a class
        without a case. Warnings about other splits, where scores that compare classes are NaN.
    """
    problems = []
    for position, outcome in enumerate(target.outcomes):
        codes: dict[str, list[float]] = {}
        for case in cases:
            split = splits.get(case.case_id, "")
            codes.setdefault(split, []).append(float(outcome_codes(case, target)[position]))
        for split, values in codes.items():
            if len(problem := _one_value(outcome, split, values)) > 0:
                problems += problem
    return problems


def _one_value(outcome: Outcome, split: str, codes: Sequence[float]) -> list[Problem]:
    known = {code for code in codes if not math.isnan(code)}
    where = f"the {split} cases" if split else "the data set"
    names = [outcome.classes[int(code)] for code in sorted(known)] if outcome.is_class else []
    if len(known) == 1:
        value = names[0] if names else f"{known.pop():g}"
        found = f"{outcome.name} {value} in all {len(codes)} of {where}"
        if split in ("", "train"):
            todo = "add cases with other values, or assign the splits again"
            return [error(found, "at least two values", todo)]
        todo = "scores that compare classes are NaN there; assign the splits again"
        return [warning(found, "two values", todo)]
    absent = [name for name in outcome.classes if name not in names]
    if absent and split in ("", "train"):
        found = f"no case of {outcome.name} {some(absent)} in {where}"
        todo = "add such cases, or remove the class from the target"
        return [error(found, "each class in the training", todo)]
    return []


def _absent_columns(cases: Sequence[Case], target: Target) -> list[Problem]:
    columns = list(dict.fromkeys(name for case in cases for name in case.covariates))
    problems = []
    for outcome in target.outcomes:
        for name in outcome.columns:
            if spelt_as(name, columns) in columns:
                continue
            close = nearest(name, columns)
            todo = f"rename the column {close}" if close else f"add a column {name} to the table"
            listed = ", ".join(columns) or "none"
            found = f"the columns {listed} and no {name}, which outcome {outcome.name} reads"
            problems.append(error(found, f"a column {name}", todo))
    return problems


def _invalid(case: Case, outcome: Outcome) -> Problem | None:
    for column in outcome.columns:
        value = _value(case, column)
        try:
            code = _code_of(outcome, column, value)
        except ValueError as reason:
            wanted = ", ".join(outcome.classes) or "a number"
            hint = did_you_mean(str(value), outcome.classes)
            todo = f"{hint}correct the cell, or name the codes in the target's levels"
            return error(f"{column}: {reason}", wanted, todo, case_id=case.case_id)
        is_event = column == outcome.event
        if is_event and not math.isnan(code) and code not in (0, 1):
            return error(f"{column} = {code:g}", "0 or 1", "correct it", case_id=case.case_id)
        if outcome.event and not is_event and code < 0:
            return error(
                f"{column} = {code:g}", "a time from 0", "correct it", case_id=case.case_id
            )
    return None


def _code_of(outcome: Outcome, column: str, value: object) -> float:
    if column == outcome.event:
        return Outcome(column, "number").code(value)
    return outcome.code(value)


def _is_known(case: Case, outcome: Outcome) -> bool:
    return all(_value(case, column) is not None for column in outcome.columns)


def _code(case: Case, outcome: Outcome) -> float:
    try:
        return outcome.code(_value(case, outcome.column))
    except ValueError:
        return math.nan


def _value(case: Case, column: str) -> object:
    value = case.covariates.get(spelt_as(column, case.covariates))
    return None if isinstance(value, float) and math.isnan(value) else value
