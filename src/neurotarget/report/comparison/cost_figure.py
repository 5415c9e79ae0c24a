"""Figure of Dice against costs: arms as numbers, with their names below.

Points of many arms lie close to each other, so each number is put at the nearest free place around
its point, with a line to it if that is far.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from numpy import ndarray

from neurotarget.report.comparison.arm_rows import (
    Arm,
    arms_of,
    known,
    marks_of,
    number_of,
)
from neurotarget.report.drawing.figure import (
    MUTED,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, wide_inch
from neurotarget.report.drawing.panels import legend, ticks
from neurotarget.report.drawing.row_figure import LINE_INCH
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison

PANEL_INCH = 2.75  # height
LOG_FROM = 8.0  # ratio of largest to smallest cost from which an axis is logarithmic
# largest ratio, and digits with a tick up to it
STEPS = ((60, (1.0, 2.0, 5.0)), (3000, (1.0, 3.0)), (np.inf, (1.0,)))
SAME = 1.01  # largest ratio of costs that count as equal, such as limited times
TRIES = 24  # directions that are tried for a number around its point
RADII = (11, 15, 20, 27)  # distances that are tried, in pt


class Cost(NamedTuple):
    """A column of the table of arms, with axis label and unit.

    Values of the column are divided by `per_unit` to get the unit of the label.
    """

    key: str
    name: str
    per_unit: float = 1.0


COSTS = (
    Cost("parameters", "parameters, millions", 1e6),
    Cost("step_s", "training step, s"),
    Cost("train_s", "training, min", 60.0),
    Cost("predict_s_per_case", "prediction, s per case"),
)


@look()
def cost_figure(comparison: Comparison) -> Figure | None:
    """Draw the score over parameters and times of a step, training and prediction, one panel each.

    A number next to each point names its arm in the key below; bars are the interval of the score.
    None where no known cost differs between two arms with a score.

    It reads the table `arms`, whose costs are means over the runs of the arm.
    """
    costs = costs_of(comparison)
    if not costs:
        return None
    arms = arms_of(comparison)
    columns, rows = min(len(costs), 2), -(-len(costs) // 2)
    column_inch = _key_width(arms)
    per_row = max(int((WIDTH_INCH - 0.2) // column_inch), 1)
    key_rows = -(-len(arms) // per_row)
    below = 0.25 + (LINE_INCH + 0.03) * key_rows
    height = 0.25 + PANEL_INCH * rows + below
    figure = new_figure("costs", WIDTH_INCH if columns == 2 else 5.2, height, free=True)
    width = figure.get_size_inches()[0]
    panel_width = (width - 0.25 - 0.62 * columns) / columns
    for number, cost in enumerate(costs):
        x = 0.62 + (number % columns) * (panel_width + 0.62)
        y = 0.25 + PANEL_INCH * (number // columns)
        axes = figure.add_axes(
            (x / width, 1 - (y + PANEL_INCH - 0.6) / height, panel_width / width,
             (PANEL_INCH - 0.6) / height)
        )  # fmt: skip
        _panel(axes, comparison, cost, (panel_width, PANEL_INCH - 0.6))
    _key(figure, arms, column_inch=column_inch, per_row=per_row, below=below)
    legend(figure, marks_of(arms))
    return finished(figure)


def costs_of(comparison: Comparison) -> list[Cost]:
    """Return the costs that differ by more than 1 % between arms with a score.

    Training times that a limit made equal differ by less.
    """
    table = rows_of(comparison, "arms")
    metric = comparison.headline.metric
    if not known(table, metric):
        return []
    table = table[np.isfinite(table[metric].astype(float))]
    columns = {cost: table[cost.key].astype(float) for cost in COSTS if known(table, cost.key)}
    return [cost for cost, values in columns.items() if values.max() > SAME * values.min()]


def unknown_costs(comparison: Comparison) -> int:
    """Return the number of arms that lack at least one of the costs in the figure."""
    table, costs = rows_of(comparison, "arms"), costs_of(comparison)
    keys = [cost.key for cost in costs]
    return int((~np.isfinite(table[keys].astype(float))).any(axis=1).sum()) if keys else 0


def _panel(axes: Axes, comparison: Comparison, cost: Cost, size_inch: tuple[float, float]) -> None:
    table = rows_of(comparison, "arms").set_index("arm")
    places, arms, metric = [], [], comparison.headline.metric
    for arm in arms_of(comparison):
        row = table.loc[arm.name]
        x, y = number_of(row, cost.key) / cost.per_unit, number_of(row, metric)
        if not np.isfinite(x + y):
            continue
        ends = [number_of(row, key) for key in (f"{metric}_low", f"{metric}_high")]
        if np.isfinite(sum(ends)):
            axes.plot([x, x], ends, color=arm.mark.colour, lw=1.0, alpha=0.6, zorder=2)
        axes.plot([x], [y], ls="none", marker=arm.mark.marker, markersize=5.5,
                  color=arm.mark.colour, zorder=4)  # fmt: skip
        places.append((x, y))
        arms.append(arm)
    _axis(axes, [x for x, _ in places])
    axes.set_xlabel(cost.name)
    axes.set_ylabel(comparison.headline.title)
    ticks(axes, "y", 5)
    axes.grid()
    axes.margins(y=0.12)
    _number(axes, np.array(places), arms, size_inch)


def _axis(axes: Axes, values: Sequence[float]) -> None:
    """Scale the axis, logarithmic for a large ratio, with room for numbers at both ends."""
    low, high = min(values), max(values)
    if low <= 0 or high / low < LOG_FROM:
        margin = 0.12 * ((high - low) or high or 1.0)
        axes.set_xlim(low - margin, high + margin)
        ticks(axes, "x", 5)
        return
    axes.set_xscale("log")
    margin = (high / low) ** 0.1
    axes.set_xlim(low / margin, high * margin)
    steps = next(steps for most, steps in STEPS if high / low < most)
    ticks_at = LogLocator(subs=steps, numticks=50).tick_values(low / margin, high * margin)
    inside = [value for value in ticks_at if low / margin <= value <= high * margin]
    axes.xaxis.set_major_locator(FixedLocator(inside))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _number(
    axes: Axes,
    places: Float[ndarray, "N 2"],
    arms: Sequence[Arm],
    size_inch: tuple[float, float],
) -> None:
    """Write each arm's number next to its point without covering other points or numbers."""
    points = 72 * _in_inches(axes, places, size_inch)
    taken = [(x, y, 4.5) for x, y in points]  # positions and radii
    inside = 72 * np.array(size_inch)
    for (x, y), arm, value in zip(points, arms, places, strict=True):
        offset = _free(np.array([x, y]), taken, inside)
        taken.append((*(np.array([x, y]) + offset), 6.0))
        axes.annotate(
            str(arm.number), value, xytext=offset, textcoords="offset points", fontsize=SMALL_PT,
            ha="center", va="center", annotation_clip=False, zorder=5,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": MUTED, "shrinkA": 0, "shrinkB": 2}
            if np.hypot(*offset) > RADII[0] + 1 else None,
        )  # fmt: skip


def _in_inches(
    axes: Axes, places: Float[ndarray, "N 2"], size_inch: tuple[float, float]
) -> Float[ndarray, "N 2"]:
    shares = axes.transAxes.inverted().transform(axes.transData.transform(places))
    return shares * np.array(size_inch)


def _free(
    at: Float[ndarray, " 2"],
    taken: Sequence[tuple[float, float, float]],
    inside: Float[ndarray, " 2"],
) -> Float[ndarray, " 2"]:
    """Return the nearest free offset in pt inside the panel."""
    others = np.array(taken)
    angles = np.pi / 4 + 2 * np.pi * np.arange(TRIES) / TRIES  # upper right first
    best, least = np.array([0.0, RADII[0]]), np.inf
    for radius in RADII:
        for angle in angles:
            offset = radius * np.array([np.cos(angle), np.sin(angle)])
            spot = at + offset
            gaps = np.hypot(*(others[:, :2] - spot).T) - others[:, 2] - 5.0
            outside = np.maximum(5 - spot, spot - inside + 5).clip(0).sum()
            cost = (-gaps).clip(0).sum() + 5 * outside
            if cost < 1e-9:
                return offset
            if cost < least:
                best, least = offset, cost
    return best


def _key_width(arms: Sequence[Arm]) -> float:
    names = [f"{arm.number}  {arm.name}" for arm in arms]
    return min(wide_inch(names, SMALL_PT), WIDTH_INCH - 0.5) + 0.3


def _key(
    figure: Figure, arms: Sequence[Arm], *, column_inch: float, per_row: int, below: float
) -> None:
    """Write the key of numbers and names, in rows at the bottom."""
    width, height = figure.get_size_inches()
    for place, arm in enumerate(arms):
        x = 0.15 + (place % per_row) * column_inch
        y = below - 0.2 - (LINE_INCH + 0.03) * (place // per_row)
        text = fitted(f"{arm.number}  {arm.name}", column_inch - 0.1, SMALL_PT)
        figure.text(x / width, y / height, text, fontsize=SMALL_PT, va="center")
