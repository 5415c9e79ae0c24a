"""Figures of rows: name at the left, estimate with its interval, text at the right."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import INK, MUTED, SMALL_PT, TEXT_PT
from neurotarget.report.drawing.lettering import fitted
from neurotarget.report.drawing.panels import Mark

ROW_INCH = 0.25


class Line(NamedTuple):
    """One row; with a value of NaN nothing is drawn, and `right` holds the reason."""

    name: str
    value: float
    low: float
    high: float
    mark: Mark
    right: Sequence[str] = ()  # text of each column at the right
    is_minor: bool = False  # a variant of the row above it
    is_published: bool = False


class Block(NamedTuple):
    """Position of the axes in a figure of rows, in inches from its upper left corner."""

    left: float
    top: float
    width: float
    rows: int
    row_inch: float = ROW_INCH

    @property
    def bottom(self) -> float:
        """Lower end, in inches from the top."""
        return self.top + self.rows * self.row_inch


def block_axes(figure: Figure, block: Block) -> Axes:
    """Return axes with a position for every row, the first at the top."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        (
            block.left / width,
            1 - block.bottom / height,
            block.width / width,
            block.rows * block.row_inch / height,
        )
    )
    axes.set_ylim(block.rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return axes


def draw_line(axes: Axes, place: float, line: Line) -> None:
    """Draw interval and marker of a row; a published value is a hollow diamond."""
    mark = line.mark
    if np.isfinite(line.low) and np.isfinite(line.high):
        axes.plot(
            [line.low, line.high],
            [place] * 2,
            color=mark.colour,
            lw=1.0 if line.is_minor else 1.8,
            zorder=3,
        )
    if np.isfinite(line.value):
        axes.plot(
            [line.value],
            [place],
            ls="none",
            marker="d" if line.is_published else mark.marker,
            markersize=8 if line.is_published else 4 if line.is_minor else 6,
            markerfacecolor="none" if line.is_published else mark.colour,
            markeredgecolor=mark.colour,
            markeredgewidth=1.4 if line.is_published else 0.8,
            clip_on=False,
            zorder=4,
        )


def name_left(axes: Axes, place: float, text: str, *, width_inch: float, pad_inch: float) -> None:
    """Write the name of a row left of its axes, left-aligned."""
    axes.annotate(
        fitted(text, width_inch, TEXT_PT),
        (0, place),
        xycoords=("axes fraction", "data"),
        xytext=(-72 * (width_inch + pad_inch), 0),
        textcoords="offset points",
        fontsize=TEXT_PT,
        va="center_baseline",
        annotation_clip=False,
    )


def write_right(
    axes: Axes,
    place: float,
    texts: Sequence[str],
    *,
    at_inch: Sequence[float],
    width_inch: Sequence[float],
    faint: bool = False,
) -> None:
    """Write the text of a row in columns right of its axes."""
    for text, at, width in zip(texts, at_inch, width_inch, strict=False):
        axes.annotate(
            fitted(text, width, SMALL_PT),
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(72 * at, 0),
            textcoords="offset points",
            fontsize=SMALL_PT,
            color=MUTED if faint else INK,
            va="center_baseline",
            annotation_clip=False,
        )


def fit_width(axes: Axes, values: Sequence[float], *, zero: bool) -> None:
    """Set limits that include the values, and zero if requested."""
    known = [float(value) for value in values if np.isfinite(value)] + ([0.0] if zero else [])
    if not known:
        return
    low, high = min(known), max(known)
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    axes.set_xlim(low - margin, high + margin)
