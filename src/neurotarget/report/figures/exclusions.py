"""Flow diagram of cases, from the manifest to each effect.

A step is a box with the number of remaining cases; at its right are the number of excluded cases
and the reason.
"""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import (
    INK,
    MUTED,
    SMALL_PT,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import plain
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.cohort.flow import EFFECT, FAILED, NO_PREDICTION
from neurotarget.stats.study.results import Study

NAME = "flow"
LINE_INCH, PAD_INCH, GAP_INCH = 0.3, 0.2, 0.28
LEFT, MIDDLE, RIGHT = 0.02, 0.55, 0.62  # shares of the width: ends of boxes, start of exclusions
MOST = 12  # most lines in a box
LETTERS = 44


@look()
def flow_figure(study: Study) -> Figure | None:
    """Draw a box per step with the counts of each method, and exclusions with their reasons.

    At most 12 methods or effects of a step are listed; the last line counts all others. Returns
    None without steps.

    The figure reads the table `flow`: `step`, `of` (a method or effect), `n`, `n_left_out` and
    `why`.
    """
    table = rows_of(study, "flow")
    if not len(table):
        return None
    rows = table.fillna({"why": "", "of": ""})
    steps = [own.to_dict("records") for _, own in rows.groupby("step", sort=False)]
    sizes = [PAD_INCH + LINE_INCH * len(_lines(step)) for step in steps]
    height = sum(sizes) + GAP_INCH * len(steps) + 0.1
    figure = new_figure(NAME, WIDTH_INCH, height, free=True)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(height, 0)
    top = 0.05
    for place, (step, size) in enumerate(zip(steps, sizes, strict=True)):
        _box(axes, step, top, size)
        if place:
            _arrow(axes, top)
        top += size + GAP_INCH
    return finished(figure)


def _box(axes: Axes, step: list[dict], top: float, size: float) -> None:
    """Draw a step: a line for each method or effect, with its exclusions at the same height."""
    corners = [(LEFT, top), (MIDDLE, top), (MIDDLE, top + size), (LEFT, top + size)]
    axes.plot(*zip(*corners, corners[0], strict=True), color=INK, lw=0.8)
    for place, (text, note) in enumerate(_lines(step)):
        at = top + PAD_INCH / 2 + LINE_INCH * (place + 0.5)
        axes.text((LEFT + MIDDLE) / 2, at, text, ha="center", va="center", fontsize=TEXT_PT)
        if note:
            axes.plot([MIDDLE, RIGHT - 0.01], [at, at], color=MUTED, lw=0.8)
            axes.text(RIGHT, at, note, ha="left", va="center", fontsize=SMALL_PT)


def _arrow(axes: Axes, top: float) -> None:
    centre = (LEFT + MIDDLE) / 2
    arrow = {"arrowstyle": "->", "color": MUTED}
    axes.annotate("", (centre, top), (centre, top - GAP_INCH), arrowprops=arrow)


def _lines(step: list[dict]) -> list[tuple[str, str]]:
    """Return the texts of a box, each with its note; several methods are below the step's name."""
    name = step[0]["step"]
    name = f"of these, {name}" if name in (FAILED, NO_PREDICTION) else name
    name = f"{name[:1].upper()}{name[1:]}"
    if len(step) == 1 and not step[0]["of"]:
        return [(f"{name}: {_count(step[0])}", _note(step[0]))]
    each = [(_wrapped(f"{plain(row['of'])}: {_count(row)}"), _note(row)) for row in step]
    more = [(f"and {len(each) - MOST} more", "")] if len(each) > MOST else []
    return [(name, ""), *each[:MOST], *more]


def _count(row: dict) -> str:
    return counted(int(row["n"]), "person" if row["step"] == EFFECT else "case")


def _note(row: dict) -> str:
    if not row["why"]:
        return ""
    left = f"{counted(int(row['n_left_out']), 'case')} left out: " if row["n_left_out"] else ""
    return _wrapped(f"{left}{row['why']}")


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, LETTERS)[:2])
