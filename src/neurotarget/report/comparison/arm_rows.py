"""Shared parts of comparison figures: order of arms, fitted names, markers by kind."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import INK, SERIES, TEXT_PT, new_figure
from neurotarget.report.drawing.lettering import fitted, plain, wide_inch
from neurotarget.report.drawing.panels import Mark
from neurotarget.report.drawing.row_figure import (
    LINE_INCH,
    NUMBER_INCH,
    Column,
    Frame,
    Point,
    Row,
    Text,
    draw_rows,
)
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison

KINDS = {
    "net": Mark(SERIES[0], "o", "-"),
    "ensemble": Mark(SERIES[1], "s", (0, (5, 2))),
    "soup": Mark(SERIES[2], "D", (0, (1, 1.2))),
}
OTHER_KIND = Mark(SERIES[3], "^", (0, (3, 1, 1, 1)))
REFERENCE = Mark(INK, "o", "-")
MEAN = "mean"  # value of the column `label` for the mean over labels
WIDTH = 8.05  # inches; width of figures of rows
TOP_INCH, FOOT_INCH = 0.62, 0.6  # above the rows, for the legend and heads; below, for the axis
MOST_NAME_INCH = 2.2
MOST_LINES = 3


class Arm(NamedTuple):
    """An arm as named in every figure; `number` is its rank by Dice, from 1."""

    number: int
    name: str
    kind: str
    learnt: str = ""  # verdict on whether it has learnt, if known

    @property
    def mark(self) -> Mark:
        """Return the marker of its kind."""
        return KINDS.get(self.kind, OTHER_KIND)


def arms_of(comparison: Comparison) -> list[Arm]:
    """Return all arms, best first, as in the table of arms."""
    table = rows_of(comparison, "arms")
    if "arm" not in table:
        return []
    kinds = table["kind"] if "kind" in table else pd.Series("net", index=table.index)
    verdicts = table["learnt"] if "learnt" in table else pd.Series("", index=table.index)
    columns = zip(*(one.astype(str) for one in (table["arm"], kinds, verdicts)), strict=True)
    return [Arm(number, *every) for number, every in enumerate(columns, start=1)]


def main_label(rows: pd.DataFrame, first: Sequence[str] = (MEAN, "total")) -> str:
    """Return the label that summarises the others, or else the first; "" without labels."""
    if "label" not in rows or not len(rows):
        return ""
    known = list(dict.fromkeys(rows["label"].astype(str)))
    return next((name for name in first if name in known), known[0])


def marks_of(arms: Sequence[Arm]) -> dict[str, Mark]:
    """Return the markers for a legend; none where all arms are nets."""
    kinds = dict.fromkeys(arm.kind for arm in arms)
    return {} if set(kinds) <= {"net"} else {kind: KINDS.get(kind, OTHER_KIND) for kind in kinds}


@lru_cache(maxsize=256)  # every figure uses the same names
def name_lines(name: str, width_inch: float = MOST_NAME_INCH) -> tuple[str, ...]:
    """Break a name at commas into at most three lines, and shorten these if needed."""
    parts = [part for part in re.split(r"(?<=,)", plain(name)) if part] or [""]
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines) == MOST_LINES or wide_inch([lines[-1] + part], TEXT_PT) <= width_inch:
            lines[-1] += part
        else:
            lines.append(part)
    return tuple(fitted(line, width_inch, TEXT_PT) for line in lines)


def left_inch(arms: Sequence[Arm]) -> float:
    """Return the width that names and numbers of arms need at the left, in inches."""
    lines = [line for arm in arms for line in name_lines(arm.name)]
    return wide_inch(lines, TEXT_PT) + NUMBER_INCH + 0.32


def least_inch(arms: Sequence[Arm], least: float) -> float:
    """Return the row height for the longest name, in inches."""
    lines = max((len(name_lines(arm.name)) for arm in arms), default=1)
    return max(least, lines * LINE_INCH + 0.06)


def arm_row(
    arm: Arm, points: Sequence[Point] = (), texts: Sequence[Text] = (), height: float = 1.0
) -> Row:
    """Return the row of an arm, with its number and its name."""
    return Row(name_lines(arm.name), points, texts, height, str(arm.number))


def draw_arms(
    name: str,
    rows: Mapping[Arm, Row],
    columns: Sequence[Column],
    *,
    row_inch: float,
    right_inch: float,
    zero: bool = False,
    lines: bool = False,
) -> tuple[Figure, Axes]:
    """Return a figure with one row per arm and room for a legend above, and its axes.

    `row_inch` is the least height of a row, `right_inch` the width of the text at the right.
    """
    arms = list(rows)
    tall, left = least_inch(arms, row_inch), left_inch(arms)
    figure = new_figure(name, WIDTH, TOP_INCH + len(arms) * tall + FOOT_INCH, free=True)
    frame = Frame(left, TOP_INCH, WIDTH - left - right_inch, tall)
    axes, _ = draw_rows(figure, list(rows.values()), frame, columns, zero=zero, lines=lines)
    return figure, axes


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """Draw a legend in one line at the top of a figure."""
    height = figure.get_size_inches()[1]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.005, 1 - 0.05 / height),
        ncols=len(handles),
        columnspacing=1.4,
        borderaxespad=0,
    )


def number_of(row: Mapping, key: str) -> float:
    """Return a value of a row as a number; NaN where there is none."""
    value = row.get(key)
    return float("nan") if value is None or value is pd.NA else float(value)


def known(table: pd.DataFrame, key: str) -> bool:
    """Return whether any row has a value in this column."""
    return key in table and bool(np.isfinite(table[key].astype(float)).any())
