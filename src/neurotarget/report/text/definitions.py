"""Plain-language definition and source of every statistic in a report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from neurotarget.quantity import AREA
from neurotarget.report.text.assets import asset_table
from neurotarget.report.text.placeholders import VOLUMES, placeholders_of
from neurotarget.stats.cohort.failures import DEFINITIONS as FAILURES
from neurotarget.stats.cohort.measured import Quantity


class Definition(NamedTuple):
    """A statistic and its source, shown if the report has `needs`: (table, column, value).

    Without a value, any value in the column suffices; without a column, any row of the table.
    """

    name: str
    text: str
    source: str = ""
    doi: str = ""
    needs: Sequence[str] = ()


def known_definitions(page: str = "study", quantity: Quantity = VOLUMES) -> tuple[Definition, ...]:
    """Return all definitions for a kind of page, in reading order, in the words of a quantity.

    Args:
        page: section of `assets/definitions.toml`: study, comparison, search, survival and so on.
        quantity: whose noun and unit fill the texts; areas of pictures have definitions of their
            own.
    """
    entries, filled = asset_table("definitions"), placeholders_of(quantity)
    study = {one["name"]: one for one in entries["study"]}
    flat = {one["name"]: one for one in entries["pictures"]} if quantity.name == AREA else {}
    merged = [
        {**study.get(one["name"], {}), **one, **flat.get(one["name"], {})} for one in entries[page]
    ]
    return tuple(Definition(**{key: _filled(value, filled) for key, value in one.items()})
                 for one in merged)  # fmt: skip


def _filled(value: str | Sequence[str], filled: Mapping[str, str]) -> str | list[str]:
    if isinstance(value, str):
        return value.format_map(filled)
    return [text.format_map(filled) for text in value]


def definitions(
    tables: Mapping[str, pd.DataFrame], known: Sequence[Definition] | None = None
) -> list[Definition]:
    """Return the definitions that the tables need, and those of failures that occurred.

    A table with counts `n` needs a definition only if some row has cases. They are selected from
    `known`, by default the definitions of a study.
    """
    known = known_definitions() if known is None else known
    return [one for one in known if _is_needed(tables, *one.needs)] + [
        Definition(_heading(one.name), one.description)
        for one in FAILURES
        if _is_needed(tables, "failures", "definition", one.name)
    ]


def _heading(name: str) -> str:
    return f"Failure: {name.replace('_', ' ').replace('dice', 'Dice')}"


def _is_needed(
    tables: Mapping[str, pd.DataFrame], name: str = "", column: str = "", value: str = ""
) -> bool:
    if not name:
        return bool(tables)
    table = tables.get(name)
    if table is not None and "n" in table:
        table = table[table["n"] > 0]
    if table is not None and f"{column.removesuffix('_mm')}_px" in table:
        column = f"{column.removesuffix('_mm')}_px"  # of pictures
    if table is None or not len(table) or (column and column not in table):
        return False
    if not column:
        return True
    wanted = (value, f"{value.removesuffix('_mm')}_px")  # of pictures
    return bool(table[column].isin(wanted).any()) if value else bool(table[column].notna().any())
