"""Further columns of people, by case, from a table of the user's."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurotarget.data.tables.table_ids import find_column, find_ids
from neurotarget.data.tables.text_table import is_missing, read_text_table
from neurotarget.problems import DataError, error, refuse_errors, some


def with_columns(people: pd.DataFrame, path: Path, case_id: str = "") -> pd.DataFrame:
    """Add the columns of a table with one row per case, by its column of ids, named or found.

    Columns that people have already stay as they are.

    Args:
        people: one row per case, with a column `case_id`.
        path: table of the user.
        case_id: its column of ids; "" takes one with a usual name, or that with most of the ids.

    Returns:
        People in their order; cells are missing where the table has no row or no value of a case.

    Raises:
        DataError: the table has no ids, several rows of a case, or none of the cases.
    """
    read = read_text_table(path, ids=[case_id] if case_id else [])
    refuse_errors(read.problems)
    named = find_column(read.columns, [case_id]) if case_id else find_ids(read.columns)
    named = named or ("" if case_id else _matching(read.columns, read.rows, people))
    if not named:
        todo = f"set id=<column>; the table has {some(read.columns)}"
        raise DataError(error("no column of case ids", "one", todo, file=path))
    ids = [row[named] for row in read.rows]
    known = set(people["case_id"])
    if not known & set(ids):
        found = f"none of the cases (such as {people['case_id'].iloc[0]}) in {named}"
        raise DataError(error(found, "the ids of the masks", "set id=<column>", file=path))
    if twice := sorted({one for one in ids if ids.count(one) > 1} & known):
        found = f"several rows of {some(twice)}"
        raise DataError(error(found, "one row per case", "keep one of them", file=path))
    further = pd.DataFrame(read.rows, index=ids).loc[lambda table: table.index.isin(known)]
    own = {name.casefold() for name in people}
    further = further[[name for name in further if name.casefold() not in own]]
    further = further.map(lambda text: None if is_missing(text) else text)
    return people.join(further, on="case_id")


def _matching(columns: Sequence[str], rows: Sequence[dict[str, str]], people: pd.DataFrame) -> str:
    """The column that holds most ids of the cases; "" if none holds one."""
    known = set(people["case_id"])
    counts = {name: sum(row[name] in known for row in rows) for name in columns}
    best = max(counts, key=counts.get, default="")
    return best if counts.get(best) else ""
