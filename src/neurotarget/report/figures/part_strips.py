"""Figure of the Dice of internal and external cases, with published values as lines."""

import math
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    MUTED,
    SERIES,
    finished,
    look,
)
from neurotarget.report.drawing.panels import Mark, jitter, scatter
from neurotarget.report.drawing.row_figure import Row, Text
from neurotarget.report.figures.strips import dice_scores, strips_figure
from neurotarget.report.text.numbers import mean_sd
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.study.results import Study

NAME = "parts"
MOST_LABELS = 12
MARKS = {
    "internal": Mark(SERIES[0], "o", "-"),
    "external": Mark(SERIES[1], "^", "-"),
}

PUBLISHED = {"color": MUTED, "lw": 1.6, "ls": (0, (2, 1.2))}  # style of published means


class Strip(NamedTuple):
    """Dice of a label in a part per case, and the rows of the table for this label and part.

    `values` is indexed by `case_id`, in rising order; there is a row for each published value.
    """

    label: str
    part: str
    values: pd.Series
    rows: pd.DataFrame


@look()
def parts_figure(study: Study) -> Figure | None:
    """Draw the Dice of every case by label and part; a published mean is a line, its SD a band.

    Published values come from other data, so they are no reference for a single case. Returns None
    where no Dice of a part is known.

    The figure reads the table `parts` and the Dice of each case.
    """
    table = rows_of(study, "parts", statistic="dice", against="reference")
    strips = _strips(study, table) if len(table) else []
    if not strips:
        return None
    rows = [Row([f"{one.label}, {one.part}"], texts=[Text(_mean_text(one))]) for one in strips]
    lowest = min(min(one.values.min(), *_reach(one.rows)) for one in strips)
    figure, panel = strips_figure(NAME, rows, "mean ± SD (n)", lowest)
    for place, strip in enumerate(strips):
        _draw(panel, place, strip)
        if place and strips[place - 1].label != strip.label:
            panel.axhline(place - 0.5, color=GRID, lw=0.6, zorder=0)
    _legend(figure, table)
    return finished(figure)


def parts_labels(table: pd.DataFrame) -> tuple[list[str], int]:
    """Choose at most 12 labels: first those with published values, then those with low Dice.

    Returns:
        The chosen labels in the order of the table, and the number of labels left out.
    """
    labels = list(dict.fromkeys(table["label"]))
    if len(labels) <= MOST_LABELS:
        return labels, 0
    published = set(table.loc[table["published"].notna(), "label"])
    dice = table[table["statistic"] == "dice"].groupby("label")["value"].min()
    order = sorted(labels, key=lambda name: (name not in published, dice.get(name, math.inf)))
    kept = set(order[:MOST_LABELS])
    return [label for label in labels if label in kept], len(labels) - MOST_LABELS


def _strips(study: Study, table: pd.DataFrame) -> list[Strip]:
    scores, parts = dice_scores(study), study.measured.parts
    strips = []
    for label in parts_labels(table[table["label"].isin(list(scores))])[0]:
        for part in MARKS:
            rows = table[(table["label"] == label) & (table["part"] == part)]
            values = scores[label]
            values = values[values.index.isin(parts.index[parts == part])]
            if len(rows) and len(values):
                strips.append(Strip(label, part, values.sort_values(kind="stable"), rows))
    return strips


def _draw(panel: Axes, place: int, strip: Strip) -> None:
    values, mark = strip.values, MARKS[strip.part]
    scatter(panel, values, place + jitter(values.to_numpy(), 0.26), mark, values.index)
    ends = [place - 0.38, place + 0.38]
    panel.plot([values.mean()] * 2, ends, color=INK, lw=1.8, zorder=4)
    for _, row in strip.rows[strip.rows["published"].notna()].iterrows():
        at, sd = float(row["published"]), float(row["published_sd"])
        if math.isfinite(sd):
            panel.fill_betweenx(ends, at - sd, at + sd, color=MUTED, alpha=0.16, lw=0, zorder=1)
        panel.plot([at] * 2, ends, **PUBLISHED, zorder=2)


def _mean_text(strip: Strip) -> str:
    first = strip.rows.iloc[0]
    return f"{mean_sd(first['value'], first['sd'], 2)} ({int(first['n'])})"


def _reach(rows: pd.DataFrame) -> list[float]:
    """Return the lower ends of the bands: published means minus their SD."""
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
        handles.append(Line2D([], [], **PUBLISHED, label="published, of other data (band: ± SD)"))
    figure.legend(handles=handles, loc="upper left", ncols=len(handles))
