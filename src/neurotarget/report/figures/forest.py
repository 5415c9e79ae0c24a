"""Forest plot of effects, with one panel per hypothesis.

Effects in different units have separate axes; a method has the same marker in all figures.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurotarget.number_text import stated
from neurotarget.report.drawing.figure import MUTED, SMALL_PT, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import fitted
from neurotarget.report.drawing.panels import MOST_PANELS, Mark, method_mark
from neurotarget.report.drawing.row_figure import (
    LARGE_PT,
    SMALL_MARK_PT,
    Column,
    Frame,
    Point,
    Row,
    Text,
    draw_rows,
    rows_inch,
    write_title,
    zero_line,
)
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.placeholders import in_unit
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.study.results import Study

MODELS = {
    "declared": "",
    "with_site": "with site",
    "site_random": "site as random effect",
    "tiv_ancova": "head size as covariate",
    "tiv_residual": "head size regressed out",
    "tiv_proportion": "share of head size",
}
WIDTH, LEFT, AXES = 8.05, 2.3, 2.5  # inches
COLUMNS = (Column(0.15, 1.85, "estimate [95 %]"), Column(2.05, 1.05, "verdict"))
HEAD, FOOT = 0.55, 0.55
INDENT = "\N{NO-BREAK SPACE}" * 4


@look()
def forest_figure(study: Study) -> Figure | None:
    """Draw estimates by method and model with 95 % intervals, zero, and the published effect.

    Each hypothesis and unit has its own axes; there are at most 12. The published effect is a
    hollow diamond without an interval. Returns None where nothing could be estimated.

    The figure reads the table `effects`. Large markers are the leading model of a method, small
    markers are further models, such as models with the site.
    """
    panels = [(rows.iloc[0], _rows(study, rows)) for rows in forest_groups(study)[:MOST_PANELS]]
    if not panels:
        return None
    heights = [rows_inch(rows) + HEAD + FOOT for _, rows in panels]
    figure, top = new_figure("effects", WIDTH, sum(heights), free=True), HEAD
    for (first, rows), height in zip(panels, heights, strict=True):
        _draw(figure, top, first, rows)
        top += height
    return finished(figure)


def forest_groups(study: Study) -> list[pd.DataFrame]:
    """Group effects by panel: one hypothesis, label and unit, with at least one estimate.

    Groups are in the order of the table `effects`; without it there are none.
    """
    rows = rows_of(study, "effects")
    if not len(rows):
        return []
    groups = rows.groupby(["hypothesis", "label", "unit"], sort=False, dropna=False)
    return [part for _, part in groups if np.isfinite(part["estimate"].astype(float)).any()]


def _rows(study: Study, effects: pd.DataFrame) -> list[Row]:
    rows = [
        _row(study, row, is_first=place == 0)
        for _, part in effects.groupby("method", sort=False)
        for place, (_, row) in enumerate(part.iterrows())
    ]
    published = effects["expected"].astype(float).dropna()
    if len(published):
        value, mark = float(published.iloc[0]), Mark(MUTED, "d", "-")
        point = Point(value, np.nan, np.nan, mark, size_pt=8, is_filled=False)
        rows.append(Row(["expected"], [point], [Text(stated(value, sign=True))]))
    return rows


def _row(study: Study, row: pd.Series, *, is_first: bool) -> Row:
    """Return a row named after the method, or an indented row for a further model of the method."""
    method, model = str(row["method"]), MODELS.get(str(row["model"]), str(row["model"]))
    name = ", ".join(filter(None, (method, model))) if is_first else f"{INDENT}{model}"
    ends = (float(row[key]) for key in ("estimate", "low", "high"))
    size_pt = LARGE_PT if row["leads"] else SMALL_MARK_PT
    point = Point(*ends, method_mark(study.measured, method), size_pt=size_pt)
    texts = [Text(estimate(row, "estimate", sign=True)), Text(str(row["verdict"]), 1)]
    if not np.isfinite(point.value):  # the reason spans both columns
        reason = ": ".join(filter(None, (str(row["verdict"]), str(row["reason"] or ""))))
        texts = [Text(reason, colour=MUTED, width_inch=WIDTH - LEFT - AXES - 0.2)]
    return Row([name], [point], texts)


def _draw(figure: Figure, top: float, first: pd.Series, rows: list[Row]) -> None:
    axes, _ = draw_rows(figure, rows, Frame(LEFT, top, AXES), COLUMNS, zero=True)
    zero_line(axes)
    axes.set_xlabel(fitted(in_unit("effect", str(first["unit"])), AXES + 0.6, TEXT_PT))
    title = f"{str(first['hypothesis']).replace('_', ' ')}, {first['label'] or 'total'}"
    title = fitted(title, WIDTH - 0.3, TEXT_PT, bold=True)
    write_title(axes, title, LEFT, 19, size_pt=TEXT_PT, is_bold=True)
    write_title(axes, fitted(str(first["claim"]), WIDTH - 0.3, SMALL_PT), LEFT, 7)
