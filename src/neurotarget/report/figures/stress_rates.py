"""Figure of a stress test: change of Dice and failures under each distortion of the scans."""

import pandas as pd
from matplotlib.figure import Figure

from neurotarget.number_text import number
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
from neurotarget.report.text.numbers import estimate, percent

WIDTH, LEFT, AXES = 8.6, 1.4, 2.2  # inches
TOP, FOOT = 0.42, 0.6  # inches
COLUMNS = (
    Column(0.15, 1.6, "change [95 % CI]"),
    Column(1.95, 2.0, "cases with a failed label"),
    Column(3.9, 0.9, "failed labels"),
)
MARK = Mark(SERIES[0], "o", "-")


@look()
def stress_figure(table: pd.DataFrame) -> Figure:
    """Draw the mean change of Dice relative to the undistorted scans, one row per condition.

    The shares of failed cases and of failed labels are written as text. Both are needed: with many
    labels, most cases have some failed label, so the share of failed cases is soon 100 %.

    Args:
        table: table of `studies.stress`, one row per condition: `condition` (baseline stands for
            the undistorted scans), `dice`, `dice_change` with `_low` and `_high`, `n`, `n_failed`,
            and the shares `failed` (with its interval) and `failed_labels`, in [0, 1].
    """
    rows = [_row(row) for row in table.to_dict("records")]
    figure = new_figure("stress", WIDTH, rows_inch(rows) + TOP + FOOT, free=True)
    axes, _ = draw_rows(figure, rows, Frame(LEFT, TOP, AXES), COLUMNS, zero=True)
    axes.grid(axis="x")
    axes.set_xlabel("change of mean Dice", fontsize=TEXT_PT)
    return finished(figure)


def _row(row: dict) -> Row:
    change = Point(*(row[f"dice_change{end}"] for end in ("", "_low", "_high")), MARK)
    rate = {"rate": row["failed"], "low": row["failed_low"], "high": row["failed_high"]}
    texts = [
        Text(_change(row)),
        Text(f"{row['n_failed']} of {row['n']}: {percent(rate)}", column=1),
        Text(f"{number(100 * row['failed_labels'], 1)} %", column=2),
    ]
    return Row([str(row["condition"]).replace("_", " ")], [change], texts)


def _change(row: dict) -> str:
    """Return the Dice of undistorted scans, or of distorted scans its change with the interval."""
    if row["condition"] == "baseline":
        return f"Dice {number(row['dice'], 3)}"
    return estimate(row, "dice_change", stem="dice_change", digits=3, sign=True)
