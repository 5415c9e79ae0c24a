"""Figure of the residuals of leading models, and of influential people."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import (
    MUTED,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, plain
from neurotarget.report.drawing.panels import method_mark, scatter, ticks
from neurotarget.report.text.placeholders import in_unit
from neurotarget.report.text.sentences import rows_of, title_of
from neurotarget.stats.study.results import Study

NAME = "residuals"
MOST = 4  # largest number of models
ROW_INCH = 2.3
NAMED = 2  # number of the most influential people who are named in a panel


@look()
def residuals_figure(study: Study) -> Figure | None:
    """Draw residual against fitted, and influence against leverage, one row per model.

    Up to four models are drawn. In each, the two most influential people are named if their
    absolute DFBETA exceeds 2 / √n (Belsley et al. 1980). Returns None where no model has residuals.

    The figure reads the table `residuals`, with one row per person: `fitted` and `residual` in the
    unit of the quantity, `leverage`, and `dfbeta` in standard errors of the effect.

    Source: Belsley et al. 1980, doi:10.1002/0471725153.
    """
    table = rows_of(study, "residuals")
    models = list(table.groupby(["hypothesis", "method"], sort=False)) if len(table) else []
    if not models:
        return None
    shown = models[:MOST]
    figure = new_figure(NAME, WIDTH_INCH, ROW_INCH * len(shown))
    axes = figure.subplots(len(shown), 2, squeeze=False)
    for (left, right), ((hypothesis, method), rows) in zip(axes, shown, strict=True):
        mark, unit = method_mark(study.measured, method), str(rows["unit"].iloc[0])
        scatter(left, rows["fitted"], rows["residual"], mark, rows["subject_id"])
        scatter(right, rows["leverage"], rows["dfbeta"], mark, rows["subject_id"])
        for panel in (left, right):
            panel.axhline(0, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
            ticks(panel, "x", 4)
        _named(right, rows)
        left.set_xlabel(in_unit("fitted", unit), fontsize=SMALL_PT)
        left.set_ylabel(in_unit("residual", unit), fontsize=SMALL_PT)
        right.set_xlabel("leverage", fontsize=SMALL_PT)
        right.set_ylabel("change of the effect\nin standard errors", fontsize=SMALL_PT)
        head = f"{title_of(hypothesis)}, {plain(method)}"
        left.set_title(fitted(head, WIDTH_INCH / 2 - 0.6, SMALL_PT), loc="left", fontsize=SMALL_PT)
    return finished(figure)


def _named(panel: Axes, rows: pd.DataFrame) -> None:
    far = rows.loc[rows["dfbeta"].abs().sort_values(ascending=False).index[:NAMED]]
    for row in far.itertuples():
        if abs(row.dfbeta) > 2 / math.sqrt(len(rows)):  # Belsley et al. 1980
            panel.annotate(
                fitted(plain(str(row.subject_id)), 1.4, SMALL_PT),
                (row.leverage, row.dfbeta),
                xytext=(4, 2),
                textcoords="offset points",
                fontsize=SMALL_PT,
            )
