"""Forest plot of the differences of each arm to the best net, by bootstrap and mixed model."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurotarget.report.comparison.arm_rows import (
    WIDTH,
    Arm,
    arms_of,
    head_column,
    least_inch,
    left_inch,
    main_label,
    name_arm,
    number_of,
    write_column,
)
from neurotarget.report.drawing.figure import (
    INK,
    MUTED,
    SERIES,
    TEXT_PT,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import estimate, fitted
from neurotarget.report.drawing.panels import ticks
from neurotarget.report.drawing.row_figure import Block, block_axes, fit_width
from neurotarget.report.text.numbers import p_value
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.arms.paired import APART, ONE_TRAINING, OTHER_DESIGN
from neurotarget.stats.cohort.learning import NOT_LEARNT

TOP, FOOT, ROW_INCH = 0.62, 0.6, 0.46
RIGHT = 3.0  # inches; width of the text at the right
ESTIMATE_AT, P_AT, TOLD_AT = 0.12, 1.62, 2.22
TEXTS = ("told_apart", "reason")
HEADS = (("difference [95 %]", ESTIMATE_AT), ("p (Holm)", P_AT), ("told apart", TOLD_AT))
METHODS = (("bootstrap", "o", SERIES[0], -0.19), ("mixed model", "s", SERIES[1], 0.19))
SHORT = {ONE_TRAINING: "not testable", OTHER_DESIGN: "not testable"}


class Interval(NamedTuple):
    """An estimate by one method, with its interval."""

    value: float
    low: float
    high: float
    p: float


class Difference(NamedTuple):
    """An arm minus the best net, by bootstrap and by mixed model."""

    arm: Arm
    by: tuple[Interval, Interval]
    apart: str  # yes, no, or the reason for no test
    reason: str


@look()
def differences_figure(comparison: Comparison) -> Figure | None:
    """Draw the mean difference of Dice to the best net; None without estimates."""
    found = to_best(comparison)
    if not any(np.isfinite(one.by[0].value) for one in found):
        return None
    arms = [one.arm for one in found]
    row_inch, left = least_inch(arms, ROW_INCH), left_inch(arms)
    figure = new_figure("differences", WIDTH, TOP + len(found) * row_inch + FOOT, free=True)
    axes = block_axes(figure, Block(left, TOP, WIDTH - left - RIGHT, len(found), row_inch))
    for place, one in enumerate(found):
        _draw(axes, place, one, left)
    ends = [value for one in found for by in one.by for value in by[:3]]
    fit_width(axes, ends, zero=True)
    axes.axvline(0, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    ticks(axes, "x", 5)
    text = f"Dice minus that of {best_net(comparison).name}"
    axes.set_xlabel(fitted(text, WIDTH - left - RIGHT + 1.2, TEXT_PT))
    for text, at in HEADS:
        head_column(axes, text, at=at)
    _legend(figure)
    return finished(figure)


def best_net(comparison: Comparison) -> Arm | None:
    """Return the best trained net that has learnt, with which others are compared."""
    arms = [arm for arm in arms_of(comparison) if arm.learnt != NOT_LEARNT]
    return next((arm for arm in arms if arm.kind == "net"), arms[0] if arms else None)


def to_best(comparison: Comparison, metric: str = "dice") -> list[Difference]:
    """Return every other arm minus the best net, in the arms' order; missing rows are left out."""
    rows, best = rows_of(comparison, "differences", metric=metric), best_net(comparison)
    if not len(rows) or best is None:
        return []
    rows = rows[rows["label"] == main_label(rows)]
    found = []
    for arm in arms_of(comparison):
        ahead = rows[(rows["arm"] == best.name) & (rows["other"] == arm.name)]
        behind = rows[(rows["arm"] == arm.name) & (rows["other"] == best.name)]
        for part, sign in ((ahead, -1), (behind, 1)):
            if len(part):
                found.append(_difference(arm, part.iloc[0], sign))
                break
    return found


def _difference(arm: Arm, row: pd.Series, sign: int) -> Difference:
    by = []
    for value, low, high, p in (
        ("mean_difference", "low", "high", "holm_p"),
        ("model_difference", "model_low", "model_high", "model_holm_p"),
    ):
        ends = [sign * number_of(row, key) for key in (low, high)]
        by.append(Interval(sign * number_of(row, value), *ends[::sign], number_of(row, p)))
    apart, reason = ("" if pd.isna(one := row.get(key)) else str(one) for key in TEXTS)
    return Difference(arm, (by[0], by[1]), apart, reason)


def _draw(axes: Axes, place: int, one: Difference, left: float) -> None:
    name_arm(axes, place, one.arm, left=left)
    for found, (_, marker, colour, down) in zip(one.by, METHODS, strict=True):
        y = place + down
        if not np.isfinite(found.value):
            write_column(axes, y, one.reason or "not estimated", at=ESTIMATE_AT, width=RIGHT - 0.95,
                         color=MUTED)  # fmt: skip
            continue
        if np.isfinite(found.low + found.high):
            axes.plot([found.low, found.high], [y, y], color=colour, lw=1.7, zorder=3)
        axes.plot([found.value], [y], ls="none", marker=marker, markersize=5.5, zorder=4,
                  markerfacecolor=colour if one.apart == APART else "none", markeredgecolor=colour,
                  markeredgewidth=1.3)  # fmt: skip
        text = estimate(found._asdict(), 3, sign=True)
        write_column(axes, y, text, at=ESTIMATE_AT, width=P_AT - ESTIMATE_AT)
        if np.isfinite(found.p):
            write_column(axes, y, p_value(found.p), at=P_AT, width=TOLD_AT - P_AT)
    weight = {"fontweight": "bold"} if one.apart == APART else {"color": MUTED}
    text = SHORT.get(one.apart, one.apart)
    write_column(axes, place, text, at=TOLD_AT, width=RIGHT - TOLD_AT, **weight)


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=5, lw=1.6, label=name)
        for name, marker, colour, _ in METHODS
    ]
    handles += [
        Line2D([], [], ls="none", marker="o", markersize=5.5, color=INK, label="told apart"),
        Line2D([], [], ls="none", marker="o", markersize=5.5, markerfacecolor="none",
               markeredgecolor=INK, label="not told apart"),
    ]  # fmt: skip
    height = figure.get_size_inches()[1]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.005, 1 - 0.05 / height),
                  ncols=4, borderaxespad=0)  # fmt: skip
