"""Figure of an effect within and without each site, and of volumes by site."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import GRID, INK, MUTED, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import fitted, plain
from neurotarget.report.drawing.panels import (
    Mark,
    case_urls,
    jitter,
    legend,
    method_mark,
    points,
    scale,
    table,
    ticks,
)
from neurotarget.report.drawing.row_figure import (
    Block,
    Line,
    block_axes,
    draw_line,
    fit_width,
    name_left,
)
from neurotarget.report.text.numbers import unit_text
from neurotarget.stats.study.results import Study

MOST_SITES, MOST_EFFECTS, MOST_METHODS = 40, 3, 2
WIDTH, LEFT, GAP = 8.2, 1.75, 0.3  # inches
TOP, FOOT = 0.9, 0.6


@look()
def sites_figure(study: Study, which: int = 0) -> Figure | None:
    """Draw one effect within each site and without it, and volumes by site; one row per site.

    `which` is an index into `sites_effects`. None where there are fewer effects, or one site only.
    """
    effects = sites_effects(study)
    if which >= len(effects):
        return None
    hypothesis, label = effects[which]
    rows = table(study, "sites", hypothesis=hypothesis, label=label)
    sites = list(dict.fromkeys(rows["site"]))[:MOST_SITES]
    row_inch = min(max(3.0 / len(sites), 0.24), 0.5)
    height = TOP + FOOT + row_inch * len(sites)
    figure = new_figure(sites_name(which), WIDTH, height, free=True)
    wide = (WIDTH - LEFT - 2 * GAP - 0.2) / 3
    axes = [
        block_axes(figure, Block(LEFT + k * (wide + GAP), TOP, wide, len(sites), row_inch))
        for k in range(3)
    ]
    methods = [name for name in study.measured.methods if name in set(rows["method"])]
    methods = methods[:MOST_METHODS]
    marks = {name: method_mark(study.measured, name) for name in methods}
    for kind, panel in zip(("within", "without"), axes[:2], strict=True):
        _effects(panel, rows, kind, sites, marks)
        _overall(panel, study, hypothesis, label, marks)
        panel.set_xlabel(fitted(f"effect, {unit_text(str(rows['unit'].iloc[0]))}", wide, TEXT_PT))
    _volumes(axes[2], study, label, sites, marks)
    _names(axes[0], rows, sites)
    titles = ("each site alone", "all but this site", "volumes")
    for panel, title in zip(axes, titles, strict=True):
        for place in range(1, len(sites)):
            panel.axhline(place - 0.5, color=GRID, lw=0.6, zorder=0)
        panel.set_title(fitted(title, wide, TEXT_PT, bold=True), pad=6)
    title = f"{hypothesis.replace('_', ' ')}, {label or 'total'}"
    figure.text(0.1 / WIDTH, 1 - 0.4 / height, fitted(title, WIDTH - 0.2, 10, bold=True),
                fontsize=10, fontweight="bold", va="center")  # fmt: skip
    legend(figure, marks)
    return finished(figure)


def sites_effects(study: Study) -> list[tuple[str, str]]:
    """Return hypothesis and label of each figure, if estimated within or without some site.

    Each hypothesis has one figure, for the label that it is about.
    """
    rows = table(study, "sites")
    if not len(rows) or rows["site"].nunique() < 2:
        return []
    known = rows[["estimate_within", "estimate_without"]].astype(float).notna().any(axis=1)
    found = {}
    for hypothesis, part in rows[known].groupby("hypothesis", sort=False):
        labels = list(dict.fromkeys(part["label"]))
        declared = table(study, "effects", hypothesis=hypothesis)
        wanted = declared["label"].iloc[0] if len(declared) else study.measured.labels[-1]
        found[str(hypothesis)] = str(wanted if wanted in labels else labels[0])
    return list(found.items())[:MOST_EFFECTS]


def sites_name(which: int) -> str:
    """Return the name of an effect's figure, numbered from the second on."""
    return "sites" if which == 0 else f"sites_{which + 1}"


def _places(count: int) -> list[float]:
    """Vertical offsets of the methods within a row."""
    return [0.0] if count == 1 else [-0.18, 0.18]


def _effects(
    panel: Axes, rows: pd.DataFrame, kind: str, sites: list, marks: Mapping[str, Mark]
) -> None:
    ends = []
    for (method, mark), shift in zip(marks.items(), _places(len(marks)), strict=True):
        for _, row in rows[rows["method"] == method].iterrows():
            if row["site"] not in sites:
                continue
            values = (row[f"estimate_{kind}"], row[f"{kind}_low"], row[f"{kind}_high"])
            line = Line("", *(float(value) for value in values), mark, is_minor=len(sites) > 10)
            draw_line(panel, sites.index(row["site"]) + shift, line)
            ends += [line.value, line.low, line.high]
    fit_width(panel, ends, zero=True)
    panel.axvline(0, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    ticks(panel, "x", 4)


def _overall(
    panel: Axes, study: Study, hypothesis: str, label: str, marks: Mapping[str, Mark]
) -> None:
    """Draw the effect in the whole cohort as a line behind the sites."""
    for method, mark in marks.items():
        rows = table(
            study, "effects", hypothesis=hypothesis, label=label, method=method, leads=True
        )
        if len(rows) and math.isfinite(rows.iloc[0]["estimate"]):
            panel.axvline(
                rows.iloc[0]["estimate"], color=mark.colour, ls=mark.line, lw=1, alpha=0.6, zorder=1
            )


def _volumes(panel: Axes, study: Study, label: str, sites: list, marks: Mapping[str, Mark]) -> None:
    label = label or study.measured.labels[-1]
    shared = scale(study, [label])
    site_of = study.measured.covariates["site"].astype(str)
    half = 0.3 / len(marks)
    for (method, mark), shift in zip(marks.items(), _places(len(marks)), strict=True):
        cases = points(study, label, (method,))
        for place, site in enumerate(sites):
            values = (cases[site_of[cases.index] == str(site)][0] / shared.mm3).sort_values()
            if not len(values):
                continue
            drawn = panel.scatter(
                values, place + shift + jitter(values.to_numpy(), half * 0.8), s=7,
                marker=mark.marker, facecolor=mark.colour, alpha=0.4, linewidths=0, zorder=2,
            )  # fmt: skip
            drawn.set_urls(case_urls(values.index))
            panel.plot([values.median()] * 2, [place + shift - half, place + shift + half],
                       color=INK, lw=1.8, zorder=4)  # fmt: skip
    panel.set_xlabel(f"volume, {shared.unit}")
    ticks(panel, "x", 4)


def _names(panel: Axes, rows: pd.DataFrame, sites: list) -> None:
    counts = rows.groupby("site")["n"].max()
    for place, site in enumerate(sites):
        n = counts.get(site, np.nan)
        text = f"{plain(site)} (n = {int(n)})" if np.isfinite(n) else plain(site)
        name_left(panel, place, text, width_inch=LEFT - 0.2, pad_inch=0.1)
