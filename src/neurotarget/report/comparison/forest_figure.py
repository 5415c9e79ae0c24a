"""Forest plot of the differences of each arm to the best net, by bootstrap and mixed model."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurotarget.report.comparison.arm_rows import (
    WIDTH,
    Arm,
    arm_row,
    arms_of,
    draw_arms,
    left_inch,
    legend_above,
    main_label,
    number_of,
)
from neurotarget.report.drawing.figure import INK, MUTED, SERIES, TEXT_PT, finished, look
from neurotarget.report.drawing.lettering import fitted
from neurotarget.report.drawing.panels import Mark
from neurotarget.report.drawing.row_figure import Column, Point, Row, Text, zero_line
from neurotarget.report.text.numbers import estimate, p_value
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.arms.paired import APART, ONE_TRAINING, OTHER_DESIGN
from neurotarget.stats.cohort.learning import NOT_LEARNT

ROW_INCH = 0.46
RIGHT = 3.1  # inches; width of the text at the right
TEXTS = ("told_apart", "reason")
COLUMNS = (
    Column(0.12, 1.58, "difference [95 %]"),
    Column(1.75, 0.6, "p (Holm)"),
    Column(2.35, 0.78, "different"),
)
METHODS = {  # marker, and shift in a row
    "bootstrap": (Mark(SERIES[0], "o", "-"), -0.19),
    "mixed model": (Mark(SERIES[1], "s", "-"), 0.19),
}
SHORT = {ONE_TRAINING: "not testable", OTHER_DESIGN: "not testable"}


class Interval(NamedTuple):
    """An estimate by one method, its 95 % interval, and its p after Holm's correction.

    All are NaN where the method could not be applied.
    """

    value: float
    low: float
    high: float
    p: float


class Difference(NamedTuple):
    """An arm minus the best net, in the unit of the score, by bootstrap and by mixed model.

    A positive value favours the arm only if higher scores are better.
    """

    arm: Arm
    by: tuple[Interval, Interval]
    verdict: str  # yes, no, or the reason for no test
    reason: str


@look()
def differences_figure(comparison: Comparison) -> Figure | None:
    """Draw the mean difference of the score to the best net; None without estimates.

    Filled points are arms that differ significantly by both methods.
    """
    differences = to_best(comparison)
    if not any(np.isfinite(one.by[0].value) for one in differences):
        return None
    rows = {one.arm: _row(one) for one in differences}
    how = {"row_inch": ROW_INCH, "right_inch": RIGHT, "zero": True}
    figure, axes = draw_arms("differences", rows, COLUMNS, **how)
    zero_line(axes)
    text = f"{comparison.headline.title} minus that of {best_net(comparison).name}"
    axes.set_xlabel(fitted(text, WIDTH - left_inch(list(rows)) - RIGHT + 1.2, TEXT_PT))
    _legend(figure)
    return finished(figure)


def best_net(comparison: Comparison) -> Arm | None:
    """Return the best trained net that has learnt, with which the other arms are compared.

    If only ensembles or soups have learnt, the best of these; None if no arm has.
    """
    arms = [arm for arm in arms_of(comparison) if arm.learnt != NOT_LEARNT]
    return next((arm for arm in arms if arm.kind == "net"), arms[0] if arms else None)


def to_best(comparison: Comparison, metric: str = "") -> list[Difference]:
    """Return every other arm minus the best net, in the arms' order; missing rows are left out.

    The table holds each pair once, in either order, so the sign and the ends of an interval are
    swapped where the best net comes first.

    Args:
        comparison: its table `differences`.
        metric: column of the score; "" takes the headline's.

    Returns:
        The estimate of each pair by bootstrap over cases (`mean_difference`) and by the mixed model
        over trainings (`model_difference`), NaN where the model could not be fitted.
    """
    metric = metric or comparison.headline.metric
    rows, best = rows_of(comparison, "differences", metric=metric), best_net(comparison)
    if not len(rows) or best is None:
        return []
    rows = rows[rows["label"] == main_label(rows)]
    differences = []
    for arm in arms_of(comparison):
        ahead = rows[(rows["arm"] == best.name) & (rows["other"] == arm.name)]
        behind = rows[(rows["arm"] == arm.name) & (rows["other"] == best.name)]
        for part, sign in ((ahead, -1), (behind, 1)):
            if len(part):
                differences.append(_difference(arm, part.iloc[0], sign))
                break
    return differences


def _difference(arm: Arm, row: pd.Series, sign: int) -> Difference:
    by = []
    for value, low, high, p in (
        ("mean_difference", "low", "high", "holm_p"),
        ("model_difference", "model_low", "model_high", "model_holm_p"),
    ):
        ends = [sign * number_of(row, key) for key in (low, high)]
        by.append(Interval(sign * number_of(row, value), *ends[::sign], number_of(row, p)))
    verdict, reason = ("" if pd.isna(one := row.get(key)) else str(one) for key in TEXTS)
    return Difference(arm, (by[0], by[1]), verdict, reason)


def _row(one: Difference) -> Row:
    is_distinct = one.verdict == APART
    points, texts = [], []
    for interval, (mark, shift) in zip(one.by, METHODS.values(), strict=True):
        points.append(Point(*interval[:3], mark, shift, 5.5, is_distinct))
        if not np.isfinite(interval.value):
            reason = one.reason or "not estimated"
            texts.append(Text(reason, 0, shift, MUTED, width_inch=RIGHT - 0.95))
            continue
        text = estimate(interval._asdict(), digits=3, sign=True)
        texts.append(Text(text, 0, shift))
        if np.isfinite(interval.p):
            texts.append(Text(p_value(interval.p), 1, shift))
    text = SHORT.get(one.verdict, one.verdict)
    texts.append(Text(text, 2, colour=INK if is_distinct else MUTED, is_bold=is_distinct))
    return arm_row(one.arm, points, texts)


def _legend(figure: Figure) -> None:
    dot = {"ls": "none", "marker": "o", "markersize": 5.5, "markeredgecolor": INK}
    handles = [
        Line2D([], [], color=mark.colour, marker=mark.marker, markersize=5, lw=1.6, label=name)
        for name, (mark, _) in METHODS.items()
    ]
    handles += [
        Line2D([], [], **dot, color=INK, label="different"),
        Line2D([], [], **dot, markerfacecolor="none", label="not shown to differ"),
    ]
    legend_above(figure, handles)
