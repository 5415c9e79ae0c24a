"""Figures of the results of each seed of each arm: agreement of volumes, and effects."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.number_text import digits_for, number
from neurotarget.report.comparison.arm_rows import (
    REFERENCE,
    WIDTH,
    Arm,
    arm_row,
    arms_of,
    left_inch,
    main_label,
    marks_of,
    name_lines,
    number_of,
)
from neurotarget.report.drawing.figure import MUTED, SMALL_PT, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import fitted, wide_inch
from neurotarget.report.drawing.panels import legend
from neurotarget.report.drawing.row_figure import (
    LINE_INCH,
    Column,
    Frame,
    Point,
    Row,
    Text,
    draw_rows,
    rows_inch,
    zero_line,
)
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.placeholders import in_unit, main_of
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison

SEED_INCH, GAP_INCH = 0.15, 0.14  # height of one seed, and gap between arms
TOP, FOOT = 0.34, 0.58
FIRST_AT, SECOND_AT = 0.12, 1.45  # inches from the axes to the text columns at the right
SECOND_INCH, APART_INCH = 1.2, 0.15  # width of the second column, and gap between both


@look()
def icc_figure(comparison: Comparison) -> Figure | None:
    """Draw ICC(A,1), one row per arm and one line per seed; None without values.

    The text at the right gives the mean over seeds and their range, or the interval of a single
    seed.

    It reads the table `agreement`: `icc_a1`, `icc_low` and `icc_high` by arm and seed.
    """
    label = icc_label(comparison)
    table, rows = rows_of(comparison, "agreement", label=label), {}
    for arm in arms_of(comparison) if len(table) else ():
        seeds = _seeds(table[table["arm"] == arm.name], arm, "icc_a1", "icc")
        if seeds:
            rows[arm] = _row(arm, seeds, _value_text(seeds, 3), _range_text(seeds, 3))
    if not _is_known(rows):
        return None
    has_ranges = any(row.texts[1].text for row in rows.values())
    figure, axes = _draw("icc", rows, "seeds from … to" if has_ranges else "")
    low, high = axes.get_xlim()
    axes.set_xlim(low, min(high, 1.005))
    axes.set_xlabel(fitted(f"ICC(A,1) of {main_of(comparison.target).plural}, {label}", 5, TEXT_PT))
    return finished(figure)


def icc_label(comparison: Comparison) -> str:
    """Return the label of the figure: the total, or the only label; "" without a table."""
    return main_label(rows_of(comparison, "agreement"))


@look()
def effect_figure(comparison: Comparison, hypothesis: str, name: str) -> Figure | None:
    """Draw the effect of one hypothesis on the reference's values and by every seed of every arm.

    The reference's effect is a line through all rows, with its interval as a band.

    It reads the table `effects`: `estimate`, `low`, `high`, `verdict` and `unit` by arm and seed;
    the arm called reference has no seed.

    Args:
        comparison: its table `effects`.
        hypothesis: name in that table.
        name: of the figure, unique on the page.

    Returns:
        The figure, in the unit of the effect; None where nothing could be estimated.
    """
    table = rows_of(comparison, "effects", hypothesis=hypothesis)
    rows = {arm: _effect_row(table, arm) for arm in (None, *arms_of(comparison))}
    rows = {arm: row for arm, row in rows.items() if row.points}
    if not _is_known(rows):
        return None
    figure, axes = _draw(name, rows, "verdict", zero=True)
    zero_line(axes)
    if None in rows:
        (truth, *_) = rows[None].points
        axes.axvline(truth.value, color=REFERENCE.colour, lw=1.0, zorder=1)
        if np.isfinite(truth.low + truth.high):
            axes.axvspan(truth.low, truth.high, color=MUTED, alpha=0.14, lw=0, zorder=0)
    axes.set_xlabel(fitted(in_unit("effect", str(table.iloc[0]["unit"])), 5, TEXT_PT))
    return finished(figure)


def hypotheses(comparison: Comparison) -> list[str]:
    """Return the hypotheses in the table of effects, in its order, each once."""
    rows = rows_of(comparison, "effects")
    return list(dict.fromkeys(rows["hypothesis"].astype(str))) if len(rows) else []


def _effect_row(table: pd.DataFrame, arm: Arm | None) -> Row:
    """Return the effect by every seed of an arm; None means the reference's values."""
    own = table[table["arm"] == ("reference" if arm is None else arm.name)]
    seeds = _seeds(own, arm, "estimate")
    verdicts = own["verdict"].astype(str).value_counts()
    counts = [
        name if len(own) == 1 else f"{name} {count} of {len(own)}"
        for name, count in verdicts.items()
    ]
    digits = digits_for(*table[["estimate", "low", "high"]].to_numpy(float).ravel())
    return _row(arm, seeds, _value_text(seeds, digits, sign=True), "; ".join(counts))


def _row(arm: Arm | None, seeds: Sequence[Point], *texts: str) -> Row:
    columns = [Text(text, column) for column, text in enumerate(texts)]
    lines = len(name_lines(arm.name)) if arm else 1
    height = max(len(seeds) * SEED_INCH, lines * LINE_INCH) + GAP_INCH
    shifts = [SEED_INCH * (place - (len(seeds) - 1) / 2) for place in range(len(seeds))]
    points = [one._replace(shift=shift) for one, shift in zip(seeds, shifts, strict=True)]
    return (
        arm_row(arm, points, columns, height)
        if arm
        else Row(["reference"], points, columns, height)
    )


def _seeds(rows: pd.DataFrame, arm: Arm | None, value: str, stem: str = "") -> list[Point]:
    keys = (value, f"{stem}_low", f"{stem}_high") if stem else (value, "low", "high")
    mark = arm.mark if arm else REFERENCE
    ordered = rows.sort_values("seed", kind="stable").to_dict("records")
    return [Point(*(number_of(row, key) for key in keys), mark, size_pt=4.2) for row in ordered]


def _value_text(seeds: Sequence[Point], digits: int, *, sign: bool = False) -> str:
    """Format the only estimate with its interval, or the mean of several estimates."""
    known = [seed.value for seed in seeds if np.isfinite(seed.value)]
    if not known:
        return "not estimated"
    if len(seeds) == 1:
        return estimate(seeds[0]._asdict(), digits=digits, sign=sign)
    some = "" if len(known) == len(seeds) else f" ({len(known)} of {len(seeds)})"
    return f"mean {number(float(np.mean(known)), digits, sign=sign)}{some}"


def _range_text(seeds: Sequence[Point], digits: int) -> str:
    known = [seed.value for seed in seeds if np.isfinite(seed.value)]
    return f"{number(min(known), digits)} to {number(max(known), digits)}" if len(known) > 1 else ""


def _is_known(rows: dict[Arm | None, Row]) -> bool:
    return any(np.isfinite(point.value) for row in rows.values() for point in row.points)


def _draw(
    name: str, rows: dict[Arm | None, Row], head: str, *, zero: bool = False
) -> tuple[Figure, Axes]:
    """Return figure and axes; the vertical unit is an inch."""
    arms = [arm for arm in rows if arm]
    marks = marks_of(arms)
    top, left = TOP + (0.3 if marks else 0), max(left_inch(arms), 1.2)
    lines = list(rows.values())
    wide = wide_inch([row.texts[0].text for row in lines], SMALL_PT)
    second_at = max(SECOND_AT, FIRST_AT + wide + APART_INCH)
    is_single = all(len(row.points) == 1 for row in lines)
    first = Column(FIRST_AT, second_at - FIRST_AT, "estimate [95 %]" if is_single else "estimate")
    columns = (first, Column(second_at, SECOND_INCH, head))
    figure = new_figure(name, WIDTH, top + rows_inch(lines, 1.0) + FOOT, free=True)
    frame = Frame(left, top, WIDTH - left - second_at - SECOND_INCH, 1.0)
    axes, _ = draw_rows(figure, lines, frame, columns, zero=zero, lines=True)
    axes.grid(axis="x")
    legend(figure, marks)
    return figure, axes
