"""Terms of a model from columns of a table: numbers, categories, one value, or a distance."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.tables.table_ids import find_column, required_column
from neurotarget.data.tables.text_table import is_missing
from neurotarget.levels import code_key, level, level_key
from neurotarget.problems import DataError, error, some

NORM = re.compile(r"(?:(?P<name>\w[\w ]*):\s*)?norm\((?P<parts>.+)\)", re.IGNORECASE)
MOST_LEVELS = 12  # a text column with more values is no category


class Term(NamedTuple):
    """One number per person: a column, an indicator of one value, or the length of a vector.

    `needs_value`: a person with an empty cell is left out; otherwise the cell is another value.
    """

    name: str
    columns: tuple[str, ...]
    value: str = ""  # of an indicator
    needs_value: bool = True

    @property
    def is_indicator(self) -> bool:
        """Return whether the term is 1 for people with the value, and 0 for the others."""
        return bool(self.value)


class Design(NamedTuple):
    """Terms with the values of N people, NaN where a value cannot be computed."""

    terms: tuple[Term, ...]
    values: Float[ndarray, "N P"]
    filled: dict[str, int]  # people whose empty cell counts as another value, by term

    @property
    def names(self) -> list[str]:
        """Names of the terms."""
        return [term.name for term in self.terms]


def parse_terms(
    texts: Sequence[str], rows: Sequence[Mapping[str, str]], file: str
) -> tuple[Term, ...]:
    """Terms as users name them: `age`, `sex`, `resection=GTR`, `distance: norm(x+y+z)`.

    A column of text becomes an indicator of each of its values but the most frequent one.

    Raises:
        DataError: a column is absent, or is neither numbers nor a few categories.

    Args:
        texts: as users write them; a term that occurs twice counts once.
        rows: cells by column, from which columns are typed.
        file: the table, for messages.
    """
    terms: dict[str, Term] = {}
    for text in texts:
        for term in _terms(text, rows, file):
            terms.setdefault(term.name, term)
    return tuple(terms.values())


def _terms(text: str, rows: Sequence[Mapping[str, str]], file: str) -> list[Term]:
    known = list(rows[0]) if rows else []
    if (match := NORM.fullmatch(text)) is not None:
        columns = tuple(_found(part, known, file) for part in match["parts"].split("+"))
        return [Term(match["name"] or text, columns)]
    if find_column(known, [text]) is None and "=" in text:
        column, _, value = text.rpartition("=")
        name = _found(column, known, file)
        if not any(_is(row[name], value, name) for row in rows):
            found = f"nobody with {text}"
            todo = f"{name} has {some(dict.fromkeys(row[name] for row in rows))}"
            raise DataError(error(found, "a value of the column", todo, file=file))
        return [Term(text, (name,), value, needs_value=False)]
    column = _found(text, known, file)
    texts = [row[column] for row in rows if not is_missing(row[column])]
    if 2 * sum(math.isfinite(_number(one)) for one in texts) >= len(texts) > 0:
        return [Term(column, (column,))]
    counts = Counter(level(one, column) for one in texts)
    if not 2 <= len(counts) <= MOST_LEVELS:
        found = f"{len(counts)} different texts in {column}"
        wanted = f"numbers, or 2 to {MOST_LEVELS} categories"
        todo = f"leave it out, or name one value: {column}=<value>"
        raise DataError(error(found, wanted, todo, file=file))
    _, *others = [value for value, _ in counts.most_common()]
    return [Term(f"{column}={value}", (column,), value) for value in others]


def _found(name: str, known: Sequence[str], file: str) -> str:
    return required_column(known, name, file, "terms of the model among the columns")


def design(
    terms: Sequence[Term], rows: Sequence[Mapping[str, str]], renamed: Mapping[str, str], file: str
) -> Design:
    """Values of terms in a table, whose columns may have other names.

    Columns that are not in `renamed` must have the same name, or the same meaning where it is a
    standard one.

    Args:
        terms: from `parse_terms`, perhaps of another table.
        rows: cells by column, one row per person.
        renamed: column of this table for a term or a column; `resection=GTR` may become `gtr=Y`.
        file: the table, for messages.

    Raises:
        DataError: a column is absent.
    """
    known = list(rows[0]) if rows else []
    columns, filled = [], {}
    for term in terms:
        here = term
        if (other := renamed.get(term.name)) is not None and term.is_indicator:
            column, _, value = other.rpartition("=")
            here = term._replace(columns=(column,), value=value)
        named = [renamed.get(name, name) for name in here.columns]
        found = [_found(name, known, file) for name in named]
        columns.append([_value(here, found, row) for row in rows])
        empty = sum(is_missing(row[found[0]]) for row in rows)
        if term.is_indicator and not term.needs_value and empty:
            filled[term.name] = empty
    values = np.array(columns, dtype=float).reshape(len(terms), len(rows)).T
    return Design(tuple(terms), values, filled)


def missing_terms(made: Design, case_ids: Sequence[str]) -> dict[str, str]:
    """Reason for leaving out each person who lacks a term, which names the first missing term.

    Args:
        made: values of the terms, one row per person.
        case_ids: of the same people.

    Returns:
        Reason by id of the people who lack a term.
    """
    reasons = {}
    for name, values in zip(case_ids, made.values, strict=True):
        if (absent := np.flatnonzero(~np.isfinite(values))).size:
            term = made.terms[absent[0]]
            reasons[name] = f"no {term.columns[0] if term.is_indicator else term.name}"
    return reasons


def _value(term: Term, columns: Sequence[str], row: Mapping[str, str]) -> float:
    if term.is_indicator:
        if term.needs_value and is_missing(row[columns[0]]):
            return math.nan
        return float(_is(row[columns[0]], term.value, columns[0]))
    numbers = [_number(row[name]) for name in columns]
    return math.hypot(*numbers) if len(numbers) > 1 else numbers[0]


def _is(text: str, value: str, column: str) -> bool:
    return code_key(level_key(text, column)) == code_key(level_key(value, column))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
