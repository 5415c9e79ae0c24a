"""Figure of a stress test: failures and change of Dice under each distortion of the scans."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import SERIES, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.panels import Mark
from neurotarget.report.drawing.row_figure import (
    Column,
    Frame,
    Point,
    Row,
    Text,
    draw_rows,
    rows_inch,
)

WIDTH, LEFT, AXES = 7.5, 1.5, 2.4  # inches
TOP, FOOT = 0.42, 0.6  # inches
COLUMNS = (Column(0.15, 1.2, "cases failed"), Column(1.6, 1.6, "change of Dice"))
MARK = Mark(SERIES[0], "o", "-")


@look()
def stress_figure(table: pd.DataFrame) -> Figure:
    """Draw the share of failed cases with its interval, one row a condition.

    `table` is that of `studies.stress`; each row ends with the mean change of Dice from the scans
    as they are.
    """
    rows = [_row(row) for row in table.to_dict("records")]
    figure = new_figure("stress", WIDTH, rows_inch(rows) + TOP + FOOT, free=True)
    axes, _ = draw_rows(figure, rows, Frame(LEFT, TOP, AXES), COLUMNS, zero=True)
    axes.set_xlim(0, 100)
    axes.grid(axis="x")
    axes.set_xlabel("cases failed, %, and 95 % interval", fontsize=TEXT_PT)
    return finished(figure)


def _row(row: dict) -> Row:
    failed = Point(*(100 * row[key] for key in ("failed", "failed_low", "failed_high")), MARK)
    texts = [Text(f"{row['n_failed']} of {row['n']}"), Text(_change(row), column=1)]
    return Row([str(row["condition"]).replace("_", " ")], [failed], texts)


def _change(row: dict) -> str:
    """Dice of the scans as they are, or its change with the interval where there is one."""
    if row["condition"] == "baseline":
        return f"Dice {row['dice']:.3f}"
    ends = row["dice_change_low"], row["dice_change_high"]
    interval = f" ({ends[0]:+.3f} to {ends[1]:+.3f})" if np.isfinite(ends).all() else ""
    return f"{row['dice_change']:+.3f}{interval}".replace("-", "−")
