"""Scatter figure of values by one method against those by another, one panel per label.

Axes are equal, so that the identity line is the diagonal.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import GRID, INK, WIDTH_INCH, finished, look
from neurotarget.report.drawing.lettering import plain
from neurotarget.report.drawing.panels import (
    Mark,
    Scale,
    by_sex,
    head,
    legend,
    pair_name,
    pairs,
    panel_grid,
    panel_labels,
    points,
    scale,
    scatter,
    ticks,
)
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.sentences import agreement_rows
from neurotarget.stats.study.results import Study


@look()
def scatter_figure(study: Study, pair: tuple[str, str] | None = None) -> Figure | None:
    """Draw second against first method, with the identity line and the regression line.

    Sexes differ by marker. The regression is Deming's, as both methods have errors. A slope below 1
    means that values by the second method shrink towards the mean. `pair` is by default the first
    pair of the study. Returns None with only one method, or where no case has both values.

    The figure reads the table `agreement`: ICC(A,1), Pearson's r and the slope are above each
    panel.
    """
    pair = pair or next(iter(pairs(study.measured)), None)
    labels = panel_labels(study, pair).labels if pair else []
    if not pair or not labels:
        return None
    columns = 2 if len(labels) == 4 else min(len(labels), 3)
    width = {1: 4.0, 2: 5.6}.get(columns, WIDTH_INCH)
    name = pair_name(study.measured, pair, "scatter")
    size = {"width_inch": width, "row_inch": width / columns + 0.42}
    figure, panels = panel_grid(name, len(labels), columns, **size)
    agreement, shared, marks = agreement_rows(study, *pair), scale(study, labels), {}
    for panel, label in zip(panels, labels, strict=True):
        cases = points(study, label, pair)
        marks |= _points(panel, cases, shared)
        _slope(panel, agreement, label, shared)
        lines = _agreement_lines(agreement, label, len(cases), len(study.measured.covariates))
        head(panel, label, lines, width_inch=width / columns - 0.8)
    figure.supxlabel(shared.title(f"{plain(pair[0])}"), fontsize=9)
    figure.supylabel(shared.title(f"{plain(pair[1])}"), fontsize=9)
    legend(figure, marks)
    return finished(figure)


def _points(panel: Axes, cases: pd.DataFrame, shared: Scale) -> dict[str, Mark]:
    both = cases[[0, 1]].to_numpy() / shared.size
    margin = 0.06 * (np.ptp(both) or abs(both.max()) or 1.0)
    ends = both.min() - margin, both.max() + margin
    panel.plot(ends, ends, color=GRID, lw=1.2, zorder=1)
    marks = {}
    for name, mark, part in by_sex(cases):
        scatter(panel, part[0] / shared.size, part[1] / shared.size, mark, part.index)
        marks[name] = mark
    panel.set(xlim=ends, ylim=ends, aspect="equal")
    ticks(panel, "x", 4)
    ticks(panel, "y", 4)
    return marks


def _slope(panel: Axes, agreement: Mapping, label: str, shared: Scale) -> None:
    """Draw Deming's regression line of the second method on the first, across the panel."""
    slope, start = (agreement.get((label, f"reference_{of}")) for of in ("slope", "intercept"))
    if slope is None or start is None or not np.isfinite([slope["value"], start["value"]]).all():
        return
    ends = np.array(panel.get_xlim())
    heights = start["value"] / shared.size + slope["value"] * ends
    panel.plot(ends, heights, color=INK, lw=1.2, ls=(0, (1, 1.5)), zorder=2, scalex=False,
               scaley=False)  # fmt: skip


def _agreement_lines(agreement: Mapping, label: str, n: int, of: int) -> list[str]:
    lines = []
    for name, statistic in (
        ("ICC(A,1)", "icc_a1"), ("r", "pearson_r"), ("slope", "reference_slope")
    ):  # fmt: skip
        row = agreement.get((label, statistic))
        if row is not None and np.isfinite(row["value"]):
            lines.append(f"{name} {estimate(row, digits=3)}")
        elif row is not None:
            lines.append(f"{name}: {row['reason'] or 'not estimable'}")
    return [*lines, f"n = {n}" + (f" ({of - n} without both)" if of > n else "")]
