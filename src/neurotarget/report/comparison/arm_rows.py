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
    """An arm as named in every figure; `number` is its rank by the headline score, from 1.

    `kind` is net, ensemble (mean of predictions), soup (mean of weights) or another word.
    """

    number: int
    name: str
    kind: str
    learnt: str = ""  # verdict on whether it has learnt, if known

    @property
    def mark(self) -> Mark:
        """Return the marker of its kind; unknown kinds share one marker."""
        return KINDS.get(self.kind, OTHER_KIND)


def arms_of(comparison: Comparison) -> list[Arm]:
    """Return all arms, best first, as in the table of arms; empty without that table.

    An arm without a kind in the table counts as a net.

    Columns that are read: `arm`, `kind` and `learnt`, of which only the first must exist.
    """
    table = rows_of(comparison, "arms")
    if "arm" not in table:
        return []
    kinds = table["kind"] if "kind" in table else pd.Series("net", index=table.index)
    verdicts = table["learnt"] if "learnt" in table else pd.Series("", index=table.index)
    columns = zip(*(one.astype(str) for one in (table["arm"], kinds, verdicts)), strict=True)
    return [Arm(number, *every) for number, every in enumerate(columns, start=1)]


def main_label(rows: pd.DataFrame, first: Sequence[str] = (MEAN, "total")) -> str:
    """Return the label that summarises all labels, or else the first; "" without labels.

    Args:
        rows: part of a table with a column `label`.
        first: names of the summary, the preferred one first: Dice has a mean over labels, volumes
            have a total.
    """
    if "label" not in rows or not len(rows):
        return ""
    known = list(dict.fromkeys(rows["label"].astype(str)))
    return next((name for name in first if name in known), known[0])


def marks_of(arms: Sequence[Arm]) -> dict[str, Mark]:
    """Return the markers for a legend by kind, in the arms' order; none where all are nets."""
    kinds = dict.fromkeys(arm.kind for arm in arms)
    return {} if set(kinds) <= {"net"} else {kind: KINDS.get(kind, OTHER_KIND) for kind in kinds}


@lru_cache(maxsize=256)  # every figure uses the same names
def name_lines(name: str, width_inch: float = MOST_NAME_INCH) -> tuple[str, ...]:
    """Break a name at commas into at most three lines, and shorten these to `width_inch` if needed.

    Names of arms list settings, such as `model=unet, loss=dice`, so a break at a comma keeps each
    setting whole.
    """
    parts = [part for part in re.split(r"(?<=,)", plain(name)) if part] or [""]
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines) == MOST_LINES or wide_inch([lines[-1] + part], TEXT_PT) <= width_inch:
            lines[-1] += part
        else:
            lines.append(part)
    return tuple(fitted(line, width_inch, TEXT_PT) for line in lines)


def left_inch(arms: Sequence[Arm]) -> float:
    """Return the width in inches that names and numbers of arms need at the left.

    It depends on the names alone, so figures of the same arms have their axes at the same place.
    """
    lines = [line for arm in arms for line in name_lines(arm.name)]
    return wide_inch(lines, TEXT_PT) + NUMBER_INCH + 0.32


def least_inch(arms: Sequence[Arm], least: float) -> float:
    """Return the row height in inches for the name with the most lines, and at least `least`."""
    lines = max((len(name_lines(arm.name)) for arm in arms), default=1)
    return max(least, lines * LINE_INCH + 0.06)


def arm_row(
    arm: Arm, points: Sequence[Point] = (), texts: Sequence[Text] = (), height: float = 1.0
) -> Row:
    """Return the row of an arm, with its number and its name.

    `height` is in the unit of the frame: 1.0 for rows of equal height, inches where rows differ.
    """
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

    The y axis counts rows from 0 at the top, so marks of an arm are drawn at its place in `rows`.

    Args:
        name: of the figure, unique on the page.
        rows: what is drawn in the row of each arm, top to bottom.
        columns: columns of text to the right of the axes.
        row_inch: least height of a row; names of several lines need more.
        right_inch: width of the text at the right.
        zero: whether the axis must include 0.
        lines: whether a line separates rows.
    """
    arms = list(rows)
    tall, left = least_inch(arms, row_inch), left_inch(arms)
    figure = new_figure(name, WIDTH, TOP_INCH + len(arms) * tall + FOOT_INCH, free=True)
    frame = Frame(left, TOP_INCH, WIDTH - left - right_inch, tall)
    axes, _ = draw_rows(figure, list(rows.values()), frame, columns, zero=zero, lines=lines)
    return figure, axes


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """Draw a legend in one line at the top of a figure, in the room that `draw_arms` leaves."""
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
    """Return a value of a row as a number; NaN where it is undefined or has no column."""
    value = row.get(key)
    return float("nan") if value is None or value is pd.NA else float(value)


def known(table: pd.DataFrame, key: str) -> bool:
    """Return whether the column exists and any row has a finite value in it."""
    return key in table and bool(np.isfinite(table[key].astype(float)).any())
