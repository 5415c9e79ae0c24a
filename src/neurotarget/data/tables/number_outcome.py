"""The number to predict for each person of a table, and the rows without one."""

import math
from pathlib import Path

import numpy as np

from neurotarget.data.tables.class_outcome import id_texts
from neurotarget.data.tables.follow_up import LeftOut
from neurotarget.data.tables.known_outcomes import OutcomeRows
from neurotarget.data.tables.row_filter import kept_rows
from neurotarget.data.tables.table_ids import required_column
from neurotarget.data.tables.text_table import is_missing, read_text_table
from neurotarget.problems import DataError, error, refuse_errors, some

FEWEST_VALUES = 6  # a column with fewer different numbers has classes


def read_numbers(path: Path, outcome: str, *, case_id: str = "", where: str = "") -> OutcomeRows:
    """Read the number of each row; rows without one are left out and counted.

    Args:
        path: CSV or TSV table.
        outcome: column of the number.
        case_id: column of ids; rows of one id are of one person.
        where: rows to keep, such as `resection=GTR; site=a|b`.

    Raises:
        DataError: there is no such column, a cell is no number, or fewer than six values differ.
    """
    table = read_text_table(path, ids=[case_id] if case_id else [])
    refuse_errors(table.problems)
    column = required_column(table.columns, outcome, path)
    ids = id_texts(table, case_id, path)
    kept, out = kept_rows(table, where, path)
    texts = {place: table.rows[place][column] for place in kept}
    out |= {place: f"no {column}" for place, text in texts.items() if is_missing(text)}
    values = {place: _number(text) for place, text in texts.items() if place not in out}
    if wrong := [texts[place] for place, value in values.items() if not math.isfinite(value)]:
        raise DataError(error(f"{some(wrong)} in {column}", "numbers", "correct the cells",
                              file=path))  # fmt: skip
    if (count := len(set(values.values()))) < FEWEST_VALUES:
        found = f"{count} different numbers in {column}"
        raise DataError(error(found, f"at least {FEWEST_VALUES}", "leave number= out for classes",
                              file=path))  # fmt: skip
    return OutcomeRows(
        [ids[place] for place in values],
        np.array([*values.values()]),
        [table.rows[place] for place in values],
        [LeftOut(ids[place], why) for place, why in sorted(out.items())],
        list(table.problems),
        str(path),
        column,
    )


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan
