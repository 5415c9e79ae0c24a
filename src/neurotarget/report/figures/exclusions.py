"""Flow diagram of cases, from the manifest to each effect."""

import textwrap

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
from neurotarget.report.text.sentences import counted, rows_of
from neurotarget.stats.cohort.flow import EFFECT
from neurotarget.stats.study.results import Study

NAME = "flow"
BOX_INCH, GAP_INCH = 0.5, 0.28
LEFT, MIDDLE, RIGHT = 0.02, 0.55, 0.62  # shares of the width: boxes, and exclusions
MOST = 12  # most boxes
LETTERS = 44


@look()
def flow_figure(study: Study) -> Figure | None:
    """Draw a box per step with its count, and the exclusions with reasons; None without steps."""
    table = rows_of(study, "flow")
    if not len(table):
        return None
    steps = table.fillna({"why": "", "of": ""}).to_dict("records")[:MOST]
    height = len(steps) * (BOX_INCH + GAP_INCH) + 0.1
    figure = new_figure(NAME, WIDTH_INCH, height, free=True)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(height, 0)
    for place, step in enumerate(steps):
        top = 0.05 + place * (BOX_INCH + GAP_INCH)
        middle = top + BOX_INCH / 2
        corners = [(LEFT, top), (MIDDLE, top), (MIDDLE, top + BOX_INCH), (LEFT, top + BOX_INCH)]
        axes.plot(*zip(*corners, corners[0], strict=True), color=INK, lw=0.8)
        centre = (LEFT + MIDDLE) / 2
        axes.text(centre, middle, _title(step), ha="center", va="center", fontsize=TEXT_PT)
        if place and step["step"] != steps[place - 1]["step"]:
            axes.annotate(
                "",
                (centre, top),
                (centre, top - GAP_INCH),
                arrowprops={"arrowstyle": "->", "color": MUTED},
            )
        if note := _note(step):
            axes.plot([MIDDLE, RIGHT - 0.01], [middle, middle], color=MUTED, lw=0.8)
            axes.text(RIGHT, middle, note, ha="left", va="center", fontsize=SMALL_PT)
    return finished(figure)


def _title(step: dict) -> str:
    of = f" ({plain(step['of'])})" if step["of"] else ""
    what = "person" if step["step"] == EFFECT else "case"
    return _wrapped(
        f"{step['step'][:1].upper()}{step['step'][1:]}{of}: {counted(int(step['n']), what)}"
    )


def _note(step: dict) -> str:
    if not step["why"]:
        return ""
    left = f"{counted(int(step['n_left_out']), 'case')} left out: " if step["n_left_out"] else ""
    return _wrapped(f"{left}{step['why']}")


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, LETTERS)[:3])
