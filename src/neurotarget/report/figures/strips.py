"""Strip figures with one point per case: Dice of each label, and the main quantity by sex."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.number_text import number
from neurotarget.report.drawing.figure import (
    SERIES,
    SMALL_PT,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, plain, wide_inch
from neurotarget.report.drawing.panels import (
    Mark,
    PanelLabels,
    by_sex,
    case_urls,
    head,
    jitter,
    panel_grid,
    panel_labels,
    points,
    quartile_box,
    scale,
    scatter,
    sex_name,
    ticks,
)
from neurotarget.report.drawing.row_figure import Column, Frame, Row, Text, draw_rows
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.cohort.failures import POOR
from neurotarget.stats.study.results import Study

MOST_NAMED = 3  # cases with a Dice below POOR are named if there are at most this many
MOST_STRIPS = 30
NAME_LEFT = 0.35  # above this Dice a name fits at the left of its point
STRIP_INCH, STRIPS_TOP = 0.55, 0.5
DICE = Mark(SERIES[0], "o", "-")


@look()
def dice_figure(study: Study) -> Figure | None:
    """Draw the Dice of every case with median and quartiles, one strip per label.

    If at most three cases of a label have a Dice below `POOR`, their ids are next to the points.
    Returns None where no mask was scored.
    """
    scores, labels = dice_scores(study), dice_labels(study).labels
    if not labels:
        return None
    rows = [Row([label], texts=[Text(_quartiles(scores[label]))]) for label in labels]
    lowest = min(scores[label].min() for label in labels)
    figure, panel = strips_figure("dice", rows, "median [quartiles]", lowest)
    for place, label in enumerate(labels):
        _dice_strip(panel, place, scores[label].sort_values(kind="stable"))
    return finished(figure)


def strips_figure(name: str, rows: Sequence[Row], head: str, lowest: float) -> tuple[Figure, Axes]:
    """Return a figure of rows over Dice, and its axes.

    Args:
        name: name of the figure, unique in a report.
        rows: one row per strip, from top to bottom.
        head: heading of the column of texts at the right.
        lowest: smallest Dice of all strips; the axis begins at 0 if `lowest` is below `POOR`, else
            at 0.5.
    """
    left = wide_inch([fitted(row.name[0], 2.2, TEXT_PT) for row in rows], TEXT_PT) + 0.35
    height = STRIPS_TOP + STRIP_INCH * len(rows) + 0.55
    figure = new_figure(name, WIDTH_INCH, height, free=True)
    frame = Frame(left, STRIPS_TOP, WIDTH_INCH - left - 1.45, STRIP_INCH)
    panel, _ = draw_rows(figure, rows, frame, [Column(0.12, 1.3, head)])
    panel.set(xlim=(0.0 if lowest < POOR else POOR, 1.0), xlabel="Dice")
    panel.grid(axis="x")
    return figure, panel


def dice_scores(study: Study) -> dict[str, pd.Series]:
    """Return one Series of Dice per label, indexed by `case_id`, without undefined values.

    Empty without scores.
    """
    rows = study.measured.scores
    if not len(rows) or "metric" not in rows:
        return {}
    known = rows[(rows["metric"] == "dice") & rows["value"].notna()]
    return {label: part.set_index("case_id")["value"] for label, part in known.groupby("label")}


def dice_labels(study: Study) -> PanelLabels:
    """Choose labels, in the target's order; of more than 30, those with the lowest median."""
    scores = dice_scores(study)
    labels = [label for label in study.measured.labels if label in scores]
    worst = sorted(labels, key=lambda label: scores[label].median())[:MOST_STRIPS]
    return PanelLabels([label for label in labels if label in worst], len(labels) - len(worst))


def _quartiles(values: pd.Series) -> str:
    low, median, high = values.quantile([0.25, 0.5, 0.75])
    return estimate({"value": median, "low": low, "high": high}, digits=2)


def _dice_strip(panel: Axes, place: int, values: pd.Series) -> None:
    poor = values[values < POOR] if (values < POOR).sum() <= MOST_NAMED else values[:0]
    rest = values.drop(poor.index)
    scatter(panel, rest, place + jitter(rest.to_numpy(), 0.3), DICE, rest.index)
    heights = place + 0.3 * (np.arange(len(poor)) - (len(poor) - 1) / 2)
    scatter(panel, poor, heights, DICE, poor.index)
    for (case_id, value), url, height in zip(
        poor.items(), case_urls(poor.index), heights, strict=True
    ):
        is_left = value > NAME_LEFT  # there are no other points at the left
        panel.annotate(
            f"{fitted(case_id, 1.0, SMALL_PT)} ({number(value, 2)})",
            (value, height),
            xytext=(-5 if is_left else 5, 0),
            textcoords="offset points",
            fontsize=SMALL_PT,
            ha="right" if is_left else "left",
            va="center",
            url=url,
        )
    quartile_box(panel, place, values, 0.34)


@look()
def values_figure(study: Study) -> Figure | None:
    """Draw values by the first method, with one panel per label and one strip per sex.

    Lines above a panel are means with intervals, where the table of the quantity has them. Returns
    None where nothing was measured.
    """
    main = study.measured.main
    if not main.tables:
        return None
    method = study.measured.methods[0]
    labels = panel_labels(study, (method,)).labels
    if not labels:
        return None
    columns, shared = min(len(labels), 3), scale(study, labels)
    width = {1: 4.0, 2: 5.6}.get(columns, WIDTH_INCH)
    size = {"width_inch": width, "row_inch": 2.9, "margin_inch": 0.2}
    figure, panels = panel_grid(main.table_name, len(labels), columns, **size)
    for panel, label in zip(panels, labels, strict=True):
        cases = points(study, label, (method,))
        known = rows_of(study, main.table_name, method=method, label=label)
        lines = _value_strips(panel, cases, known, shared.size)
        head(panel, label, lines, width_inch=width / columns - 0.8)
    figure.supylabel(shared.title(main.noun), fontsize=9)
    return finished(figure)


def _value_strips(panel: Axes, cases: pd.DataFrame, known: pd.DataFrame, size: float) -> list[str]:
    names, lines = [], []
    for place, (name, mark, part) in enumerate(by_sex(cases)):
        values = part[0].to_numpy() / size
        scatter(panel, place + jitter(values, 0.26), values, mark, part.index)
        quartile_box(panel, place, values, 0.34, is_upright=True)
        names.append(plain(f"{name} ({len(part)})" if name else f"all ({len(part)})"))
        lines += _mean_lines(name, part, known, size)
    panel.set_xlim(-0.6, len(names) - 0.4)
    panel.set_xticks(range(len(names)), names, fontsize=TEXT_PT)
    panel.tick_params(axis="x", length=0)
    ticks(panel, "y", 5)
    return lines


def _mean_lines(name: str, part: pd.DataFrame, known: pd.DataFrame, size: float) -> list[str]:
    """Return lines with the mean of a sex and its interval, where the table has the mean."""
    if not len(known):
        return []
    stratum, sex = ("sex", part["sex"].iloc[0]) if name else ("all", "all")
    rows = known[(known["stratum"] == stratum) & (known["level"].map(sex_name) == sex)]
    if not len(rows) or not np.isfinite(rows.iloc[0]["mean"]):
        return []
    row: Mapping = rows.iloc[0]
    scaled = {"value": row["mean"] / size, "low": row["low"] / size, "high": row["high"] / size}
    return [f"mean{' ' if name else ''}{name} {estimate(scaled)}"]
