"""Calibration figure: observed share over predicted probability, with all probabilities below."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    MUTED,
    SERIES,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.panels import PanelLabels, head
from neurotarget.report.outcome_figures.class_panels import (
    class_panels,
    mark_shares,
    separable_labels,
)
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.outcome_texts import class_text
from neurotarget.report.text.sentences import records
from neurotarget.stats.cohort.predicted_classes import Sample
from neurotarget.stats.core.calibration_fit import smooth_calibration
from neurotarget.stats.study.results import Study

MOST_PANELS, COLUMNS = 6, 3
FEWEST_SMOOTHED = 30  # cases for a smooth curve
BARS = 20  # bars of the histogram
PANEL_INCH, ONE_INCH = 3.6, 4.2


@look()
def calibration_figure(study: Study) -> Figure | None:
    """Draw bins with Wilson's intervals, a smooth curve and a histogram; None without predictions.

    The histogram counts positive cases upwards and negative cases downwards. The curve needs at
    least 30 cases and 30 distinct probabilities. Only the first six labels that have both positive
    and negative cases have a panel.

    The figure reads the tables `calibration_bins` and `calibration`; the curve is computed here.

    Source: Austin and Steyerberg 2014, doi:10.1002/sim.5941 (curve); Wilson 1927,
    doi:10.1080/01621459.1927.10502953 (intervals).
    """
    shown = list(separable_labels(study).items())[:MOST_PANELS]
    if not shown:
        return None
    columns = min(len(shown), COLUMNS)
    lines = -(-len(shown) // columns)
    width = ONE_INCH if columns == 1 else WIDTH_INCH
    figure = new_figure("calibration", width, (PANEL_INCH + (columns == 1) * 0.9) * lines)
    grid = figure.subplots(
        2 * lines, columns, squeeze=False, sharex=True, height_ratios=[3.2, 1] * lines
    )
    for place, (label, sample) in enumerate(shown):
        line, column = divmod(place, columns)
        _curve(grid[2 * line, column], study, label, sample, width / columns - 0.9)
        _histogram(grid[2 * line + 1, column], sample)
    for place in range(len(shown), lines * columns):
        line, column = divmod(place, columns)
        for axes in grid[2 * line : 2 * line + 2, column]:
            axes.set_visible(False)
    return finished(figure)


def calibration_labels(study: Study) -> PanelLabels:
    """Return the labels with a panel, and the number of labels left out.

    Labels without positive or without negative cases are not counted.
    """
    return class_panels(study, MOST_PANELS)


def _curve(axes: Axes, study: Study, label: str, sample: Sample, width_inch: float) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    if len(sample.y) >= FEWEST_SMOOTHED and len(np.unique(sample.p)) >= FEWEST_SMOOTHED:
        axes.plot(*smooth_calibration(sample.p, sample.y), color=SERIES[0], lw=1.8, zorder=3)
    for row in records(study, "calibration_bins", label=label):
        place = [row["probability"]] * 2
        axes.plot(place, [row["low"], row["high"]], color=INK, lw=1.2, zorder=4, clip_on=False)
        axes.plot(place[:1], [row["observed"]], ls="none", marker="o", markersize=5, color=INK,
                  zorder=5, clip_on=False)  # fmt: skip
    rows = {row["statistic"]: row for row in records(study, "calibration", label=label,
                                                       stratum="all")}  # fmt: skip
    head(axes, class_text(study, label), _lines(rows), width_inch=width_inch)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="observed share")
    mark_shares(axes.yaxis)
    axes.grid(color=GRID, lw=0.6)


def _lines(rows: Mapping[str, Mapping]) -> Sequence[str]:
    parts = {"slope": "calibration_slope", "intercept": "calibration_intercept"}
    return [
        f"{name} {estimate(rows.get(key, {}), digits=2, sign=name == 'intercept')}"
        for name, key in parts.items()
    ]


def _histogram(axes: Axes, sample: Sample) -> None:
    edges = np.linspace(0, 1, BARS + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, 0.85 / BARS
    for flag, sign, colour in ((1, 1, SERIES[1]), (0, -1, SERIES[0])):
        counts = np.histogram(sample.p[sample.y == flag], edges)[0]
        axes.bar(middles, sign * counts, width, color=colour, lw=0)
    axes.axhline(0, color=MUTED, lw=0.7)
    most = max(np.histogram(sample.p, edges)[0].max(), 1)
    axes.set_ylim(-1.05 * most, 1.05 * most)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1)
    mark_shares(axes.xaxis)
    axes.set_xlabel("predicted probability")
    for place, text, align in ((1, "positive", "left"), (0, "negative", "right")):
        axes.text(1 - place, 0.08 + 0.84 * place, text, transform=axes.transAxes,
                  fontsize=SMALL_PT, ha=align, va="center", color=MUTED)  # fmt: skip
