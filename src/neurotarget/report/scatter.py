"""Predicted against reference volumes, a panel per label."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurotarget.report.figure import save_png
from neurotarget.report.text import interval, number
from neurotarget.stats.agreement import icc_a1, pearson
from neurotarget.stats.interval import Estimate

COLUMNS = 4
POINTS, LINE = "#0072B2", "0.45"


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
