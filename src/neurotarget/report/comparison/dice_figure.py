"""Figure of the Dice of every case by every arm, with the means of its seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy import ndarray

from neurotarget.report.comparison.arm_rows import (
    WIDTH,
    Arm,
    arms_of,
    head_column,
    least_inch,
    left_inch,
    name_arm,
    number_of,
    write_column,
)
from neurotarget.report.drawing.figure import INK, MUTED, SMALL_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import estimate, words
from neurotarget.report.drawing.panels import case_urls, jitter
from neurotarget.report.drawing.row_figure import Block, block_axes
from neurotarget.report.text.sentences import counted, rows_of
from neurotarget.stats.arms.comparison import Comparison

TOP, FOOT, ROW_INCH = 0.62, 0.55, 0.56
RIGHT = 2.25  # inches; width of the text at the right
ESTIMATE_AT, SEEDS_AT = 0.12, 1.55
CASES, MEAN_AT, SEEDS = -0.12, 0.16, 0.34  # vertical positions, in shares of a row's height
HALF = 0.2  # half height of the strip of cases
MOST_LINKED = 1500  # most points with links; more slow down a page
MOST_SQUEEZED = 2.0  # largest factor on the axis for a few low cases
LEFT_OUT_SHARE = 0.05  # largest share of cases below the axis


@look()
def dice_arms_figure(comparison: Comparison) -> Figure | None:
    """Draw one row per arm: cases with quartiles, their mean with its interval, seed means.

    None where no arm has a Dice.
    """
    arms = [arm for arm in arms_of(comparison) if len(case_dice(comparison, arm))]
    if not arms:
        return None
    row_inch, left = least_inch(arms, ROW_INCH), left_inch(arms)
    height = TOP + len(arms) * row_inch + FOOT
    figure = new_figure("dice", WIDTH, height, free=True)
    axes = block_axes(figure, Block(left, TOP, WIDTH - left - RIGHT, len(arms), row_inch))
    linked = sum(len(case_dice(comparison, arm)) for arm in arms) <= MOST_LINKED
    low = _low(comparison, arms)
    for place, arm in enumerate(arms):
        if place:
            axes.axhline(place - 0.5, color=MUTED, lw=0.4, alpha=0.5)
        name_arm(axes, place, arm, left=left)
        _cases(axes, place, case_dice(comparison, arm), linked=linked)
        _means(axes, place, comparison, arm)
        below = case_dice(comparison, arm).loc[lambda dice: dice < low]
        if len(below):
            text = f"{counted(len(below), 'case')} below the axis, to {words(below.min(), 2)}"
            write_column(axes, place + SEEDS, text, at=ESTIMATE_AT, width=RIGHT - 0.2, color=MUTED)
    axes.set_xlim(low, 1.0)
    axes.set_xlabel("Dice, mean over labels")
    axes.grid(axis="x")
    head_column(axes, "mean [95 %]", at=ESTIMATE_AT)
    head_column(axes, "seed SD", at=SEEDS_AT)
    _legend(figure)
    return finished(figure)


def case_dice(comparison: Comparison, arm: Arm) -> pd.Series:
    """Return the Dice of each case by an arm, without undefined values."""
    rows = rows_of(comparison, "cases")
    if "case_id" not in rows or arm.name not in rows:
        return pd.Series(dtype=float)
    return rows.set_index("case_id")[arm.name].astype(float).dropna()


def seed_means(comparison: Comparison, arm: Arm) -> Float[ndarray, " N"]:
    """Return the mean Dice of each seed over its folds; empty for arms made of several seeds."""
    runs = rows_of(comparison, "costs", arm=arm.name)
    if not len(runs) or "dice" not in runs:
        return np.empty(0)
    own = runs[runs["seed"] >= 0].astype({"dice": float})
    return own.groupby("seed")["dice"].mean().dropna().to_numpy()


def _low(comparison: Comparison, arms: Sequence[Arm]) -> float:
    """Lower end of the axis: below all cases, unless a few low ones would squeeze the others."""
    every = np.concatenate([case_dice(comparison, arm).to_numpy() for arm in arms])
    means = np.concatenate([seed_means(comparison, arm) for arm in arms])
    ends = rows_of(comparison, "arms")[["dice", "dice_low"]].astype(float).to_numpy().ravel()
    few = np.quantile(every, LEFT_OUT_SHARE, method="lower")
    low = float(np.nanmin([few, *means, *ends]))
    if 1 - every.min() <= MOST_SQUEEZED * (1 - low):
        low = min(low, float(every.min()))
    return float(np.floor(max(low - 0.005, 0) * 20) / 20)


def _cases(axes: Axes, place: int, values: pd.Series, *, linked: bool) -> None:
    """Draw cases as points with their quartiles."""
    heights = place + CASES + jitter(values.to_numpy(), HALF)
    drawn = axes.scatter(
        values, heights, s=8, marker="o", facecolor=MUTED, alpha=0.55, linewidths=0, zorder=2
    )
    if linked:
        drawn.set_urls(case_urls(values.index))
    q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
    ends = [place + CASES - HALF - 0.02, place + CASES + HALF + 0.02]
    axes.fill_betweenx(ends, q1, q3, color=MUTED, alpha=0.2, lw=0, zorder=1)
    axes.plot([median] * 2, ends, color=INK, lw=1.6, zorder=3)


def _means(axes: Axes, place: int, comparison: Comparison, arm: Arm) -> None:
    """Draw the mean over cases with its interval and the means of seeds, and write both."""
    row = rows_of(comparison, "arms", arm=arm.name).iloc[0]
    mean, low, high = (number_of(row, key) for key in ("dice", "dice_low", "dice_high"))
    style = {"color": arm.mark.colour, "zorder": 4}
    if np.isfinite(low + high):
        axes.plot([low, high], [place + MEAN_AT] * 2, lw=1.8, **style)
    axes.plot([mean], [place + MEAN_AT], ls="none", marker=arm.mark.marker, markersize=5.5, **style)
    seeds = seed_means(comparison, arm)
    axes.plot(seeds, np.full(len(seeds), place + SEEDS), ls="none", marker="|", markersize=6.5,
              markeredgewidth=1.3, **style)  # fmt: skip
    text = estimate({"value": mean, "low": low, "high": high}, 3)
    write_column(axes, place, text, at=ESTIMATE_AT, width=SEEDS_AT - ESTIMATE_AT)
    sd = number_of(row, "seed_sd")
    seed_sd = words(sd, 4) if np.isfinite(sd) else "one seed" if len(seeds) == 1 else "–"
    write_column(axes, place, seed_sd, at=SEEDS_AT, width=RIGHT - SEEDS_AT)


def _legend(figure: Figure) -> None:
    style = {"ls": "none", "color": INK}
    handles = [
        Line2D([], [], ls="none", marker="o", color=MUTED, markersize=3.5, label="case"),
        Patch(facecolor=MUTED, alpha=0.25, label="middle half of cases, median"),
        Line2D([], [], color=INK, marker="o", markersize=5, lw=1.6, label="mean with interval"),
        Line2D([], [], marker="|", markersize=7, markeredgewidth=1.3, label="mean of a seed",
               **style),
    ]  # fmt: skip
    height = figure.get_size_inches()[1]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.005, 1 - 0.05 / height), ncols=4,
        fontsize=SMALL_PT, columnspacing=1.4, borderaxespad=0,
    )  # fmt: skip
