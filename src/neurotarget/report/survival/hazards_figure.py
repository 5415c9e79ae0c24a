"""Forest of hazard ratios: those of numbers per SD, of categories against all others."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from neurotarget.number_text import stated
from neurotarget.report.drawing.figure import finished, look, new_figure
from neurotarget.report.drawing.panels import METHODS
from neurotarget.report.drawing.row_figure import (
    Column,
    Frame,
    Point,
    Row,
    Text,
    draw_rows,
    rows_inch,
    zero_line,
)
from neurotarget.report.text.numbers import estimate, p_value

WIDTH, LEFT, AXES = 8.05, 2.6, 2.6  # inches
HEAD, FOOT = 0.35, 0.55
COLUMNS = (Column(0.15, 1.65, "hazard ratio [95 %]"), Column(1.85, 0.7, "p"))
MOST_TERMS = 30
RATIOS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
FINE = (0.25, 0.5, 0.7, 1, 1.4, 2, 4)


@look()
def hazards_figure(hazards: pd.DataFrame, terms: str) -> Figure | None:
    """Draw the hazard ratios of one set of terms on a logarithmic axis; None without any.

    A ratio of a number is per SD, so that terms in different units can be compared; at most 30
    terms are drawn.

    Args:
        hazards: one row per term: `terms` (its set), `term`, `hazard_ratio` per unit with `low` and
            `high`, `sd` (NaN for categories) and `p`.
        terms: set to draw: clinical, image or both.
    """
    rows = hazards[hazards["terms"] == terms] if len(hazards) else hazards
    if not len(rows):
        return None
    drawn = [_row(row) for row in rows.head(MOST_TERMS).to_dict("records")]
    figure = new_figure("hazards", WIDTH, rows_inch(drawn) + HEAD + FOOT, free=True)
    axes, _ = draw_rows(figure, drawn, Frame(LEFT, HEAD, AXES), COLUMNS, zero=True)
    zero_line(axes)
    _ratio_ticks(axes)
    axes.set_xlabel("hazard ratio")
    return finished(figure)


def _row(row: dict) -> Row:
    step = row["sd"] if math.isfinite(row["sd"]) else 1.0
    ends = [step * math.log(row[key]) for key in ("hazard_ratio", "low", "high")]
    shown = dict(zip(("value", "low", "high"), map(math.exp, ends), strict=True))
    name = str(row["term"])
    name += f", per SD ({stated(step)})" if math.isfinite(row["sd"]) else ""
    texts = [Text(estimate(shown, digits=2)), Text(p_value(row["p"]), 1)]
    return Row([name], [Point(*ends, METHODS[0])], texts)


def _ratio_ticks(axes: Axes) -> None:
    low, high = axes.get_xlim()
    ratios = FINE if high - low < math.log(12) else RATIOS
    places = [math.log(one) for one in ratios if low <= math.log(one) <= high]
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: stated(float(np.exp(place)))))
