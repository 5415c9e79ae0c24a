"""Figure of the failure rates of each method under every definition of failure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import MUTED, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.panels import legend, method_mark
from neurotarget.report.drawing.row_figure import (
    Column,
    Frame,
    Point,
    Row,
    Text,
    draw_rows,
    rows_inch,
)
from neurotarget.report.text.headed_tables import value_texts
from neurotarget.report.text.numbers import in_percent, percent
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.study.results import Study

WIDTH, LEFT, AXES = 7.5, 2.2, 2.5  # inches
TOP, FOOT, GAP = 0.42, 0.6, 0.35  # inches; GAP between definitions, in rows
COLUMNS = (Column(0.15, 2.6),)


@look()
def failures_figure(study: Study) -> Figure | None:
    """Draw the share of failed cases in % by definition with its interval, one line per method.

    A definition that does not apply has its reason in place of a number. Returns None where no
    definition could be applied.

    The figure reads the table `failures`: `definition`, `method`, `n_failed` of `n`, `rate` and its
    interval.
    """
    table = rows_of(study, "failures")
    if not len(table) or not np.isfinite(table["rate"].astype(float)).any():
        return None
    methods = [name for name in study.measured.methods if name in set(table["method"])]
    rows = [_row(study, methods, part) for _, part in table.groupby("definition", sort=False)]
    figure = new_figure("failures", WIDTH, rows_inch(rows) + TOP + FOOT, free=True)
    axes, _ = draw_rows(figure, rows, Frame(LEFT, TOP, AXES), COLUMNS, zero=True)
    axes.set_xlim(0, max(1.0, axes.get_xlim()[1]))
    axes.grid(axis="x")
    axes.set_xlabel("cases, %", fontsize=TEXT_PT)
    legend(figure, {name: method_mark(study.measured, name) for name in methods})
    return finished(figure)


def _row(study: Study, methods: list[str], part: pd.DataFrame) -> Row:
    """Return the row of a definition, with one line per method.

    There is a single line if the definition applies to no method, for the same reason.
    """
    part = part.sort_values("method", key=lambda names: names.map(methods.index), kind="stable")
    known = np.isfinite(part["rate"].astype(float)).any()
    lines = (part if known or part["reason"].nunique() > 1 else part.iloc[:1]).to_dict("records")
    points, texts = [], []
    for place, row in enumerate(lines):
        shift, mark = place - (len(lines) - 1) / 2, method_mark(study.measured, row["method"])
        points.append(Point(*in_percent(row).values(), mark, shift))
        if np.isfinite(points[-1].value):
            text = f"{int(row['n_failed'])} of {int(row['n'])}: {percent(row)}"
            texts.append(Text(text, shift=shift))
        else:
            texts.append(Text(str(row["reason"] or "not assessed"), shift=shift, colour=MUTED))
    name = str(part["definition"].iloc[0])
    return Row([value_texts().get(name, name.replace("_", " "))], points, texts, len(lines) + GAP)
