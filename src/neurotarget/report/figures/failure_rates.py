"""Figure of failure rates of each method by every definition of failure."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import words
from neurotarget.report.drawing.panels import legend, method_mark, table, ticks
from neurotarget.report.drawing.row_figure import (
    ROW_INCH,
    Block,
    Line,
    block_axes,
    draw_line,
    fit_width,
    name_left,
    write_right,
)
from neurotarget.stats.study.results import Study

WIDTH, LEFT, AXES = 7.5, 2.2, 2.5  # inches
TOP, FOOT, GAP = 0.42, 0.6, 0.35  # inches; GAP between definitions, in rows
RIGHT = 2.6
NAMES = {
    "failed": "failed",
    "crash_or_empty": "crash or empty",
    "dice_below_0.1": "Dice below 0.1",
    "dice_below_0.5": "poor: Dice below 0.5",
    "swapped": "left and right swapped",
    "touches_edge": "touches the edge",
}


@look()
def failures_figure(study: Study) -> Figure | None:
    """Draw the share of failed cases by definition with its interval, one row per method.

    None where no definition could be applied.
    """
    rows = table(study, "failures")
    if not len(rows) or not np.isfinite(rows["rate"].astype(float)).any():
        return None
    order = {name: place for place, name in enumerate(study.measured.methods)}
    rows = rows.sort_values("method", key=lambda names: names.map(order), kind="stable")
    definitions = table(study, "failures")["definition"].unique()
    groups = [_worth(rows[rows["definition"] == name]) for name in definitions]
    count = sum(len(part) for part in groups) + GAP * (len(groups) - 1)
    figure = new_figure("failures", WIDTH, count * ROW_INCH + TOP + FOOT, free=True)
    axes = block_axes(figure, Block(LEFT, TOP, AXES, 1, count * ROW_INCH))
    axes.set_ylim(count - 0.5, -0.5)
    place, ends = 0.0, [0.01]
    for part in groups:
        name = str(part["definition"].iloc[0])
        name = NAMES.get(name, name.replace("_", " "))
        middle = place + (len(part) - 1) / 2
        name_left(axes, middle, name, width_inch=LEFT - 0.3, pad_inch=0.2)
        for _, row in part.iterrows():
            ends += _draw(axes, place, _line(study, row))
            place += 1
        place += GAP
    fit_width(axes, ends, zero=True)
    axes.set_xlim(left=0)
    ticks(axes, "x", 5)
    axes.grid(axis="x")
    axes.set_xlabel("cases, %", fontsize=TEXT_PT)
    _name_methods(figure, study, rows)
    return finished(figure)


def _worth(part: pd.DataFrame) -> pd.DataFrame:
    """Rows of a definition; a single one where it applies to no method for the same reason."""
    known = np.isfinite(part["rate"].astype(float)).any()
    return part if known or part["reason"].nunique() > 1 else part.iloc[:1]


def _draw(axes: Axes, place: float, line: Line) -> list[float]:
    draw_line(axes, place, line)
    faint = not np.isfinite(line.value)
    write_right(axes, place, line.right, at_inch=(0.15,), width_inch=(RIGHT,), faint=faint)
    return [line.value, line.high]


def _line(study: Study, row: pd.Series) -> Line:
    method = str(row["method"])
    mark = method_mark(study.measured, method)
    value, low, high = (100 * float(row[key]) for key in ("rate", "low", "high"))
    if not np.isfinite(value):
        return Line(method, value, low, high, mark, (str(row["reason"] or "not assessed"),))
    ends = f" [{words(low, 1)}, {words(high, 1)}]" if np.isfinite(low + high) else ""
    text = f"{int(row['n_failed'])} of {int(row['n'])}: {words(value, 1)} %{ends}"
    return Line(method, value, low, high, mark, (text,))


def _name_methods(figure: Figure, study: Study, rows: pd.DataFrame) -> None:
    methods = [name for name in study.measured.methods if name in set(rows["method"])]
    legend(figure, {name: method_mark(study.measured, name) for name in methods})
