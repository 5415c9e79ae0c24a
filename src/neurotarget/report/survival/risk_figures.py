"""Figures of predicted risks: calibration by groups of people, and decision curves."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy import ndarray

from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    MUTED,
    SERIES,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.panels import Mark, head, legend
from neurotarget.report.outcome_figures.class_panels import mark_shares
from neurotarget.stats.survival.risk_checks import net_benefit
from neurotarget.stats.survival.survival_study import SurvivalStudy

MARKS = {
    "clinical": Mark(SERIES[0], "o", "-"),
    "image": Mark(SERIES[1], "s", (0, (5, 2))),
    "both": Mark(SERIES[2], "D", (0, (3, 1, 1, 1))),
}
MOST_PANELS = 3
SHIFT = 0.012  # of the points of sets, so that their intervals do not overlap
MOST_THRESHOLD = 0.9


def _drawn(study: SurvivalStudy) -> dict[str, Float[ndarray, "H N"]]:
    """Return held-out risks of clinical terms, image terms and both, without further sets."""
    return {name: risk for name, risk in study.risks.items() if name in MARKS}


@look()
def risk_calibration_figure(study: SurvivalStudy) -> Figure | None:
    """Draw the observed over the predicted risk of groups of people, one panel per horizon.

    Risks are of people held out; sets of terms are shifted so that their intervals do not overlap.
    None without groups.

    It reads the table `calibration_groups`: `predicted` and `observed` risk with its interval, by
    `terms` and `months`.
    """
    table, months = study.tables["calibration_groups"], study.plan.horizons_months[:MOST_PANELS]
    if not len(table):
        return None
    figure, panels = _panels("risk_calibration", months)
    for axes, month in zip(panels, months, strict=True):
        axes.plot([0, 1], [0, 1], color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
        for place, name in enumerate(_drawn(study)):
            mark, shift = MARKS[name], SHIFT * (place - (len(_drawn(study)) - 1) / 2)
            rows = table[(table["terms"] == name) & (table["months"] == month)]
            x = rows["predicted"] + shift
            axes.vlines(x, rows["low"], rows["high"], color=mark.colour, lw=1.1, zorder=3)
            axes.plot(x, rows["observed"], ls="none", marker=mark.marker, markersize=4.5,
                      color=mark.colour, zorder=4)  # fmt: skip
        axes.set(xlim=(0, 1), ylim=(0, 1))
        mark_shares(axes.xaxis)
        mark_shares(axes.yaxis)
        axes.set_xlabel("predicted risk")
    panels[0].set_ylabel("observed risk")
    legend(figure, {name: MARKS[name] for name in _drawn(study)})
    return finished(figure)


@look()
def decision_figure(study: SurvivalStudy) -> Figure | None:
    """Draw net benefit over the threshold at which one would act, one panel per horizon.

    Acting on everyone and on nobody are drawn for comparison. None without risks or horizons; at
    most three horizons are drawn.

    Source: Vickers et al. 2008, doi:10.1186/1472-6947-8-53.
    """
    months = study.plan.horizons_months[:MOST_PANELS]
    if not _drawn(study) or not months:
        return None
    figure, panels = _panels("decision_curves", months)
    days, event = study.cohort.days, study.cohort.event
    for place, axes in enumerate(panels):
        day, top = float(study.plan.horizons[place]), 0.1
        for name, risk in _drawn(study).items():
            found = net_benefit(days, event, risk[place], day)
            shown = found.thresholds <= MOST_THRESHOLD
            axes.plot(found.thresholds[shown], found.model[shown], color=MARKS[name].colour,
                      ls=MARKS[name].line, lw=1.6, zorder=3)  # fmt: skip
            top = max(top, float(np.nanmax(found.model[shown])))
        axes.plot(found.thresholds[shown], found.everyone[shown], color=INK, lw=1.0,
                  ls=(0, (1, 1.5)), zorder=2)  # fmt: skip
        axes.axhline(0, color=MUTED, lw=1.0, zorder=1)
        axes.set(xlim=(0, MOST_THRESHOLD), ylim=(-0.12 * top, 1.08 * top))
        axes.xaxis.set_major_locator(MultipleLocator(0.2))
        axes.set_xlabel("threshold of risk")
    panels[0].set_ylabel("net benefit")
    marks = {name: MARKS[name] for name in _drawn(study)}
    legend(figure, {**marks, "everyone": Mark(INK, "", (0, (1, 1.5))),
                    "nobody": Mark(MUTED, "", "-")}, lines=True)  # fmt: skip
    return finished(figure)


def _panels(name: str, months: Sequence[float]) -> tuple[Figure, list[Axes]]:
    width = WIDTH_INCH if len(months) > 1 else 4.2
    figure = new_figure(name, width, 3.3 if len(months) > 1 else 4.2)
    panels = list(figure.subplots(1, len(months), squeeze=False).ravel())
    for axes, month in zip(panels, months, strict=True):
        head(axes, f"within {month:g} months", width_inch=width / len(months) - 0.6)
        axes.grid(color=GRID, lw=0.6)
    return figure, panels
