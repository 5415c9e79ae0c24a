"""Figure of a quantity over age by sex, with one column per method and equal axes.

The study fits a curve for each sex; a panel shows the fitted mean with its 95 % band and all cases.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import WIDTH_INCH, finished, look
from neurotarget.report.drawing.panels import (
    MOST_PANELS,
    Mark,
    PanelLabels,
    by_sex,
    head,
    legend,
    panel_grid,
    panel_labels,
    points,
    scale,
    scatter,
    sex_mark,
    sex_name,
    ticks,
)
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.study.results import Study

MOST_METHODS = 3
PANEL_INCH = 2.75


@look()
def ages_figure(study: Study) -> Figure | None:
    """Draw values over age with a curve and its 95 % band for each sex, one column per method.

    With a single method there is one panel per label. Axes of a row are equal, so that methods can
    be compared. Returns None where no curve could be fitted.

    The figure reads the tables `curves` (mean and band by sex) and `age` (slope per year, above
    each panel).
    """
    methods, labels = ages_methods(study), ages_labels(study).labels
    if not labels:
        return None
    columns = len(methods) if len(methods) > 1 else min(len(labels), 3)
    cells = [(label, method) for label in labels for method in methods]
    width = {1: 4.4}.get(columns, WIDTH_INCH)
    size = {"width_inch": width, "row_inch": PANEL_INCH}
    share = {"sharex": True, "sharey": "row" if len(methods) > 1 else False}
    figure, panels = panel_grid("ages", len(cells), columns, **size, **share)
    shared, marks = scale(study, labels), {}
    for panel, (label, method) in zip(panels, cells, strict=True):
        curves = rows_of(study, "curves", label=label, method=method)
        curves = curves.rename(columns={study.measured.main.name: "mean"})
        marks |= _draw(panel, points(study, label, (method,)), curves, shared.size)
        title = label if len(methods) == 1 else f"{label}, {method}"
        lines = _slope_lines(study, label, method)
        lines = lines if columns > 2 else [", ".join(lines)] if lines else []
        head(panel, title, lines, width_inch=width / columns - 0.75)
    for panel in panels[-columns:]:  # the lowest of each column, also in an incomplete row
        panel.tick_params(labelbottom=True)
    figure.supxlabel("age, years", fontsize=9)
    figure.supylabel(shared.title(study.measured.main.noun), fontsize=9)
    legend(figure, marks, lines=True)
    return finished(figure)


def ages_methods(study: Study) -> tuple[str, ...]:
    """Return the first three methods, which have a column each; the reference comes first."""
    return study.measured.methods[:MOST_METHODS]


def ages_labels(study: Study) -> PanelLabels:
    """Choose labels with at least one curve; if there are too many, those with least agreement.

    Each label has a row of panels, so with more methods fewer labels are shown.
    """
    methods = ages_methods(study)
    known = panel_labels(study, methods, MOST_PANELS // max(len(methods), 1))
    curves = rows_of(study, "curves")
    fitted = (
        set(curves.dropna(subset=[study.measured.main.name])["label"]) if len(curves) else set()
    )
    return PanelLabels([label for label in known.labels if label in fitted], known.left_out)


def _draw(panel: Axes, cases: pd.DataFrame, curves: pd.DataFrame, size: float) -> dict[str, Mark]:
    marks = {}
    for name, mark, part in by_sex(cases.dropna(subset=["age"])):
        scatter(panel, part["age"], part[0] / size, mark, part.index)
        marks[name] = mark
    if not len(curves):
        return marks
    for sex, part in curves.dropna(subset=["age", "mean"]).groupby("sex"):
        line, mark = part.sort_values("age"), sex_mark(sex_name(sex))
        panel.fill_between(
            line["age"],
            line["low"] / size,
            line["high"] / size,
            color=mark.colour,
            alpha=0.22,
            lw=0,
        )
        panel.plot(line["age"], line["mean"] / size, color=mark.colour, ls=mark.line, lw=1.8,
                   zorder=4)  # fmt: skip
    ticks(panel, "x", 5)
    ticks(panel, "y", 5)
    return marks


def _slope_lines(study: Study, label: str, method: str) -> list[str]:
    rows = rows_of(study, "age", label=label, method=method)
    if not len(rows):
        return []
    row: Mapping = rows.iloc[0]
    if not np.isfinite(row["slope"]):
        return [str(row["reason"] or "slope not estimable")]
    return [estimate(row, "slope", sign=True, unit=str(row["unit"])), f"n = {int(row['n'])}"]
