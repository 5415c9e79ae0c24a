"""Critical difference diagram: mean ranks on one axis; bars join arms that do not differ.

Source: Demšar 2006, jmlr.org/papers/v7/demsar06a.html.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.number_text import number
from neurotarget.report.comparison.arm_rows import (
    Arm,
    arms_of,
    least_inch,
    main_label,
    name_lines,
)
from neurotarget.report.drawing.figure import (
    INK,
    MUTED,
    SMALL_PT,
    TEXT_PT,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.row_figure import LINE_INCH
from neurotarget.report.text.numbers import p_equals
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison

SIDE, AXIS = 2.75, 2.55  # inches; widths of the names at each side and of the axis
WIDTH = 2 * SIDE + AXIS
TOP, BAR_INCH = 0.75, 0.12  # distances above the axis, and between bars
GAP = 0.14  # between a name and its line


class Ranked(NamedTuple):
    """An arm with its mean rank and the letters of its groups.

    `rank` is the mean over cases, 1 for the best; arms that share a letter of `group`, such as "ab"
    and "b", do not differ significantly.
    """

    arm: Arm
    rank: float
    group: str


@look()
def critical_difference_figure(comparison: Comparison) -> Figure | None:
    """Draw Demšar's diagram of the mean over labels; None without ranks of two arms.

    The axis runs from rank 1 at the left (best). The critical difference and the Friedman test of
    all arms are written above it where they are known.

    It reads the table `ranks`: `arm`, `mean_rank`, `group`, `critical_difference` and `friedman_p`
    of the mean over labels.

    Source: Demšar 2006, jmlr.org/papers/v7/demsar06a.html.
    """
    arms = ranked(comparison)
    if len(arms) < 2:
        return None
    bars = groups(arms)
    half = -(-len(arms) // 2)
    row = least_inch([one.arm for one in arms], 0.27)
    first = TOP + 0.16 + BAR_INCH * len(bars) + 0.2
    height = first + (half - 1) * row + 0.25
    figure = new_figure("ranks", WIDTH, height, free=True)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    _axis(axes, len(arms))
    for row_number, ranks in enumerate(bars):
        y = TOP + 0.18 + BAR_INCH * row_number
        at = [_x(rank, len(arms)) for rank in ranks]
        axes.plot([min(at), max(at)], [y, y], color=INK, lw=2.5, zorder=4)
        axes.plot(at, [y] * len(at), ls="none", marker="o", markersize=5.5, color=INK, zorder=5)
    for place, one in enumerate(arms):
        at_left = place < half
        y = first + row * (place if at_left else len(arms) - 1 - place)
        _arm(axes, one, len(arms), y, at_left=at_left)
    _critical(axes, comparison, len(arms))
    return finished(figure)


def ranked(comparison: Comparison) -> list[Ranked]:
    """Return the arms with a rank, best first.

    Ensembles, soups and arms that have not learnt have none.
    """
    rows = _rows(comparison)
    known = {arm.name: arm for arm in arms_of(comparison)}
    arms = [
        Ranked(known[row["arm"]], float(row["mean_rank"]), str(row.get("group", "") or ""))
        for row in rows.to_dict("records")
        if row["arm"] in known and np.isfinite(row["mean_rank"])
    ]
    return sorted(arms, key=lambda one: one.rank)


def groups(arms: Sequence[Ranked]) -> list[list[float]]:
    """Return the ranks in each group of at least two arms that do not differ significantly.

    Groups come from tests of pairs, so an arm of another group may be between them.
    """
    letters = sorted({letter for one in arms for letter in _letters(one)})
    members = [[one.rank for one in arms if letter in _letters(one)] for letter in letters]
    return [ranks for ranks in members if len(ranks) > 1]


def _letters(one: Ranked) -> list[str]:
    return re.findall(r"[a-z]\d*", one.group)


def _rows(comparison: Comparison) -> pd.DataFrame:
    rows = rows_of(comparison, "ranks")
    return rows[rows["label"] == main_label(rows)] if len(rows) else rows


def _x(rank: float, count: int) -> float:
    return SIDE + AXIS * (rank - 1) / (count - 1)


def _axis(axes: Axes, count: int) -> None:
    axes.plot([SIDE, SIDE + AXIS], [TOP, TOP], color=INK, lw=1.0)
    step = 1 if count <= 8 else 2
    for rank in range(1, count + 1):
        tall = (rank - 1) % step == 0
        x = _x(rank, count)
        axes.plot([x, x], [TOP - (0.07 if tall else 0.04), TOP], color=INK, lw=1.0)
        if tall:
            axes.text(x, TOP - 0.11, str(rank), fontsize=SMALL_PT, ha="center", va="bottom")
    style = {"fontsize": SMALL_PT, "color": MUTED, "va": "bottom"}
    axes.text(SIDE - 0.15, TOP - 0.08, "better", ha="right", **style)
    axes.text(SIDE + AXIS + 0.15, TOP - 0.08, "worse", ha="left", **style)


def _arm(axes: Axes, one: Ranked, count: int, y: float, *, at_left: bool) -> None:
    """Draw the line from an arm's rank to its name at the side."""
    x, end = _x(one.rank, count), SIDE - 0.05 if at_left else SIDE + AXIS + 0.05
    axes.plot([x, x, end], [TOP, y, y], color=MUTED, lw=0.9, zorder=3)
    lines = name_lines(f"{one.arm.number}  {one.arm.name}", SIDE - 0.75)
    where = {"ha": "right" if at_left else "left", "va": "center_baseline"}
    sign = -1 if at_left else 1
    axes.text(end + sign * 0.05, y, number(one.rank, 1), fontsize=SMALL_PT, color=MUTED, **where)
    for place, line in enumerate(lines):
        down = (place - (len(lines) - 1) / 2) * LINE_INCH
        axes.text(end + sign * (0.27 + GAP), y + down, line, fontsize=TEXT_PT, **where)


def _critical(axes: Axes, comparison: Comparison, count: int) -> None:
    """Draw the critical difference above the axis, and write the test of all arms."""
    row = _rows(comparison).iloc[0]
    size, p = float(row["critical_difference"]), float(row["friedman_p"])
    style = {"fontsize": SMALL_PT, "va": "center_baseline"}
    if np.isfinite(p):
        text = f"Friedman test of all: {p_equals(p)}"
        axes.text(0.1, 0.2, text, color=MUTED, **style)
    if not np.isfinite(size):
        return
    end, y = SIDE + size * AXIS / (count - 1), 0.36
    if end > WIDTH - 0.1:
        text = f"critical difference {number(size, 2)}, more than all ranks"
        axes.text(WIDTH - 0.1, 0.2, text, ha="right", **style)
        return
    axes.plot([SIDE, end], [y, y], color=INK, lw=1.4)
    for x in (SIDE, end):
        axes.plot([x, x], [y - 0.05, y + 0.05], color=INK, lw=1.4)
    axes.text(SIDE, 0.2, f"critical difference {number(size, 2)}", **style)
