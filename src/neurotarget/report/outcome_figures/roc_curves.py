"""ROC, precision–recall and free-response curves of predicted classes and of marks.

Circles stand for the threshold 0.5 and diamonds for the threshold of the run, with the intervals of
sensitivity and specificity.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.number_text import number
from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    MUTED,
    SERIES,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.panels import PanelLabels, head
from neurotarget.report.outcome_figures.class_panels import (
    class_panels,
    mark_shares,
    separable_labels,
)
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.outcome_texts import class_text, positive_text
from neurotarget.report.text.sentences import records
from neurotarget.stats.core.operating_curve import Curve, operating_curve
from neurotarget.stats.study.results import Study

MOST_ROWS = 6
PANEL_INCH = 3.1  # height of a row
FREE_INCH = 3.4
LEAST_FALSE = 0.5  # false marks per film: smallest end of the axis, for short curves
LOW = 0.1  # below this prevalence its text is above the line
MARKERS = ("o", "D")  # of the threshold 0.5, and of the threshold of the run


@look()
def discrimination_figure(study: Study) -> Figure | None:
    """Draw ROC and precision–recall curves with the operating points; None without predictions.

    Each of the first six labels has a row. Operating points have the intervals of sensitivity and
    specificity. Curves are computed from all predicted cases; areas, points and intervals are read
    from the table `discrimination`. The dotted lines are chance level.
    """
    drawn = list(separable_labels(study).items())
    shown = drawn[:MOST_ROWS]
    if not shown:
        return None
    height = PANEL_INCH * len(shown) + 0.6
    figure = new_figure("discrimination", WIDTH_INCH, height)
    for row, (label, sample) in zip(
        figure.subplots(len(shown), 2, squeeze=False), shown, strict=True
    ):
        curve = operating_curve(sample.p, sample.is_positive)
        rows = records(study, "discrimination", label=label, stratum="all")
        title = class_text(study, label) if len(drawn) > 1 else ""
        counts = f"n = {len(sample.y)}, {positive_text(study, label, int(sample.y.sum()))}"
        _roc(row[0], curve, rows, title, counts)
        _precision(row[1], curve, rows, title)
    return finished(figure)


@look()
def free_response_figure(study: Study) -> Figure | None:
    """Draw the share of marked findings against false marks per film; None without marks.

    Points with intervals are the rates of the table `free_response` that the curve reaches.
    """
    curve = study.tables.get("free_response_curve")
    if curve is None or not len(curve):
        return None
    rates = study.tables["free_response"]
    figure = new_figure("free_response", WIDTH_INCH, FREE_INCH)
    axes = figure.subplots()
    style = {"color": SERIES[0], "lw": 1.8, "zorder": 3, "clip_on": False}
    axes.plot(curve["false_per_film"], curve["sensitivity"], drawstyle="steps-post", **style)
    reached = rates[rates["false_per_film"] <= curve["false_per_film"].max()]
    for one in reached.itertuples():
        at = [one.false_per_film] * 2
        axes.plot(at, [one.low, one.high], color=INK, lw=1.2, zorder=4, clip_on=False)
        axes.plot(at[:1], [one.value], color=INK, marker="o", markersize=5, zorder=5, clip_on=False)
    row = rates.iloc[0]
    head(axes, "Free response", [f"{row.n_findings} findings in {row.n} films"], width_inch=5.0)
    axes.set(xlabel="false marks per film", ylabel="sensitivity", ylim=(0, 1))
    axes.set_xlim(0, max(float(curve["false_per_film"].max()), LEAST_FALSE))
    mark_shares(axes.yaxis)
    axes.grid(color=GRID, lw=0.6)
    return finished(figure)


def discrimination_labels(study: Study) -> PanelLabels:
    """Return the labels with curves, and the number of labels left out.

    Labels without positive or without negative cases are not counted.
    """
    return class_panels(study, MOST_ROWS)


def _roc(axes: Axes, curve: Curve, rows: list[dict], title: str, counts: str) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    style = {"color": SERIES[0], "lw": 1.8, "zorder": 3, "clip_on": False}
    axes.plot(curve.false_positive_rate, curve.sensitivity, **style)
    area = _row(rows, "auroc")
    head(
        axes,
        f"ROC{f', {title}' if title else ''}",
        [f"AUROC {estimate(area, digits=2)}", counts],
        width_inch=2.9,
    )
    for marker, threshold in zip(MARKERS, _thresholds(rows), strict=False):
        _operating_point(axes, rows, threshold, marker)
    axes.set(xlabel="1 − specificity", ylabel="sensitivity")
    _square(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", borderaxespad=0.2)


def _operating_point(axes: Axes, rows: list[dict], threshold: float, marker: str) -> None:
    """Draw sensitivity and specificity at a threshold with their intervals."""
    sensitivity, specificity = (
        _row(rows, name, threshold) for name in ("sensitivity", "specificity")
    )
    x, y = 1 - specificity["value"], sensitivity["value"]
    if not np.isfinite(x + y):
        return
    style = {"color": INK, "lw": 1.2, "zorder": 4, "clip_on": False}
    axes.plot([1 - specificity["high"], 1 - specificity["low"]], [y, y], **style)
    axes.plot([x, x], [sensitivity["low"], sensitivity["high"]], **style)
    name = "" if np.isnan(threshold) else f"p > {number(threshold, 2)}: "
    axes.plot(
        [x], [y], ls="none", marker=marker, markersize=6, color=INK, zorder=5, clip_on=False,
        label=f"{name}sens. {number(y, 2)}, spec. {number(1 - x, 2)}",
    )  # fmt: skip


def _precision(axes: Axes, curve: Curve, rows: list[dict], title: str) -> None:
    prevalence, ranked = (_row(rows, name) for name in ("prevalence", "average_precision"))
    axes.axhline(prevalence["value"], color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    hits = curve.sensitivity > 0  # without a hit there is no precision to show
    sensitivity, precision = curve.sensitivity[hits], curve.precision[hits]
    axes.plot(np.r_[0.0, sensitivity], np.r_[precision[:1], precision], color=SERIES[0], lw=1.8,
              zorder=3, clip_on=False, drawstyle="steps-pre")  # fmt: skip
    is_low = prevalence["value"] < LOW
    axes.annotate(
        f"prevalence {number(prevalence['value'], 2)}",
        (1, prevalence["value"]),
        xytext=(-2, 9 if is_low else -3),
        textcoords="offset points",
        fontsize=SMALL_PT,
        color=MUTED,
        ha="right",
        va="bottom" if is_low else "top",
    )
    for marker, threshold in zip(MARKERS, _thresholds(rows), strict=False):
        place = [_row(rows, name, threshold)["value"] for name in ("sensitivity", "ppv")]
        if np.isfinite(place).all():
            axes.plot(*([one] for one in place), ls="none", marker=marker, markersize=6, color=INK,
                      zorder=5, clip_on=False)  # fmt: skip
    head(
        axes,
        f"Precision–recall{f', {title}' if title else ''}",
        [f"average precision {estimate(ranked, digits=2)}", " "],
        width_inch=2.9,
    )
    axes.set(xlabel="sensitivity (recall)", ylabel="positive predictive value")
    _square(axes)


def _square(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_box_aspect(1)
    mark_shares(axes.xaxis, axes.yaxis)
    axes.grid(color=GRID, lw=0.6)


def _thresholds(rows: list[dict]) -> list[float]:
    """Return the thresholds of a label; NaN stands for the class of the largest probability."""
    return list(dict.fromkeys(row["threshold"] for row in rows if row["statistic"] == "ppv"))


def _row(rows: list[dict], statistic: str, threshold: float = np.nan) -> Mapping:
    """Return the row of a statistic, at a threshold if the statistic has one."""
    own = [row for row in rows if row["statistic"] == statistic]
    same = [row for row in own if np.isnan(threshold) or row["threshold"] == threshold]
    return next(iter(same), dict.fromkeys(("value", "low", "high"), np.nan))
