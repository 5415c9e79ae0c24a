"""Section on each arm's internal and external cases by label, with published values.

Published values are of other scans, so they are shown without a test.
"""

import math
from collections.abc import Sequence

import pandas as pd

from neurotarget.number_text import DASH, number
from neurotarget.report.comparison.arm_rows import arms_of
from neurotarget.report.figures.part_strips import MARKS, parts_labels
from neurotarget.report.sections.plain_page import Grid, Heading, Section
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.headed_tables import value_texts
from neurotarget.report.text.numbers import counted, mean_sd
from neurotarget.report.text.placeholders import main_of, placeholders_of
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.tables.tables import ALL_LABELS

REFERENCE, ALL = "reference", "all"
STATISTICS = ("dice", "pearson_r", "icc_a1")
Column = tuple[str, str, str]  # reference or rater, statistic, part


def parts_sections(comparison: Comparison) -> list[Section]:
    """Return the section on Dice, r and ICC of every arm by label and part, or none.

    A value is the mean over seeds, and a dash if it is undefined for one of them. Published values
    have rows of their own below the arms.
    """
    table = rows_of(comparison, "parts")
    if not len(table):
        return []
    # one row for the mean over labels (Dice) and the total (volumes)
    table = table.assign(label=table["label"].replace([ALL_LABELS, "total"], ALL))
    labels, left_out = parts_labels(table)
    columns, owners = _columns(table), _owners(comparison, table)
    rows = [
        [label, title, *_cells(own[own["label"] == label], columns, column)]
        for label in labels
        for title, own, column in owners
    ]
    rows = [row for row in rows if set(row[2:]) != {DASH}]
    headings = [Heading("Label", "text"), Heading("Masks", "text"), *map(_heading, columns)]
    more = [f"{counted(left_out, 'more label')} in the tables below."] if left_out else []
    grid = Grid("Internal and external", headings, rows)
    lead = page_text("parts.arms", **placeholders_of(main_of(comparison.target)))
    return [Section("parts", "Internal and external", lead, [grid], more)]


def _owners(comparison: Comparison, table: pd.DataFrame) -> list[tuple[str, pd.DataFrame, str]]:
    """Arms in their order, then published values, with the column of their values."""
    ordered = [arm.name for arm in arms_of(comparison)]
    names = [*ordered, *(name for name in dict.fromkeys(table["arm"]) if name not in ordered)]
    owners = [(name, table[table["arm"] == name], "value") for name in names]
    known = table[table["published"].notna()].drop_duplicates(
        ["part", "against", "label", "statistic", "published", "source"]
    )
    return [*owners, ("published", known, "published")]


def _columns(table: pd.DataFrame) -> list[Column]:
    """Agreement with the reference by statistic and part, then Dice with further raters."""
    parts = [part for part in MARKS if (table["part"] == part).any()]
    raters = [name for name in dict.fromkeys(table["against"]) if name != REFERENCE]
    columns = [(REFERENCE, name, part) for name in STATISTICS for part in parts]
    columns += [(rater, "dice", part) for rater in raters for part in parts]
    there = set(zip(table["against"], table["statistic"], table["part"], strict=True))
    return [column for column in columns if column in there]


def _heading(column: Column) -> Heading:
    against, statistic, part = column
    name = value_texts().get(statistic, statistic)
    return Heading(f"{name}{'' if against == REFERENCE else f' with {against}'}, {part}")


def _cells(rows: pd.DataFrame, columns: Sequence[Column], value: str) -> list[str]:
    cells = []
    for against, statistic, part in columns:
        where = (rows["against"] == against) & (rows["statistic"] == statistic)
        own = rows[where & (rows["part"] == part)]
        if value == "published":
            published = own[["published", "published_sd"]].drop_duplicates().to_numpy(float)
            cells.append("; ".join(mean_sd(*pair, 2) for pair in published) or DASH)
        else:
            mean = own.drop_duplicates("seed")[value].mean(skipna=False) if len(own) else math.nan
            cells.append(number(mean, 3))
    return cells
