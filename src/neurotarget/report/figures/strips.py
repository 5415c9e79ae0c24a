"""Strip figures with one point per case: Dice of each label, and volumes by sex."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import (
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
from neurotarget.report.drawing.lettering import estimate, fitted, plain, wide_inch, words
from neurotarget.report.drawing.panels import (
    Mark,
    Shown,
    by_sex,
    case_urls,
    head,
    jitter,
    points,
    scale,
    scatter,
    sex_name,
    shown,
    table,
    ticks,
)
from neurotarget.stats.cohort.failures import POOR
from neurotarget.stats.study.results import Study

MOST_NAMED = 3  # cases with a Dice below POOR are named if there are at most so many
MOST_STRIPS = 30
NAME_LEFT = 0.35  # above this Dice a name fits at the left of its point
STRIP_INCH = 0.55
DICE = Mark(SERIES[0], "o", "-")


class Quartiles(NamedTuple):
    """Median and quartiles."""

    q1: float
    median: float
    q3: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Quartiles":
        """Return the quartiles of at least one value."""
        return cls(*(float(item) for item in np.quantile(values, [0.25, 0.5, 0.75])))


@look()
def dice_figure(study: Study) -> Figure | None:
    """Draw the Dice of every case with median and quartiles, one strip per label.

    Cases with a low Dice are named. None where no mask was scored.
    """
    scores = dice_scores(study)
    labels = dice_labels(study).labels
    if not labels:
        return None
    height = STRIP_INCH * len(labels) + 0.75
    figure = new_figure("dice", WIDTH_INCH, height, free=True)
    names = [fitted(label, 2.0, TEXT_PT) for label in labels]
    left, right = (wide_inch(names, TEXT_PT) + 0.25) / WIDTH_INCH, 1.45 / WIDTH_INCH
    panel = figure.add_axes(
        (left, 0.55 / height, 1 - left - right, STRIP_INCH * len(labels) / height)
    )
    low = 0.0 if min(scores[label].min() for label in labels) < POOR else POOR
    for place, label in enumerate(labels):
        _dice_strip(panel, place, scores[label])
    panel.set(xlim=(low, 1.0), ylim=(len(labels) - 0.5, -0.5), xlabel="Dice")
    panel.set_yticks(range(len(labels)))
    panel.set_yticklabels(names, fontsize=TEXT_PT)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    panel.grid(axis="x")
    figure.text(1 - right + 0.15 / WIDTH_INCH, 1 - 0.1 / height, "median [quartiles]",
                fontsize=SMALL_PT, color=MUTED, va="center")  # fmt: skip
    return finished(figure)


def dice_scores(study: Study) -> dict[str, pd.Series]:
    """Return the Dice of each label by case, without undefined values."""
    rows = study.measured.scores
    if not len(rows) or "metric" not in rows:
        return {}
    known = rows[(rows["metric"] == "dice") & rows["value"].notna()]
    return {label: part.set_index("case_id")["value"] for label, part in known.groupby("label")}


def dice_labels(study: Study) -> Shown:
    """Choose labels in the target's order; of too many, those of the lowest median."""
    scores = dice_scores(study)
    labels = [label for label in study.measured.labels if label in scores]
    worst = sorted(labels, key=lambda label: scores[label].median())[:MOST_STRIPS]
    return Shown([label for label in labels if label in worst], len(labels) - len(worst))


def _dice_strip(panel: Axes, place: int, values: pd.Series) -> None:
    values = values.sort_values(kind="stable")
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
            f"{fitted(case_id, 1.0, SMALL_PT)} ({words(value, 2)})",
            (value, height),
            xytext=(-5 if is_left else 5, 0),
            textcoords="offset points",
            fontsize=SMALL_PT,
            ha="right" if is_left else "left",
            va="center",
            url=url,
        )
    middle = Quartiles.of(values)
    _bar(panel, place, middle, half=0.34)
    panel.annotate(
        f"{words(middle.median, 2)} [{words(middle.q1, 2)}, {words(middle.q3, 2)}]",
        (1, place),
        xycoords=("axes fraction", "data"),
        xytext=(0.15 * 72, 0),
        textcoords="offset points",
        fontsize=SMALL_PT,
        va="center_baseline",
    )


def _bar(panel: Axes, place: float, middle: Quartiles, *, half: float) -> None:
    """Draw a box from quartile to quartile with a line at the median."""
    panel.fill_betweenx(
        [place - half, place + half], middle.q1, middle.q3, color=MUTED, alpha=0.22, lw=0, zorder=2
    )
    panel.plot([middle.median] * 2, [place - half, place + half], color=INK, lw=1.8, zorder=4)


@look()
def volumes_figure(study: Study) -> Figure | None:
    """Draw volumes by the first method, one panel per label and strip per sex, or return None."""
    if not study.measured.methods:
        return None
    method = study.measured.methods[0]
    labels = shown(study, (method,)).labels
    if not labels:
        return None
    columns = min(len(labels), 3)
    rows = -(-len(labels) // columns)
    width = {1: 4.0, 2: 5.6}.get(columns, WIDTH_INCH)
    figure = new_figure("volumes", width, 2.9 * rows + 0.2)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    shared = scale(study, labels)
    for panel, label in zip(panels, labels, strict=False):
        cases = points(study, label, (method,))
        known = table(study, "volumes", method=method, label=label)
        lines = _volume_strips(panel, cases, known, shared.mm3)
        head(panel, label, lines, width_inch=width / columns - 0.8)
    for panel in panels[len(labels) :]:
        panel.set_visible(False)
    figure.supylabel(f"volume, {shared.unit}", fontsize=9)
    return finished(figure)


def _volume_strips(panel: Axes, cases: pd.DataFrame, known: pd.DataFrame, mm3: float) -> list[str]:
    names, lines = [], []
    for place, (name, mark, part) in enumerate(by_sex(cases)):
        values = part[0].to_numpy() / mm3
        scatter(panel, place + jitter(values, 0.26), values, mark, part.index)
        middle = Quartiles.of(values)
        spread = [place - 0.34, place + 0.34]
        panel.fill_between(spread, middle.q1, middle.q3, color=MUTED, alpha=0.22, lw=0, zorder=2)
        panel.plot(spread, [middle.median] * 2, color=INK, lw=1.8, zorder=4)
        names.append(plain(f"{name} ({len(part)})" if name else f"all ({len(part)})"))
        lines += _mean_lines(name, part, known, mm3)
    panel.set_xlim(-0.6, len(names) - 0.4)
    panel.set_xticks(range(len(names)), names, fontsize=TEXT_PT)
    panel.tick_params(axis="x", length=0)
    ticks(panel, "y", 5)
    return lines


def _mean_lines(name: str, part: pd.DataFrame, known: pd.DataFrame, mm3: float) -> list[str]:
    """Lines with the mean of a sex and its interval, where the table has it."""
    if not len(known):
        return []
    stratum, sex = ("sex", part["sex"].iloc[0]) if name else ("all", "all")
    rows = known[(known["stratum"] == stratum) & (known["level"].map(sex_name) == sex)]
    if not len(rows) or not np.isfinite(rows.iloc[0]["mean"]):
        return []
    row: Mapping = rows.iloc[0]
    scaled = {"value": row["mean"] / mm3, "low": row["low"] / mm3, "high": row["high"] / mm3}
    return [f"mean{' ' if name else ''}{name} {estimate(scaled)}"]
