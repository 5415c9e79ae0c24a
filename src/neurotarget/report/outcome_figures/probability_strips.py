"""Strip figure of predicted probabilities by reference class, one point per case."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurotarget.number_text import number
from neurotarget.report.drawing.figure import (
    MUTED,
    SERIES,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, wide_inch
from neurotarget.report.drawing.panels import Mark, jitter, quartile_box, scatter
from neurotarget.report.drawing.row_figure import Column, Frame, Row, Text, draw_rows
from neurotarget.report.text.numbers import counted, estimate
from neurotarget.report.text.outcome_texts import class_text, predicted_labels
from neurotarget.report.text.sentences import label_text, rows_of
from neurotarget.stats.study.results import Study

MOST_LABELS = 8
STRIP_INCH, TOP_INCH = 0.62, 0.35
MARKS = {1.0: Mark(SERIES[1], "o", "-"), 0.0: Mark(SERIES[0], "^", "-")}


@look()
def probabilities_figure(study: Study) -> Figure | None:
    """Draw each label's probabilities for cases of its class and for all others; None without any.

    Vertical lines are the thresholds of the table `confusion`. A box spans the quartiles of each
    strip. In an outcome of two classes, all other cases are the negative class. Only the first
    eight labels are drawn.
    """
    strips = _strips(study)
    if not strips:
        return None
    rows = [Row(name, texts=[Text(_quartiles(values))]) for name, _, values in strips]
    names = [fitted(line, 2.4, TEXT_PT) for row in rows for line in row.name]
    left = wide_inch(names, TEXT_PT) + 0.4
    figure = new_figure(
        "probabilities", WIDTH_INCH, TOP_INCH + STRIP_INCH * len(rows) + 0.55, free=True
    )
    frame = Frame(left, TOP_INCH, WIDTH_INCH - left - 1.75, STRIP_INCH)
    panel, _ = draw_rows(figure, rows, frame, [Column(0.12, 1.55, "median [quartiles]")])
    panel.set(xlim=(0, 1), xlabel="predicted probability")
    panel.set_xticks(np.linspace(0, 1, 6), [number(one, 1) for one in np.linspace(0, 1, 6)])
    panel.grid(axis="x")
    thresholds = rows_of(study, "confusion", stratum="all")
    for threshold in set(thresholds["threshold"].dropna()) if len(thresholds) else ():
        panel.axvline(threshold, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    for place, (_, flag, values) in enumerate(strips):
        heights = place + jitter(values.to_numpy(), 0.28)
        scatter(panel, values, heights, MARKS[flag], values.index)
        quartile_box(panel, place, values, 0.34)
    return finished(figure)


def _strips(study: Study) -> list[tuple[list[str], float, pd.Series]]:
    """Return the lines of the name, the reference (1 or 0) and the probabilities of each strip."""
    strips = []
    for predictions, label, _ in predicted_labels(study)[:MOST_LABELS]:
        p, y = (table[label] for table in (predictions.probabilities, predictions.references))
        own = class_text(study, label)
        negative = "others" if predictions.has_several else predictions.outcome.classes[0]
        for flag, name in ((1.0, own), (0.0, label_text(negative))):
            values = p[(y == flag) & p.notna()]
            lines = [name, counted(len(values), "case")]
            if predictions.has_several:
                lines = [f"probability of {own}", ", ".join(lines)]
            strips += [(lines, flag, values)] if len(values) else []
    return strips


def _quartiles(values: pd.Series) -> str:
    low, median, high = values.quantile([0.25, 0.5, 0.75])
    return estimate({"value": median, "low": low, "high": high}, digits=2)
