"""Figures of rows: a name at the left, estimates with intervals, columns of text at the right.

A figure module makes `Row` records; `draw_rows` draws them. Vertical positions are in rows: the
first row of usual height is at 0, the next at 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import GRID, INK, MUTED, SMALL_PT, TEXT_PT
from neurotarget.report.drawing.lettering import PT_PER_INCH, fitted
from neurotarget.report.drawing.panels import Mark, ticks

ROW_INCH = 0.25
LINE_INCH = 0.14  # line height of names
NUMBER_INCH = 0.3  # width of a row's number with the gap after it
EDGE_INCH = 0.1  # margin left of the names
LARGE_PT, SMALL_MARK_PT = 6.0, 4.0  # sizes of markers


class Point(NamedTuple):
    """An estimate with its interval; NaN values are not drawn.

    All three are in the unit of the axis. A hollow marker (`is_filled=False`) stands for an
    estimate that is not significant, or not of this study.
    """

    value: float
    low: float
    high: float
    mark: Mark
    shift: float = 0.0  # downwards from the middle of the row, in rows
    size_pt: float = LARGE_PT
    is_filled: bool = True


class Text(NamedTuple):
    """Small text in a column right of the axes, shortened to the width of the column.

    `column` is the index of the column in the `columns` of `draw_rows`.
    """

    text: str
    column: int = 0
    shift: float = 0.0  # downwards from the middle of the row, in rows
    colour: str = INK
    is_bold: bool = False
    width_inch: float = 0.0  # if not that of the column


class Row(NamedTuple):
    """One row, whose name may have several lines and a number before them.

    A row of `height` 2 takes the space of two rows, for several points with different shifts.
    """

    name: Sequence[str]
    points: Sequence[Point] = ()
    texts: Sequence[Text] = ()
    height: float = 1.0  # in rows
    number: str = ""


class Column(NamedTuple):
    """A column of texts, `at_inch` right of the axes; `head` is written above it."""

    at_inch: float
    width_inch: float
    head: str = ""


class Frame(NamedTuple):
    """Position of the axes in a figure of rows, in inches from its upper left corner."""

    left: float
    top: float
    width: float
    row_inch: float = ROW_INCH


def rows_inch(rows: Sequence[Row], row_inch: float = ROW_INCH) -> float:
    """Return the height in inches of the axes of these rows.

    `row_inch` is the height of a row of height 1.
    """
    return row_inch * sum(row.height for row in rows)


def draw_rows(
    figure: Figure,
    rows: Sequence[Row],
    frame: Frame,
    columns: Sequence[Column] = (),
    *,
    zero: bool = False,
    lines: bool = False,
) -> tuple[Axes, list[float]]:
    """Draw rows in new axes, and return the axes and the middle of each row.

    Args:
        figure: must have no automatic layout.
        rows: rows from top to bottom.
        frame: position of the axes; names are written at the left of the axes.
        columns: places and heads of the columns of text, to which rows refer by index.
        zero: whether the axis must include 0; it includes all intervals in any case.
        lines: whether a line separates rows.
    """
    width, height = figure.get_size_inches()
    tall = rows_inch(rows, frame.row_inch)
    bottom = 1 - (frame.top + tall) / height
    axes = figure.add_axes((frame.left / width, bottom, frame.width / width, tall / height))
    axes.set_ylim(tall / frame.row_inch - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ends = np.cumsum([0.0, *(row.height for row in rows)]) - 0.5
    places = [float(place) for place in (ends[:-1] + ends[1:]) / 2]
    for row, place, top in zip(rows, places, ends, strict=False):
        _write_name(axes, place, row, frame.left)
        for point in row.points:
            draw_point(axes, place + point.shift, point)
        for text in row.texts:
            _write_text(axes, place + text.shift, text, columns[text.column])
        if lines and top > 0:
            axes.axhline(top, color=GRID, lw=0.6, zorder=0)
    for column in columns:
        _write(
            axes, column.head, (1, 1), (column.at_inch, 5 / PT_PER_INCH), colour=MUTED, is_head=True
        )
    points = [point for row in rows for point in row.points]
    fit_width(axes, [value for point in points for value in point[:3]], zero=zero)
    ticks(axes, "x", 5)
    return axes, places


def draw_point(axes: Axes, place: float, point: Point) -> None:
    """Draw the interval and the marker of an estimate at the height `place`, in rows."""
    colour = point.mark.colour
    if np.isfinite(point.low) and np.isfinite(point.high):
        ends = [point.low, point.high]
        axes.plot(ends, [place] * 2, color=colour, lw=0.3 * point.size_pt, zorder=3)
    if np.isfinite(point.value):
        axes.plot(
            [point.value],
            [place],
            ls="none",
            marker=point.mark.marker,
            markersize=point.size_pt,
            markerfacecolor=colour if point.is_filled else "none",
            markeredgecolor=colour,
            markeredgewidth=0.8 if point.is_filled else 1.3,
            clip_on=False,
            zorder=4,
        )


def zero_line(axes: Axes) -> None:
    """Draw a dotted line at zero behind the rows; call it after `draw_rows` with `zero`."""
    axes.axvline(0, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)


def fit_width(axes: Axes, values: Sequence[float], *, zero: bool) -> None:
    """Set limits of the x axis that include the finite values, and 0 if `zero`.

    Without any finite value the limits do not change.
    """
    known = [float(value) for value in values if np.isfinite(value)] + ([0.0] if zero else [])
    if not known:
        return
    low, high = min(known), max(known)
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    axes.set_xlim(low - margin, high + margin)


def write_title(axes: Axes, text: str, left: float, up_pt: float, **style: object) -> None:
    """Write a line above the axes that begins at the left edge of the names.

    Args:
        axes: axes of the rows.
        text: text of one line.
        left: width of the names at the left, in inches, as in `Frame`.
        up_pt: height above the axes, in pt.
        style: `colour`, `size_pt` and `is_bold` of the text.
    """
    at = (EDGE_INCH - left, up_pt / PT_PER_INCH)
    _write(axes, text, (0, 1), at, is_head=True, **style)


def _write_name(axes: Axes, place: float, row: Row, left: float) -> None:
    start = EDGE_INCH - left
    if row.number:
        _write(axes, row.number, (0, place), (start, 0), colour=MUTED, size_pt=TEXT_PT)
        start += NUMBER_INCH
    for order, line in enumerate(row.name):
        up = ((len(row.name) - 1) / 2 - order) * LINE_INCH
        text = fitted(line, -start - 2 * EDGE_INCH, TEXT_PT)
        _write(axes, text, (0, place), (start, up), size_pt=TEXT_PT)


def _write_text(axes: Axes, place: float, text: Text, column: Column) -> None:
    width = text.width_inch or column.width_inch
    style = {"colour": text.colour, "is_bold": text.is_bold}
    shown = fitted(text.text, width, SMALL_PT, bold=text.is_bold)
    _write(axes, shown, (1, place), (column.at_inch, 0), **style)


def _write(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    at_inch: tuple[float, float],
    *,
    colour: str = INK,
    size_pt: float = SMALL_PT,
    is_bold: bool = False,
    is_head: bool = False,
) -> None:
    """Write text next to the axes.

    The place is (share of the width, row), or for a head (share of the width, share of the height).
    """
    axes.annotate(
        text,
        place,
        xycoords="axes fraction" if is_head else ("axes fraction", "data"),
        xytext=[PT_PER_INCH * one for one in at_inch],
        textcoords="offset points",
        fontsize=size_pt,
        fontweight="bold" if is_bold else "normal",
        color=colour,
        va="bottom" if is_head else "center_baseline",
        annotation_clip=False,
    )
