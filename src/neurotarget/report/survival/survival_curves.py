"""Figure of survival curves with intervals and the numbers at risk below."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from neurotarget.report.drawing.figure import (
    GRID,
    MUTED,
    SERIES,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted
from neurotarget.report.drawing.panels import METHODS
from neurotarget.stats.survival.kaplan_meier import number_at_risk, survival_curve
from neurotarget.stats.survival.survival_arms import MONTH_DAYS, Cohort

MOST_GROUPS = 4
STEPS = (1, 2, 3, 6, 12, 24, 36, 60, 120)  # months between ticks
MOST_TICKS = 7
PANEL_INCH, ROW_INCH, NAME_INCH = 3.0, 0.2, 1.3
LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (3, 1, 1, 1)))


@look()
def curves_figure(
    name: str, cohort: Cohort, group: Integer[ndarray, " N"], names: Sequence[str]
) -> Figure:
    """Draw the survival of up to four groups in months, with intervals and numbers at risk.

    Ticks on a curve mark people whose follow-up ended without the event.

    Source: Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452.

    Args:
        name: of the figure, unique in a report.
        cohort: days and events of N people.
        group: number of each person's group, from 0; its name is at that place of `names`.
        names: of the groups; a single one is drawn in ink and without a legend.
    """
    shown = names[:MOST_GROUPS]
    height = PANEL_INCH + ROW_INCH * (len(shown) + 1) + 0.65
    figure = new_figure(name, WIDTH_INCH, height, free=True)
    ticks = _ticks(cohort.days)
    left, width = NAME_INCH / WIDTH_INCH, (WIDTH_INCH - NAME_INCH - 0.25) / WIDTH_INCH
    low = (ROW_INCH * (len(shown) + 1) + 0.5) / height
    axes = figure.add_axes((left, low, width, PANEL_INCH / height))
    for number, label in enumerate(shown):
        mask = group == number
        _curve(axes, cohort, mask, number, label, is_alone=len(shown) == 1)
        _at_risk(axes, cohort, mask, number, label, ticks)
    axes.annotate("at risk", (0, 0), xycoords="axes fraction", xytext=(-NAME_INCH * 72 + 6, -40),
                  textcoords="offset points", fontsize=SMALL_PT, color=MUTED)  # fmt: skip
    axes.set(xlim=(0, ticks[-1]), ylim=(0, 1.02), ylabel="survival", xlabel="months")
    axes.set_xticks(ticks)
    axes.grid(color=GRID, lw=0.6)
    if len(shown) > 1:
        axes.legend(loc="upper right")
    return finished(figure)


def _ticks(days: ndarray) -> list[float]:
    """Return ticks in months until nearly everybody's follow-up has ended."""
    last = float(np.quantile(days, 0.98)) / MONTH_DAYS
    step = next((one for one in STEPS if last / one <= MOST_TICKS), last / MOST_TICKS)
    return [step * number for number in range(int(np.ceil(last / step)) + 1)]


def _curve(
    axes: Axes, cohort: Cohort, mask: ndarray, number: int, label: str, *, is_alone: bool
) -> None:
    curve = survival_curve(cohort.days[mask], cohort.event[mask])
    colour = METHODS[0].colour if is_alone else SERIES[number]
    months = np.concatenate([[0.0], curve.days]) / MONTH_DAYS
    steps = [np.concatenate([[1.0], each]) for each in (curve.survival, curve.low, curve.high)]
    axes.step(months, steps[0], where="post", color=colour, lw=1.8, ls=LINES[number], zorder=4,
              label=fitted(label, 2.2, SMALL_PT))  # fmt: skip
    axes.fill_between(months, steps[1], steps[2], step="post", color=colour, alpha=0.14, lw=0)
    ended = cohort.days[mask & (cohort.event == 0)]
    if len(ended):
        place = np.searchsorted(curve.days, ended, side="right") - 1
        axes.plot(ended / MONTH_DAYS, curve.survival[place], ls="none", marker="|", markersize=5,
                  color=colour, markeredgewidth=0.8, zorder=5)  # fmt: skip


def _at_risk(
    axes: Axes, cohort: Cohort, mask: ndarray, number: int, label: str, ticks: Sequence[float]
) -> None:
    counts = number_at_risk(cohort.days[mask], np.array(ticks) * MONTH_DAYS)
    down = -40 - ROW_INCH * 72 * (number + 1)
    style = {"textcoords": "offset points", "fontsize": SMALL_PT, "annotation_clip": False}
    axes.annotate(fitted(label, NAME_INCH - 0.2, SMALL_PT), (0, 0), xycoords="axes fraction",
                  xytext=(-NAME_INCH * 72 + 6, down), **style)  # fmt: skip
    for tick, count in zip(ticks, counts, strict=True):
        axes.annotate(str(count), (tick, 0), xycoords=("data", "axes fraction"),
                      xytext=(0, down), ha="center", **style)  # fmt: skip
