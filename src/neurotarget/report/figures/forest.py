"""Forest plot of the effects of every hypothesis, one panel each."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import MUTED, SMALL_PT, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import decimals, estimate, fitted, words
from neurotarget.report.drawing.panels import MOST_PANELS, Mark, method_mark, table, ticks
from neurotarget.report.drawing.row_figure import (
    ROW_INCH,
    Block,
    Line,
    block_axes,
    draw_line,
    fit_width,
    name_left,
    write_right,
)
from neurotarget.report.text.numbers import unit_text
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
COLUMNS_AT, COLUMNS_WIDE = (0.15, 2.05), (1.85, 1.05)
HEAD, FOOT = 0.55, 0.55
INDENT = "\N{NO-BREAK SPACE}" * 4


class _Panel(NamedTuple):
    title: str
    claim: str
    unit: str
    lines: list[Line]


@look()
def forest_figure(study: Study) -> Figure | None:
    """Draw estimates by method and model with 95 % intervals, zero, and the published effect.

    Each hypothesis and unit has axes of its own. None where nothing could be estimated.
    """
    panels = [_panel(study, rows) for rows in forest_groups(study)[:MOST_PANELS]]
    if not panels:
        return None
    height = sum(len(panel.lines) * ROW_INCH + HEAD + FOOT for panel in panels)
    figure, top = new_figure("effects", WIDTH, height, free=True), HEAD
    for panel in panels:
        _draw(figure, top, panel)
        top += len(panel.lines) * ROW_INCH + HEAD + FOOT
    return finished(figure)


def forest_groups(study: Study) -> list[pd.DataFrame]:
    """Group effects by panel: one hypothesis, label and unit, with at least one estimate."""
    rows = table(study, "effects")
    if not len(rows):
        return []
    groups = rows.groupby(["hypothesis", "label", "unit"], sort=False, dropna=False)
    return [part for _, part in groups if np.isfinite(part["estimate"].astype(float)).any()]


def _panel(study: Study, rows: pd.DataFrame) -> _Panel:
    lines = [
        _line(study, row, is_first=place == 0)
        for _, part in rows.groupby("method", sort=False)
        for place, (_, row) in enumerate(part.iterrows())
    ]
    published = rows["expected"].astype(float).dropna()
    if len(published):
        value, mark = float(published.iloc[0]), Mark(MUTED, "d", "-")
        text = (words(value, decimals(value), sign=True),)
        lines.append(Line("expected", value, np.nan, np.nan, mark, text, is_published=True))
    first = rows.iloc[0]
    title = f"{str(first['hypothesis']).replace('_', ' ')}, {first['label'] or 'total'}"
    return _Panel(title, str(first["claim"]), unit_text(str(first["unit"])), lines)


def _line(study: Study, row: pd.Series, *, is_first: bool) -> Line:
    """A row named after the method, or an indented row for a further model of it."""
    method, model = str(row["method"]), MODELS.get(str(row["model"]), str(row["model"]))
    name = ", ".join(filter(None, (method, model))) if is_first else f"{INDENT}{model}"
    value, low, high = (float(row[key]) for key in ("estimate", "low", "high"))
    right = (
        estimate({"value": value, "low": low, "high": high}, sign=True),
        str(row["verdict"]),
    )
    if not np.isfinite(value):
        right = (": ".join(filter(None, (str(row["verdict"]), str(row["reason"] or "")))),)
    mark = method_mark(study.measured, method)
    return Line(name, value, low, high, mark, right, is_minor=not row["leads"])


def _draw(figure: Figure, top: float, panel: _Panel) -> None:
    axes = block_axes(figure, Block(LEFT, top, AXES, len(panel.lines)))
    for place, line in enumerate(panel.lines):
        draw_line(axes, place, line)
        name_left(axes, place, line.name, width_inch=LEFT - 0.3, pad_inch=0.2)
        alone = len(line.right) == 1  # a reason spans both columns
        write_right(
            axes,
            place,
            line.right,
            at_inch=COLUMNS_AT,
            width_inch=(WIDTH - LEFT - AXES - 0.2,) if alone else COLUMNS_WIDE,
            faint=alone,
        )
    ends = [value for line in panel.lines for value in (line.value, line.low, line.high)]
    fit_width(axes, ends, zero=True)
    axes.axvline(0, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    ticks(axes, "x", 5)
    axes.set_xlabel(fitted(f"effect, {panel.unit}", AXES + 0.6, TEXT_PT))
    _title(axes, panel)


def _title(axes: Axes, panel: _Panel) -> None:
    for text, up, size, weight in (
        (panel.title, 19, TEXT_PT, "bold"),
        (panel.claim, 7, SMALL_PT, "normal"),
    ):
        axes.annotate(
            fitted(text, WIDTH - 0.3, size, bold=weight == "bold"),
            (0, 1),
            xycoords="axes fraction",
            xytext=(-72 * (LEFT - 0.1), up),
            textcoords="offset points",
            fontsize=size,
            fontweight=weight,
            va="bottom",
        )
    for text, at in zip(("estimate [95 %]", "verdict"), COLUMNS_AT, strict=True):
        write = {"xycoords": "axes fraction", "textcoords": "offset points"}
        axes.annotate(
            text, (1, 1), xytext=(72 * at, 7), fontsize=SMALL_PT, color=MUTED, va="bottom", **write
        )
