"""Figures of the results of each seed of each arm: agreement of volumes, and effects."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.comparison.arm_rows import (
    LINE_INCH,
    REFERENCE,
    WIDTH,
    Arm,
    arms_of,
    head_column,
    left_inch,
    main_label,
    marks_of,
    name_arm,
    name_lines,
    name_row,
    number_of,
    write_column,
)
from neurotarget.report.drawing.figure import MUTED, SMALL_PT, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import decimals, estimate, fitted, wide_inch, words
from neurotarget.report.drawing.panels import Mark, legend, ticks
from neurotarget.report.drawing.row_figure import Block, block_axes, fit_width
from neurotarget.report.text.numbers import unit_text
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison

SEED_INCH, GAP_INCH = 0.15, 0.14  # height of one seed, and gap between arms
TOP, FOOT = 0.34, 0.58
FIRST_AT, SECOND_AT = 0.12, 1.45  # inches from the axes to the text columns at the right
SECOND_INCH, APART_INCH = 1.2, 0.15  # width of the second column, and gap between both
ARM = "reference"  # arm name of effects on the reference volumes


class Seed(NamedTuple):
    """Result of one run of an arm; NaN where it could not be estimated."""

    value: float
    low: float
    high: float


class Row(NamedTuple):
    """An arm with its seeds, or the reference with its result."""

    arm: Arm | None
    seeds: list[Seed]
    words: tuple[str, str]


class Slot(NamedTuple):
    """Top and height of a row, in inches below the top of the axes."""

    top: float
    height: float

    @property
    def middle(self) -> float:
        """Return the middle of the row, in inches below the top of the axes."""
        return self.top + self.height / 2


@look()
def icc_figure(comparison: Comparison) -> Figure | None:
    """Draw ICC(A,1) of volumes, one row per arm and line per seed; None without values."""
    label = icc_label(comparison)
    rows = rows_of(comparison, "agreement", label=label)
    found = []
    for arm in arms_of(comparison):
        seeds = _seeds(rows[rows["arm"] == arm.name], "icc_a1", "icc") if len(rows) else []
        if seeds:
            found.append(Row(arm, seeds, (_value_text(seeds, 3), _range_text(seeds, 3))))
    if not any(np.isfinite(seed.value) for row in found for seed in row.seeds):
        return None
    figure, axes, slots = _canvas("icc", found)
    _draw(axes, found, slots)
    low, high = axes.get_xlim()
    axes.set_xlim(low, min(high, 1.005))
    axes.set_xlabel(fitted(f"ICC(A,1) of volumes, {label}", 5, TEXT_PT))
    head_column(axes, _first_head(found), at=FIRST_AT)
    if _has_ranges(found):
        head_column(axes, "seeds from … to", at=_second_at(found))
    return finished(figure)


def icc_label(comparison: Comparison) -> str:
    """Return the label of the figure: the total, or the only one."""
    return main_label(rows_of(comparison, "agreement"))


@look()
def effect_figure(comparison: Comparison, hypothesis: str, name: str) -> Figure | None:
    """Draw the effect of one hypothesis on the reference volumes and by every seed of every arm.

    None where nothing could be estimated.
    """
    rows = rows_of(comparison, "effects", hypothesis=hypothesis)
    found = [_effect_row(rows, None), *(_effect_row(rows, arm) for arm in arms_of(comparison))]
    found = [row for row in found if row.seeds]
    if not any(np.isfinite(seed.value) for row in found for seed in row.seeds):
        return None
    figure, axes, slots = _canvas(name, found)
    _draw(axes, found, slots)
    _guides(axes, found)
    unit = unit_text(str(rows.iloc[0]["unit"]))
    axes.set_xlabel(fitted(f"effect, {unit}", 5, TEXT_PT))
    head_column(axes, _first_head(found), at=FIRST_AT)
    head_column(axes, "verdict", at=_second_at(found))
    return finished(figure)


def hypotheses(comparison: Comparison) -> list[str]:
    """Return the hypotheses in the table of effects, in its order."""
    rows = rows_of(comparison, "effects")
    return list(dict.fromkeys(rows["hypothesis"].astype(str))) if len(rows) else []


def _effect_row(rows: pd.DataFrame, arm: Arm | None) -> Row:
    own = rows[rows["arm"] == (ARM if arm is None else arm.name)]
    seeds = _seeds(own, "estimate")
    verdicts = own["verdict"].astype(str).value_counts()
    verdict_counts = [name if len(own) == 1 else f"{name} {count} of {len(own)}"
            for name, count in verdicts.items()]  # fmt: skip
    digits = decimals(*rows[["estimate", "low", "high"]].to_numpy(float).ravel())
    return Row(arm, seeds, (_value_text(seeds, digits, sign=True), "; ".join(verdict_counts)))


def _seeds(rows: pd.DataFrame, value: str, stem: str = "") -> list[Seed]:
    ends = (f"{stem}_low", f"{stem}_high") if stem else ("low", "high")
    ordered = rows.sort_values("seed", kind="stable").to_dict("records")
    return [Seed(*(number_of(row, key) for key in (value, *ends))) for row in ordered]


def _value_text(seeds: Sequence[Seed], digits: int | None = None, *, sign: bool = False) -> str:
    """Text of the only estimate with its interval, or of the mean of several."""
    known = [seed for seed in seeds if np.isfinite(seed.value)]
    if not known:
        return "not estimated"
    if len(seeds) == 1:
        return estimate(known[0]._asdict(), digits, sign=sign)
    mean = float(np.mean([seed.value for seed in known]))
    some = "" if len(known) == len(seeds) else f" ({len(known)} of {len(seeds)})"
    return f"mean {words(mean, decimals(mean) if digits is None else digits, sign=sign)}{some}"


def _range_text(seeds: Sequence[Seed], digits: int) -> str:
    known = [seed.value for seed in seeds if np.isfinite(seed.value)]
    return f"{words(min(known), digits)} to {words(max(known), digits)}" if len(known) > 1 else ""


def _first_head(found: Sequence[Row]) -> str:
    return "estimate [95 %]" if all(len(row.seeds) == 1 for row in found) else "estimate"


def _has_ranges(found: Sequence[Row]) -> bool:
    return any(row.words[1] for row in found)


def _canvas(name: str, found: Sequence[Row]) -> tuple[Figure, Axes, list[Slot]]:
    """Figure, axes in inches downwards, and the position of each row."""
    arms = [row.arm for row in found if row.arm]
    marks = marks_of(arms)
    slots, top, head = [], 0.0, TOP + (0.3 if marks else 0)
    for row in found:
        lines = len(name_lines(row.arm.name)) if row.arm else 1
        height = max(len(row.seeds) * SEED_INCH, lines * LINE_INCH) + GAP_INCH
        slots.append(Slot(top, height))
        top += height
    left = max(left_inch(arms), 1.2)
    figure = new_figure(name, WIDTH, head + top + FOOT, free=True)
    wide = WIDTH - left - _second_at(found) - SECOND_INCH
    axes = block_axes(figure, Block(left, head, wide, 1, top))
    axes.set_ylim(top, 0)
    for row, slot in zip(found, slots, strict=True):
        if slot.top:
            axes.axhline(slot.top, color=MUTED, lw=0.4, alpha=0.5)
        if row.arm:
            name_arm(axes, slot.middle, row.arm, left=left)
        else:
            name_row(axes, slot.middle, "reference", left=left)
    legend(figure, marks)
    return figure, axes, slots


def _draw(axes: Axes, found: Sequence[Row], slots: Sequence[Slot]) -> None:
    at = _second_at(found)
    for row, slot in zip(found, slots, strict=True):
        mark = row.arm.mark if row.arm else REFERENCE
        for number, seed in enumerate(row.seeds):
            y = slot.middle + SEED_INCH * (number - (len(row.seeds) - 1) / 2)
            _seed(axes, y, seed, mark)
        write_column(axes, slot.middle, row.words[0], at=FIRST_AT, width=at - FIRST_AT)
        write_column(axes, slot.middle, row.words[1], at=at, width=SECOND_INCH)
    fit_width(axes, [value for row in found for seed in row.seeds for value in seed], zero=False)
    ticks(axes, "x", 5)
    axes.grid(axis="x")


def _second_at(found: Sequence[Row]) -> float:
    """Position of the second text column, right of the widest text of the first."""
    wide = wide_inch([row.words[0] for row in found], SMALL_PT)
    return max(SECOND_AT, FIRST_AT + wide + APART_INCH)


def _seed(axes: Axes, y: float, seed: Seed, mark: Mark) -> None:
    if np.isfinite(seed.low + seed.high):
        axes.plot([seed.low, seed.high], [y, y], color=mark.colour, lw=1.3, zorder=3)
    axes.plot([seed.value], [y], ls="none", marker=mark.marker, markersize=4.2, color=mark.colour,
              clip_on=False, zorder=4)  # fmt: skip


def _guides(axes: Axes, found: Sequence[Row]) -> None:
    """Draw zero and the reference's estimate with its interval behind all rows."""
    values = [value for row in found for seed in row.seeds for value in seed]
    fit_width(axes, values, zero=True)
    axes.axvline(0, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    if found[0].arm is None:
        (truth, *_) = found[0].seeds
        axes.axvline(truth.value, color=REFERENCE.colour, lw=1.0, zorder=1)
        if np.isfinite(truth.low + truth.high):
            axes.axvspan(truth.low, truth.high, color=MUTED, alpha=0.14, lw=0, zorder=0)
