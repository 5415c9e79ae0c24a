"""Classes of people in a table: which rows are positive, and which cannot be used."""

import math
from collections import Counter
from pathlib import Path

import numpy as np

from neurotarget.data.tables.follow_up import LeftOut
from neurotarget.data.tables.known_outcomes import OutcomeRows
from neurotarget.data.tables.row_filter import kept_rows
from neurotarget.data.tables.table_ids import find_column, find_ids, required_column
from neurotarget.data.tables.text_table import TextTable, is_missing, read_text_table
from neurotarget.levels import code_key, level_key
from neurotarget.problems import DataError, error, refuse_errors, some

POSITIVE = ("1", "yes", "true", "positive", "pos", "y", "mutant", "dead")  # of two values
FREE_IDS = 0.5  # a first column of text with this share of different values has ids


def read_classes(
    path: Path, outcome: str, *, case_id: str = "", where: str = "", like: str = ""
) -> OutcomeRows:  # fmt: skip
    """Read the class of each row; rows without it are left out and counted.

    Args:
        path: CSV or TSV table.
        outcome: a column of two values, or `<column>=<value>` for the value that is positive;
            several are separated by `|`. If no value is named, a value such as 1, yes, positive or
            mutant is positive, else the rarer of the two.
        case_id: column of ids; rows of one id are of one person.
        where: rows to keep, such as `resection=GTR; site=a|b`.
        like: the positive value of another table. If `outcome` names no value and this value
            occurs, it is positive here too, even if it is the more frequent one.

    Raises:
        DataError: there is no such column or value, or a column without `=` has other than two
            values, or only one class is left.
    """
    table = read_text_table(path, ids=[case_id] if case_id else [])
    refuse_errors(table.problems)
    column, wanted = outcome_column(table, outcome, path)
    ids = id_texts(table, case_id, path)
    kept, out = kept_rows(table, where, path)
    values = [value_of(table.rows[place][column], column) for place in kept]
    out |= {place: f"no {column}" for place, value in zip(kept, values, strict=True) if not value}
    chosen = _chosen(values, column, wanted, path, like)
    rest = [(place, value) for place, value in zip(kept, values, strict=True) if value]
    positive = np.array([float(value in chosen) for _, value in rest])
    if len(np.unique(positive)) < 2:
        found = f"{len(positive)} rows of one class in {column}"
        todo = f"choose another value; it has {some(dict.fromkeys(value for _, value in rest))}"
        raise DataError(error(found, "two classes", todo, file=path))
    return OutcomeRows(
        [ids[place] for place, _ in rest],
        positive,
        [table.rows[place] for place, _ in rest],
        [LeftOut(ids[place], why) for place, why in sorted(out.items())],
        list(table.problems),
        str(path),
        column,
        "|".join(sorted(chosen)),
    )


def id_texts(table: TextTable, case_id: str, path: Path) -> list[str]:
    """Id of each row.

    It is the cell of the named column, else of one of a standard name, else of the first column if
    its cells are names (see `is_names`); without any of these it is `row` with the line in the
    file.

    Raises:
        DataError: the named column is absent.
    """
    named = required_column(table.columns, case_id, path) if case_id else find_ids(table.columns)
    first = table.columns[0] if table.columns else ""
    if named is None and first and is_names([row[first] for row in table.rows]):
        named = first
    lines = table.lines
    return [row[named] if named else f"row {line}"
            for row, line in zip(table.rows, lines, strict=True)]  # fmt: skip


def is_names(texts: list[str]) -> bool:
    """Return whether a column's cells are names: text, of which most differ.

    At least one cell is no number, and more than half of the cells differ.
    """
    has_text = any(not math.isfinite(_number(text)) for text in texts if text)
    return has_text and len(set(texts)) > FREE_IDS * len(texts)


def outcome_column(table: TextTable, outcome: str, path: Path) -> tuple[str, set[str]]:
    """Column of an outcome, and the values that are positive, empty if none is named.

    Args:
        table: its columns.
        outcome: name of a column, or `<column>=<value>`; several values are separated by `|`.
        path: for the message.

    Returns:
        The column as the table spells it, and values as `value_of` writes them.

    Raises:
        DataError: there is no such column.
    """
    if (column := find_column(table.columns, [outcome])) is not None:
        return column, set()
    name, mark, value = outcome.rpartition("=")
    column = required_column(table.columns, name if mark else outcome, path)
    return column, {value_of(one, column) for one in value.split("|")}


def value_of(text: str, column: str) -> str:
    """Spell equal values equally: F and female, 1 and 1.0; "" for no value."""
    return "" if is_missing(text) else code_key(level_key(text, column))


def _chosen(values: list[str], column: str, wanted: set[str], path: Path, like: str) -> set[str]:
    """The values that are positive.

    Raises:
        DataError: a named value does not occur, or none is named and there are not two, or it is
            unknown which of them is that of another table.
    """
    counts = Counter(filter(None, values))
    if absent := sorted(wanted - set(counts)):
        todo = f"{column} has {some(counts)}"
        raise DataError(error(f"nobody with {column}={'|'.join(absent)}", "values of the column",
                              todo, file=path))  # fmt: skip
    if wanted:
        return wanted
    if len(counts) != 2:
        found = f"{len(counts)} different values in {column} ({some(counts)})"
        todo = f"name the positive one: outcome={column}=<value>; a time to an event has time="
        raise DataError(error(found, "two classes", todo, file=path))
    if like in counts:
        return {like}
    usual = [value for value in counts if value in POSITIVE]
    if like and len(usual) != 1:
        found = f"no {like} in {column} ({some(counts)}), the positive value of the first table"
        todo = "name the positive one by names=<outcome>:<column>=<value>"
        raise DataError(error(found, "the same two values", todo, file=path))
    return {usual[0] if len(usual) == 1 else min(counts, key=lambda one: counts[one])}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
