"""Rows of a table to keep, by values of its columns: `resection=GTR; site=a|b; scan!=2`."""

import re
from pathlib import Path

from neurotarget.data.tables.table_ids import required_column
from neurotarget.data.tables.text_table import TextTable
from neurotarget.levels import code_key
from neurotarget.problems import DataError, error, some

PART = re.compile(r"(?P<column>.+?)\s*(?P<sign>!?=)\s*(?P<values>.+)")


def kept_rows(table: TextTable, where: str, path: Path) -> tuple[list[int], dict[int, str]]:
    """Indices of the rows to keep, and for each other row the condition that it fails.

    Values are compared without case, and numbers by value.

    Args:
        table: all rows.
        where: conditions separated by `;`, all of which a row must meet: `column=a|b` for any of
            some values, `column!=a` for any other value; "" keeps all.
        path: of the table, for messages.

    Raises:
        DataError: a condition cannot be read, names no column, or fits no row.
    """
    kept, left_out = list(range(len(table.rows))), {}
    for text in filter(None, map(str.strip, where.split(";"))):
        match = PART.fullmatch(text)
        if match is None:
            found = f"the condition {text!r}"
            raise DataError(error(found, "column=value", "such as where='resection=GTR'",
                                  file=path))  # fmt: skip
        column = required_column(table.columns, match["column"], path, "one of the table")
        wanted = {code_key(value).casefold() for value in match["values"].split("|")}
        fits = {place: (code_key(table.rows[place][column]).casefold() in wanted)
                == (match["sign"] == "=") for place in kept}  # fmt: skip
        left_out |= {place: f"not {text}" for place, fit in fits.items() if not fit}
        kept = [place for place, fit in fits.items() if fit]
        if not kept:
            values = dict.fromkeys(row[column] for row in table.rows)
            raise DataError(error(f"no row with {text}", "a value of the column",
                                  f"{column} has {some(values)}", file=path))  # fmt: skip
    return kept, left_out
