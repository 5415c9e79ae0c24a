"""Figure of the score of every case by every arm, with the means of its seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy import ndarray

from neurotarget.number_text import number, unit_text
from neurotarget.report.comparison.arm_rows import (
    Arm,
    arm_row,
    arms_of,
    draw_arms,
    legend_above,
    number_of,
)
from neurotarget.report.drawing.figure import INK, MUTED, finished, look
from neurotarget.report.drawing.panels import case_urls, jitter, quartile_box
from neurotarget.report.drawing.row_figure import Column, Point, Row, Text
from neurotarget.report.text.numbers import counted, estimate
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.arms.main_score import DICE_HEADLINE

ROW_INCH = 0.56
RIGHT = 2.25  # inches; width of the text at the right
COLUMNS = (Column(0.12, 1.43, "mean [95 %]"), Column(1.55, 0.7, "seed SD"))
CASES, MEAN_AT, SEEDS = -0.12, 0.16, 0.34  # vertical positions, in shares of a row's height
HALF = 0.2  # half height of the strip of cases
MOST_LINKED = 1500  # most points with links; more slow down a page
MOST_SQUEEZED = 2.0  # largest factor on the axis for a few low cases
LEFT_OUT_SHARE = 0.05  # largest share of cases below the axis


@look()
def scores_figure(comparison: Comparison) -> Figure | None:
    """Draw one row per arm: cases with quartiles, their mean with its interval, seed means.

    The score is the headline of the comparison, such as Dice. A few low cases may lie left of the
    axis, which the row then states. Points link to the rows of their cases on the page, unless they
    are more than 1,500. None where no arm has a score.

    It reads the tables `cases` (one column per arm), `arms` (means with intervals) and `costs` (a
    score per run).
    """
    arms = {arm: own for arm in arms_of(comparison) if len(own := case_scores(comparison, arm))}
    if not arms:
        return None
    score = comparison.headline
    low, high = _low(comparison, list(arms)), 1.0
    if not score.is_higher_better:
        low, high = 0.0, 1.03 * max(own.max() for own in arms.values()) or 1.0
    rows = {arm: _row(comparison, arm, own, low) for arm, own in arms.items()}
    how = {"row_inch": ROW_INCH, "right_inch": RIGHT, "lines": True}
    figure, axes = draw_arms(name_of(comparison), rows, COLUMNS, **how)
    is_linked = sum(map(len, arms.values())) <= MOST_LINKED
    for place, (arm, own) in enumerate(arms.items()):
        _cases(axes, place, own, is_linked=is_linked)
        seeds = seed_means(comparison, arm)
        style = {"marker": "|", "markersize": 6.5, "markeredgewidth": 1.3, "zorder": 4}
        heights = np.full(len(seeds), place + SEEDS)
        axes.plot(seeds, heights, ls="none", color=arm.mark.colour, **style)
    axes.set_xlim(low, high)
    unit = f", {unit_text(score.unit)}" if score.unit else ""
    labels = ", mean over labels" if score == DICE_HEADLINE else unit
    axes.set_xlabel(f"{score.title}{labels}")
    axes.grid(axis="x")
    _legend(figure)
    return finished(figure)


def name_of(comparison: Comparison) -> str:
    """Return the name of the figure: the metric of the headline, such as `dice`.

    Its files and the link of a case on the page have this name.
    """
    return comparison.headline.metric


def case_scores(comparison: Comparison, arm: Arm) -> pd.Series:
    """Return the score of each case by an arm, indexed by `case_id`, without undefined values.

    Empty if the arm has no column in the table of cases.
    """
    rows = rows_of(comparison, "cases")
    if "case_id" not in rows or arm.name not in rows:
        return pd.Series(dtype=float)
    return rows.set_index("case_id")[arm.name].astype(float).dropna()


def seed_means(comparison: Comparison, arm: Arm) -> Float[ndarray, " N"]:
    """Return the mean score of each seed over its folds; empty for arms made of several seeds.

    Each fold counts the same, however many cases it has.
    """
    runs, metric = rows_of(comparison, "costs", arm=arm.name), comparison.headline.metric
    if not len(runs) or metric not in runs:
        return np.empty(0)
    own = runs[runs["seed"] >= 0].astype({metric: float})
    return own.groupby("seed")[metric].mean().dropna().to_numpy()


def _low(comparison: Comparison, arms: Sequence[Arm]) -> float:
    """Return the lower end of the axis: below all cases, except for a few very low ones."""
    every = np.concatenate([case_scores(comparison, arm).to_numpy() for arm in arms])
    means = np.concatenate([seed_means(comparison, arm) for arm in arms])
    metric = comparison.headline.metric
    ends = rows_of(comparison, "arms")[[metric, f"{metric}_low"]].astype(float).to_numpy().ravel()
    few = np.quantile(every, LEFT_OUT_SHARE, method="lower")
    low = float(np.nanmin([few, *means, *ends]))
    if 1 - every.min() <= MOST_SQUEEZED * (1 - low):
        low = min(low, float(every.min()))
    return float(np.floor(max(low - 0.005, 0) * 20) / 20)


def _cases(axes: Axes, place: int, values: pd.Series, *, is_linked: bool) -> None:
    """Draw cases as points with their quartiles."""
    heights = place + CASES + jitter(values.to_numpy(), HALF)
    style = {"s": 8, "marker": "o", "facecolor": MUTED, "alpha": 0.55, "linewidths": 0, "zorder": 3}
    points = axes.scatter(values, heights, **style)
    if is_linked:
        points.set_urls(case_urls(values.index))
    quartile_box(axes, place + CASES, values, HALF + 0.02)


def _row(comparison: Comparison, arm: Arm, values: pd.Series, low: float) -> Row:
    """Return the mean with interval, and texts on it, on seeds and on cases below `low`."""
    row = rows_of(comparison, "arms", arm=arm.name).iloc[0]
    metric = comparison.headline.metric
    ends = (number_of(row, key) for key in (metric, f"{metric}_low", f"{metric}_high"))
    sd, count = number_of(row, "seed_sd"), len(seed_means(comparison, arm))
    seed_sd = "one seed" if count == 1 and not np.isfinite(sd) else number(sd, 4)
    texts = [Text(estimate(row, metric, stem=metric, digits=3)), Text(seed_sd, 1)]
    below = values[values < low]
    if len(below):
        text = f"{counted(len(below), 'case')} below the axis, to {number(below.min(), 2)}"
        texts.append(Text(text, 0, SEEDS, MUTED, width_inch=RIGHT - 0.2))
    return arm_row(arm, [Point(*ends, arm.mark, MEAN_AT, 5.5)], texts)


def _legend(figure: Figure) -> None:
    style = {"ls": "none", "color": INK}
    handles = [
        Line2D([], [], ls="none", marker="o", color=MUTED, markersize=3.5, label="case"),
        Patch(facecolor=MUTED, alpha=0.25, label="middle half of cases, median"),
        Line2D([], [], color=INK, marker="o", markersize=5, lw=1.6, label="mean with interval"),
        Line2D([], [], marker="|", markersize=7, markeredgewidth=1.3, label="mean of a seed",
               **style),
    ]  # fmt: skip
    legend_above(figure, handles)
