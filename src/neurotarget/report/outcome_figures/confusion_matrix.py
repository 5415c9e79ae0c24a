"""Confusion matrix of predicted classes: counts, and the share of each reference class.

Cells with a larger share of their reference class are darker; cells of correct predictions have a
frame.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from neurotarget.number_text import number
from neurotarget.report.drawing.figure import (
    INK,
    SERIES,
    SMALL_PT,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, wide_inch
from neurotarget.report.drawing.panels import head
from neurotarget.report.text.outcome_texts import threshold_text
from neurotarget.report.text.sentences import label_text, rows_of
from neurotarget.stats.study.results import Study

MOST_PANELS, MOST_CLASSES = 4, 12
CELL_INCH, NARROW_INCH = 0.95, 0.55  # width of a cell with few classes and with many classes
DARKEST = 0.6  # opacity of a cell with all cases of its class, so that its text is readable
LEFT_INCH = 1.6  # largest width of class names


@look()
def confusion_figure(study: Study) -> Figure | None:
    """Draw a matrix for each outcome and threshold; None without predicted classes.

    Rows are the reference, columns the prediction; a cell has the number of cases and its share of
    the row in %, and cells of correct predictions are framed. At most four matrices of at most 12
    classes are drawn.

    The figure reads the table `confusion` of the whole cohort, in which a NaN threshold stands for
    the class of the largest probability.
    """
    matrices = _matrices(study)[:MOST_PANELS]
    if not matrices:
        return None
    sizes = [one["reference"].nunique() for one in matrices]
    columns = 2 if len(matrices) > 1 and max(sizes) <= 3 else 1
    lines = -(-len(matrices) // columns)
    cell = CELL_INCH if max(sizes) <= 4 else NARROW_INCH
    names = wide_inch([fitted(name, LEFT_INCH, SMALL_PT) for one in matrices
                       for name in one["reference"].unique()], SMALL_PT)  # fmt: skip
    across = max(one["predicted"].nunique() for one in matrices)
    width = min(columns * (across * cell + names + 0.9), WIDTH_INCH)
    figure = new_figure("confusion", max(width, 3.4), lines * (max(sizes) * 0.55 + 1.35))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel in panels[len(matrices) :]:
        panel.set_visible(False)
    for panel, rows in zip(panels, matrices, strict=False):
        _matrix(panel, rows, max(width, 3.4) / columns - 0.5)
    return finished(figure)


def _matrices(study: Study) -> list[pd.DataFrame]:
    """Return the rows of each outcome and threshold, without outcomes of too many classes."""
    rows = rows_of(study, "confusion", stratum="all")
    if not len(rows):
        return []
    every = [one for _, one in rows.groupby(["label", "threshold"], sort=False, dropna=False)]
    return [one for one in every if one["reference"].nunique() <= MOST_CLASSES]


def _matrix(axes: Axes, rows: pd.DataFrame, width_inch: float) -> None:
    references = list(dict.fromkeys(rows["reference"]))
    predicted = list(dict.fromkeys(rows["predicted"]))
    for row in rows.itertuples(index=False):
        x, y = predicted.index(row.predicted), references.index(row.reference)
        share = row.share if np.isfinite(row.share) else 0.0
        cell = Rectangle((x - 0.48, y - 0.47), 0.96, 0.94, facecolor=SERIES[0],
                         alpha=DARKEST * share, lw=0)  # fmt: skip
        axes.add_patch(cell)
        is_hit = row.predicted == row.reference
        if is_hit:
            axes.add_patch(Rectangle((x - 0.48, y - 0.47), 0.96, 0.94, fill=False,
                                     edgecolor=INK, lw=1.0))  # fmt: skip
        axes.text(x, y - 0.13, str(row.n), ha="center", va="center", fontsize=TEXT_PT,
                  fontweight="bold" if is_hit else "normal")  # fmt: skip
        percent = f"{number(100 * row.share, 0)} %" if np.isfinite(row.share) else ""
        axes.text(x, y + 0.22, percent, ha="center", va="center", fontsize=SMALL_PT)
    axes.set(xlim=(-0.5, len(predicted) - 0.5), ylim=(len(references) - 0.5, -0.5))
    narrow = max(width_inch / len(predicted) - 0.15, 0.5)
    axes.set_xticks(range(len(predicted)), [fitted(one, narrow, SMALL_PT) for one in predicted])
    axes.set_yticks(range(len(references)), [fitted(one, LEFT_INCH, SMALL_PT)
                                              for one in references])  # fmt: skip
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set(xlabel="predicted", ylabel="reference")
    first = rows.iloc[0]
    head(axes, label_text(first["label"]), [threshold_text(first["threshold"])],
         width_inch=width_inch)  # fmt: skip
