"""Bland-Altman figure: differences of two methods against their mean, one panel per label.

The solid line is the bias, and the dashed lines are the limits of agreement, each with its 95 %
interval as a band. Their values are at the right of each panel.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.number_text import number
from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    MUTED,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
)
from neurotarget.report.drawing.lettering import PT_PER_INCH, plain
from neurotarget.report.drawing.panels import (
    Mark,
    PanelLabels,
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
    spread_apart,
    ticks,
)
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.sentences import agreement_rows
from neurotarget.stats.study.results import Study

LINES = {"upper_limit": "upper limit", "bias": "bias", "lower_limit": "lower limit"}
PANEL_INCH = 1.75  # height of the axes
ONE_INCH, TWO_INCH = 4.6, WIDTH_INCH  # width with one column and with two columns


@look()
def bland_altman_figure(study: Study, pair: tuple[str, str] | None = None) -> Figure | None:
    """Draw second minus first method against their mean, with bias and limits of agreement.

    The slope of the differences is drawn where its interval excludes 0. `pair` is by default the
    first pair of the study, whose first method is the reference if there is a reference. Returns
    None with only one method, or without any estimated bias.

    The figure reads the table `agreement`: bias, limits and slope, each with its interval.

    Source: Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8.
    """
    pair = pair or next(iter(pairs(study.measured)), None)
    labels = bland_altman_labels(study, pair).labels if pair else []
    if not pair or not labels:
        return None
    columns = min(len(labels), 2)
    width = ONE_INCH if columns == 1 else TWO_INCH
    name = pair_name(study.measured, pair, "bland_altman")
    size = {"width_inch": width, "row_inch": PANEL_INCH + 0.6, "margin_inch": 0.6}
    figure, panels = panel_grid(name, len(labels), columns, **size)
    agreement, shared, marks = agreement_rows(study, *pair), scale(study, labels), {}
    for panel, label in zip(panels, labels, strict=True):
        known = {name: row for (of, name), row in agreement.items() if of == label}
        marks |= _draw(panel, points(study, label, pair), known, shared)
        head(panel, label, [_slope_text(known)], width_inch=width / columns - 0.85)
    first, second = (plain(name) for name in pair)
    figure.supxlabel(shared.title(f"mean of {first} and {second}"), fontsize=9)
    figure.supylabel(shared.title(f"{second} − {first}"), fontsize=9)
    legend(figure, marks)
    return finished(figure)


def bland_altman_labels(study: Study, pair: tuple[str, str]) -> PanelLabels:
    """Choose the labels of the scatter figure whose bias and limits could be estimated."""
    agreement, known = agreement_rows(study, *pair), panel_labels(study, pair)
    return PanelLabels(
        [label for label in known.labels if _is_known(agreement, label)], known.left_out
    )


def _is_known(agreement: Mapping, label: str) -> bool:
    rows = [agreement.get((label, name)) for name in LINES]
    return all(row is not None and np.isfinite(row["value"]) for row in rows)


def _draw(panel: Axes, cases: pd.DataFrame, known: Mapping, shared: Scale) -> dict[str, Mark]:
    means = cases[[0, 1]].mean(axis=1) / shared.size
    differences = (cases[1] - cases[0]) / shared.size
    marks = {}
    for name, mark, part in by_sex(cases):
        scatter(panel, means[part.index], differences[part.index], mark, part.index)
        marks[name] = mark
    margin = 0.06 * (np.ptp(means) or abs(means.iloc[0]) or 1.0)
    ends = means.min() - margin, means.max() + margin
    panel.axhline(0, color=GRID, lw=1.2, zorder=0)
    scaled = {name: _in_unit(known[name], shared) for name in LINES}
    for name, row in scaled.items():
        panel.axhline(
            row["value"],
            color=INK if name == "bias" else MUTED,
            lw=1.3 if name == "bias" else 1.0,
            ls="-" if name == "bias" else (0, (5, 3)),
            zorder=2,
        )
        if np.isfinite(row["low"]) and np.isfinite(row["high"]):
            panel.axhspan(row["low"], row["high"], color=MUTED, alpha=0.16, lw=0, zorder=1)
    slope = known.get("proportional_slope")
    if slope is not None and (slope["low"] > 0 or slope["high"] < 0):
        rise = (np.array(ends) - means.mean()) * slope["value"]
        panel.plot(ends, differences.mean() + rise, color=INK, lw=1.2, ls=(0, (1, 1.5)), zorder=4)
    panel.set_xlim(ends)
    _set_heights(panel, differences, scaled)
    _write_lines(panel, scaled)
    ticks(panel, "x", 4)
    ticks(panel, "y", 5)
    return marks


def _in_unit(row: Mapping, shared: Scale) -> dict[str, float]:
    return {key: float(row[key]) / shared.size for key in ("value", "low", "high")}


def _set_heights(panel: Axes, differences: pd.Series, scaled: Mapping) -> None:
    heights = [*differences, 0.0, *(row[key] for row in scaled.values() for key in row)]
    low, high = np.nanmin(heights), np.nanmax(heights)
    margin = 0.05 * ((high - low) or 1.0)
    panel.set_ylim(low - margin, high + margin)


def _write_lines(panel: Axes, scaled: Mapping) -> None:
    """Write the values of the three lines at the right, moved apart where they overlap."""
    low, high = panel.get_ylim()
    line = 2.5 * SMALL_PT / PT_PER_INCH / PANEL_INCH  # two lines of text, as a share of the height
    shares = [(row["value"] - low) / (high - low) for row in scaled.values()]
    for (name, row), place in zip(
        scaled.items(), spread_apart(shares, line, line / 2, 1 - line / 2), strict=True
    ):
        value, _, rest = estimate(row, sign=True).partition(" ")
        panel.text(
            1.02,
            place,
            f"{LINES[name]} {value}\n{rest}".rstrip(),
            transform=panel.transAxes,
            fontsize=SMALL_PT,
            va="center",
            linespacing=1.15,
        )


def _slope_text(known: Mapping) -> str:
    slope, bias = known.get("proportional_slope"), known["bias"]
    text = f"n = {int(bias['n'])}"
    percent = known.get("bias_percent")
    if percent is not None and np.isfinite(percent["value"]):
        text += f" · bias {number(percent['value'], 1, sign=True)} %"
    if slope is not None and (slope["low"] > 0 or slope["high"] < 0):
        text += f" · slope {estimate(slope, digits=2, sign=True)}"
    return text
