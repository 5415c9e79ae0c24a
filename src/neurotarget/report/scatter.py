"""Volumes of one method against those of another, a panel per label."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurotarget.report.figure import GRID, WIDTH_INCH, finished, look, new_figure, save_png
from neurotarget.report.lettering import estimate, not_estimable, plain
from neurotarget.report.panels import (
    Mark,
    Scale,
    agreement,
    by_sex,
    head,
    legend,
    pair_name,
    pairs,
    points,
    scale,
    scatter,
    shown,
    ticks,
)
from neurotarget.report.text import interval, number
from neurotarget.stats.agreement import icc_a1, pearson
from neurotarget.stats.interval import Estimate
from neurotarget.stats.study import Study

COLUMNS = 4
POINTS, LINE = "#0072B2", "0.45"


@look()
def scatter_figure(study: Study, pair: tuple[str, str] | None = None) -> Figure | None:
    """Second against first method with the line of identity, a panel a label; sexes by marks.

    None where there is one method only, or no case has both volumes.
    """
    pair = pair or next(iter(pairs(study.measured)), None)
    labels = shown(study, pair).labels if pair else []
    if not pair or not labels:
        return None
    columns = _columns(len(labels))
    rows = -(-len(labels) // columns)
    width = {1: 4.0, 2: 5.6}.get(columns, WIDTH_INCH)
    name = pair_name(study.measured, pair, "scatter")
    figure = new_figure(name, width, (width / columns + 0.42) * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    found, shared, marks = agreement(study, pair), scale(study, labels), {}
    for panel, label in zip(panels, labels, strict=False):
        cases = points(study, label, pair)
        marks |= _points(panel, cases, shared)
        lines = _agreement_lines(found, label, len(cases), len(study.measured.covariates))
        head(panel, label, lines, width_inch=width / columns - 0.8)
    for panel in panels[len(labels) :]:
        panel.set_visible(False)
    figure.supxlabel(f"{plain(pair[0])}, {shared.unit}", fontsize=9)
    figure.supylabel(f"{plain(pair[1])}, {shared.unit}", fontsize=9)
    legend(figure, marks)
    return finished(figure)


def _columns(count: int) -> int:
    return count if count <= 3 else 2 if count == 4 else 3


def _points(panel: Axes, cases: pd.DataFrame, shared: Scale) -> dict[str, Mark]:
    both = cases[[0, 1]].to_numpy() / shared.mm3
    margin = 0.06 * (np.ptp(both) or abs(both.max()) or 1.0)
    ends = both.min() - margin, both.max() + margin
    panel.plot(ends, ends, color=GRID, lw=1.2, zorder=1)
    marks = {}
    for name, mark, part in by_sex(cases):
        scatter(panel, part[0] / shared.mm3, part[1] / shared.mm3, mark, part.index)
        marks[name] = mark
    panel.set(xlim=ends, ylim=ends, aspect="equal")
    ticks(panel, "x", 4)
    ticks(panel, "y", 4)
    return marks


def _agreement_lines(found: Mapping, label: str, n: int, of: int) -> list[str]:
    lines = []
    for name, statistic in (("ICC(A,1)", "icc_a1"), ("r", "pearson_r")):
        row = found.get((label, statistic))
        if row is not None and np.isfinite(row["value"]):
            lines.append(f"{name} {estimate(row, 3)}")
        elif row is not None:
            lines.append(f"{name}: {not_estimable(row) or 'not estimable'}")
    return [*lines, f"n = {n}" + (f" ({of - n} without both)" if of > n else "")]


def volume_scatter_png(
    reference: Mapping[str, Sequence[float]],
    predicted: Mapping[str, Sequence[float]],
    path: Path,
    *,
    unit: str = "mm³",
    title: str = "",
) -> None:
    """Draw predicted against reference volumes of each label with the line of identity, as PNG.

    Values of a label run over the same cases in both; cases that lack one are left out and
    counted in the panel's title.

    Raises:
        ValueError: there is no label, or a label has no predictions.
    """
    labels = list(reference)
    if not labels or set(labels) - set(predicted):
        raise ValueError(
            f"volume_scatter_png: got reference of {labels} and predictions of {list(predicted)}, "
            "wanted both of every label"
        )
    columns = min(len(labels), COLUMNS)
    lines = -(-len(labels) // columns)
    figure = Figure(figsize=(3.3 * columns, 3.5 * lines + 0.2), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, label in zip(panels, labels, strict=False):
        _draw(
            panel, label, np.asarray(reference[label], float), np.asarray(predicted[label], float)
        )
    for panel in panels[len(labels) :]:
        panel.set_visible(False)
    figure.supxlabel(f"reference, {unit}", fontsize=10)
    figure.supylabel(f"predicted, {unit}", fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)
    save_png(figure, path)


def _draw(panel: Axes, label: str, truth: np.ndarray, pred: np.ndarray) -> None:
    known = np.isfinite(truth) & np.isfinite(pred)
    missing = len(truth) - int(known.sum())
    truth, pred = truth[known], pred[known]
    both = np.concatenate([truth, pred]) if len(truth) else np.array([0.0, 1.0])
    margin = 0.06 * (np.ptp(both) or 1.0)
    ends = both.min() - margin, both.max() + margin
    panel.plot(ends, ends, color=LINE, lw=1, ls=(0, (4, 3)))
    panel.scatter(truth, pred, s=18, color=POINTS, alpha=0.75, linewidths=0)
    panel.set(xlim=ends, ylim=ends, aspect="equal")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    counted = f", {missing} missing" if missing else ""
    panel.set_title(
        f"{label} (n = {len(truth)}{counted})\n"
        f"{_words('r', pearson(truth, pred))}\n{_words('ICC(A,1)', icc_a1(truth, pred))}",
        fontsize=8,
        loc="left",
        parse_math=False,
    )


def _words(name: str, estimate: Estimate) -> str:
    value, low, high = (None if np.isnan(item) else item for item in estimate[:3])
    return f"{name} {number(value, 3)} {interval(low, high, 3)}".rstrip()
