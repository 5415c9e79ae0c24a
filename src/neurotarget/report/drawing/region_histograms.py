"""Figure of histograms of regions: each case as a thin line, their mean as a thick one."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    SERIES,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)

MOST_ROWS, MOST_COLUMNS, PANEL_INCH = 6, 3, 2.2
BARS = 40
SHOWN = (1, 99)  # percentiles of all cases that the axis covers


@look()
def histograms_figure(table: pd.DataFrame) -> Figure:
    """Draw one panel per contrast with histograms of all regions, from percentiles of each case.

    `table` has the columns case_id, contrast, label, percentile (0 to 100) and value. Thin lines
    are cases; thick lines are their mean. At most 18 contrasts are shown, and as many labels as
    there are colours.
    """
    contrasts = list(dict.fromkeys(table["contrast"]))[: MOST_ROWS * MOST_COLUMNS]
    labels = list(dict.fromkeys(table["label"]))[: len(SERIES)]
    table = table[table["label"].isin(labels)]
    columns = min(len(contrasts), MOST_COLUMNS)
    rows = -(-len(contrasts) // columns)
    width = WIDTH_INCH if columns > 1 else WIDTH_INCH * 0.6
    figure = new_figure("histograms", width, PANEL_INCH * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, contrast in zip(grid.flat, contrasts, strict=False):
        _panel(axes, table[table["contrast"] == contrast], labels)
        axes.set_title(str(contrast))
    for axes in grid.flat[len(contrasts) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("share of voxels, %")
    for axes in grid[-1]:
        axes.set_xlabel("intensity")
    handles = [
        grid[0, 0].plot([], [], color=colour, lw=2, label=str(label))[0]
        for colour, label in zip(SERIES, labels, strict=False)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    return finished(figure)


def _panel(axes: Axes, table: pd.DataFrame, labels: list[str]) -> None:
    inner = table["percentile"].between(*SHOWN)
    low, high = table.loc[inner, "value"].min(), table.loc[inner, "value"].max()
    edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    most = 0
    for colour, label in zip(SERIES, labels, strict=False):
        part = table[table["label"] == label].sort_values("percentile")
        shares = [shares_of(one["value"].to_numpy(), edges) for _, one in part.groupby("case_id")]
        most = max(most, len(shares))
        for one in shares if len(shares) > 1 else ():
            axes.plot(middles, one, color=colour, lw=0.5, alpha=0.35)
        if shares:
            axes.plot(middles, np.mean(shares, axis=0), color=colour, lw=2)
    axes.set_ylim(0)
    axes.grid(color=GRID)
    cases = f"{most} case" + "s" * (most != 1)
    axes.text(1, 1, cases, transform=axes.transAxes, ha="right", va="top", color=INK,
              fontsize=SMALL_PT)  # fmt: skip


def shares_of(
    percentiles: Float[ndarray, " P"], edges: Float[ndarray, " E"]
) -> Float[ndarray, " B"]:
    """Return the share of voxels between edges in %, computed from percentiles of their values.

    Between two percentiles, values are assumed to be spread evenly. Voxels outside the edges are
    not counted, so the sum may be below 100.

    Args:
        percentiles: P evenly spaced percentiles, rising, the first the 0th and the last the 100th.
        edges: E = B + 1 edges of B bars, rising.
    """
    below = np.interp(edges, percentiles, np.linspace(0, 100, len(percentiles)))
    return np.diff(below)
