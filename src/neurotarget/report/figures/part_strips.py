"""Figure of the Dice of internal and external cases, with published values as lines."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    MUTED,
    SERIES,
    SMALL_PT,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, wide_inch, words
from neurotarget.report.drawing.panels import Mark, jitter, scatter
from neurotarget.report.figures.strips import POOR, dice_scores
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.study.results import Study

NAME = "parts"
MOST_LABELS = 12
MARKS = {
    "internal": Mark(SERIES[0], "o", "-"),
    "external": Mark(SERIES[1], "^", "-"),
}
ROW_INCH, TOP_INCH, FOOT_INCH = 0.4, 0.45, 0.55

Strip = tuple[str, str, pd.Series, pd.DataFrame]  # label, part, Dice by case, rows of the table


@look()
def parts_figure(study: Study) -> Figure | None:
    """Draw Dice of every case by label and part; a published mean is a line, its SD a band.

    None where no Dice of a part is known.
    """
    table = rows_of(study, "parts", statistic="dice", against="reference")
    strips = _strips(study, table) if len(table) else []
    if not strips:
        return None
    height = TOP_INCH + FOOT_INCH + ROW_INCH * len(strips)
    figure = new_figure(NAME, WIDTH_INCH, height, free=True)
    names = [fitted(f"{label}, {part}", 2.2, TEXT_PT) for label, part, _, _ in strips]
    left, right = (wide_inch(names, TEXT_PT) + 0.25) / WIDTH_INCH, 1.35 / WIDTH_INCH
    panel = figure.add_axes(
        (left, FOOT_INCH / height, 1 - left - right, ROW_INCH * len(strips) / height)
    )
    for place, strip in enumerate(strips):
        _strip(panel, place, *strip[1:])
        if place and strips[place - 1][0] != strip[0]:
            panel.axhline(place - 0.5, color=GRID, lw=0.6, zorder=0)
    lowest = min(min(values.min(), *_reach(rows)) for _, _, values, rows in strips)
    panel.set(xlim=(0.0 if lowest < POOR else POOR, 1.0), xlabel="Dice")
    panel.set_ylim(len(strips) - 0.5, -0.5)
    panel.set_yticks(range(len(strips)), names, fontsize=TEXT_PT)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    panel.grid(axis="x")
    _legend(figure, table)
    figure.text(1 - right + 0.12 / WIDTH_INCH, 1 - 0.3 / height, "mean ± SD (n)",
                fontsize=SMALL_PT, color=MUTED, va="center")  # fmt: skip
    return finished(figure)


def parts_labels(table: pd.DataFrame) -> tuple[list[str], int]:
    """Choose labels, and count the rest; of too many, published labels and those of low Dice."""
    labels = list(dict.fromkeys(table["label"]))
    if len(labels) <= MOST_LABELS:
        return labels, 0
    published = set(table.loc[table["published"].notna(), "label"])
    dice = table[table["statistic"] == "dice"].groupby("label")["value"].min()
    order = sorted(labels, key=lambda name: (name not in published, dice.get(name, math.inf)))
    kept = set(order[:MOST_LABELS])
    return [label for label in labels if label in kept], len(labels) - MOST_LABELS


def mean_sd(mean: float, sd: float) -> str:
    """Format a mean with its SD, if there is one."""
    spread = f" ± {words(sd, 2)}" if np.isfinite(sd) else ""
    return f"{words(mean, 2)}{spread}"


def _strips(study: Study, table: pd.DataFrame) -> list[Strip]:
    scores, parts = dice_scores(study), study.measured.parts
    found = []
    for label in parts_labels(table[table["label"].isin(list(scores))])[0]:
        for part in MARKS:
            rows = table[(table["label"] == label) & (table["part"] == part)]
            values = scores[label]
            values = values[values.index.isin(parts.index[parts == part])]
            if len(rows) and len(values):
                found.append((label, part, values.sort_values(kind="stable"), rows))
    return found


def _strip(panel: Axes, place: int, part: str, values: pd.Series, rows: pd.DataFrame) -> None:
    scatter(panel, values, place + jitter(values.to_numpy(), 0.26), MARKS[part], values.index)
    ends = [place - 0.38, place + 0.38]
    panel.plot([values.mean()] * 2, ends, color=INK, lw=1.8, zorder=4)
    for _, row in rows[rows["published"].notna()].iterrows():
        at, sd = float(row["published"]), float(row["published_sd"])
        if math.isfinite(sd):
            panel.fill_betweenx(ends, at - sd, at + sd, color=MUTED, alpha=0.16, lw=0, zorder=1)
        panel.plot([at] * 2, ends, color=MUTED, lw=1.6, ls=(0, (2, 1.2)), zorder=2)
    first = rows.iloc[0]
    panel.annotate(
        f"{mean_sd(first['value'], first['sd'])} ({int(first['n'])})", (1, place),
        xycoords=("axes fraction", "data"), xytext=(0.12 * 72, 0), textcoords="offset points",
        fontsize=SMALL_PT, va="center_baseline",
    )  # fmt: skip


def _reach(rows: pd.DataFrame) -> list[float]:
    """Lower ends of published means minus their SD."""
    known = rows[rows["published"].notna()]
    return (known["published"] - known["published_sd"].fillna(0)).tolist() or [1.0]


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    handles = [
        Line2D([], [], color=mark.colour, marker=mark.marker, markersize=4.5, ls="none", label=part)
        for part, mark in MARKS.items()
        if (table["part"] == part).any()
    ]
    handles.append(Line2D([], [], color=INK, lw=1.8, label="mean"))
    if table["published"].notna().any():
        style = {"color": MUTED, "lw": 1.6, "ls": (0, (2, 1.2))}
        handles.append(Line2D([], [], **style, label="published, of other data (band: ± SD)"))
    figure.legend(handles=handles, loc="upper left", ncols=len(handles))
