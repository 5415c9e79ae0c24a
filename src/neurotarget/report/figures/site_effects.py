"""Figure of an effect within and without each site, and of the main quantity by site.

A row shows whether the exclusion of the site changes the effect, and the effect in the site alone.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import INK, TEXT_PT, finished, look, new_figure
from neurotarget.report.drawing.lettering import fitted, plain
from neurotarget.report.drawing.panels import (
    Mark,
    case_urls,
    jitter,
    legend,
    method_mark,
    points,
    scale,
    ticks,
)
from neurotarget.report.drawing.row_figure import (
    LARGE_PT,
    SMALL_MARK_PT,
    Frame,
    Point,
    Row,
    draw_rows,
    write_title,
    zero_line,
)
from neurotarget.report.text.placeholders import in_unit
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.study.results import Study

MOST_SITES, MOST_EFFECTS, MOST_METHODS = 40, 3, 2
WIDTH, LEFT, GAP = 8.2, 1.75, 0.3  # inches
TOP, FOOT = 0.9, 0.6


@look()
def sites_figure(study: Study, which: int = 0) -> Figure | None:
    """Draw one effect in each site alone and in all other sites, and values; one row per site.

    `which` is an index into `sites_effects`. Returns None where there are fewer effects, or only
    one site.

    The figure reads the tables `sites` (estimates in each site alone and in all other sites) and
    `effects` (the line of the whole cohort). Only the first 40 sites are drawn.
    """
    effects = sites_effects(study)
    if which >= len(effects):
        return None
    hypothesis, label = effects[which]
    table = rows_of(study, "sites", hypothesis=hypothesis, label=label)
    table = table.assign(site=table["site"].astype(str))
    sites = list(dict.fromkeys(table["site"]))[:MOST_SITES]
    row_inch = min(max(3.0 / len(sites), 0.24), 0.5)
    height = TOP + FOOT + row_inch * len(sites)
    figure = new_figure(sites_name(which), WIDTH, height, free=True)
    wide = (WIDTH - LEFT - 2 * GAP - 0.2) / 3
    methods = [name for name in study.measured.methods if name in set(table["method"])]
    marks = {name: method_mark(study.measured, name) for name in methods[:MOST_METHODS]}
    names, panels = _names(table, sites), []
    kinds = {
        "within": "each site alone",
        "without": "all but this site",
        "": study.measured.main.plural,
    }
    for place, (kind, title) in enumerate(kinds.items()):
        rows = [Row([name]) for name in names] if place == 0 else [Row([])] * len(sites)
        if kind:
            points = _points(table, kind, sites, marks)
            rows = [row._replace(points=own) for row, own in zip(rows, points, strict=True)]
        frame = Frame(LEFT + place * (wide + GAP), TOP, wide, row_inch)
        panel, _ = draw_rows(figure, rows, frame, zero=bool(kind), lines=True)
        if kind:
            zero_line(panel)
            _overall(panel, study, hypothesis, label, marks)
            unit = str(table["unit"].iloc[0])
            panel.set_xlabel(fitted(in_unit("effect", unit), wide, TEXT_PT))
        panel.set_title(fitted(title, wide, TEXT_PT, bold=True), pad=6)
        panels.append(panel)
    _values(panels[-1], study, label, sites, marks)
    for panel in panels:
        ticks(panel, "x", 4)
    title = f"{hypothesis.replace('_', ' ')}, {label or 'total'}"
    title = fitted(title, WIDTH - 0.2, 10, bold=True)
    write_title(panels[0], title, LEFT, 72 * (TOP - 0.45), size_pt=10, is_bold=True)
    legend(figure, marks)
    return finished(figure)


def sites_effects(study: Study) -> list[tuple[str, str]]:
    """Return hypothesis and label of each figure whose effect was estimated for some site.

    Each of the first three hypotheses has one figure, for the label of the hypothesis. Empty with a
    single site.
    """
    rows = rows_of(study, "sites")
    if not len(rows) or rows["site"].nunique() < 2:
        return []
    known = rows[["estimate_within", "estimate_without"]].astype(float).notna().any(axis=1)
    effects = {}
    for hypothesis, part in rows[known].groupby("hypothesis", sort=False):
        labels = list(dict.fromkeys(part["label"]))
        declared = rows_of(study, "effects", hypothesis=hypothesis)
        wanted = declared["label"].iloc[0] if len(declared) else study.measured.labels[-1]
        effects[str(hypothesis)] = str(wanted if wanted in labels else labels[0])
    return list(effects.items())[:MOST_EFFECTS]


def sites_name(which: int) -> str:
    """Return the name of an effect's figure: sites for the first, then sites_2 and so on.

    `which` counts from 0, as in `sites_figure`.
    """
    return "sites" if which == 0 else f"sites_{which + 1}"


def _shifts(marks: Mapping[str, Mark]) -> dict[str, float]:
    """Return the vertical offsets of the methods within a row."""
    return dict(zip(marks, [0.0] if len(marks) == 1 else [-0.18, 0.18], strict=True))


def _points(
    table: pd.DataFrame, kind: str, sites: list[str], marks: Mapping[str, Mark]
) -> list[list[Point]]:
    """Return the estimates of each site by method, within the site or without it."""
    size_pt, shifts = SMALL_MARK_PT if len(sites) > 10 else LARGE_PT, _shifts(marks)
    keys = (f"estimate_{kind}", f"{kind}_low", f"{kind}_high")
    own = table[table["method"].isin(marks)]
    points: dict[str, list[Point]] = {site: [] for site in sites}
    for row in own[own["site"].isin(sites)].to_dict("records"):
        ends, mark = (float(row[key]) for key in keys), marks[row["method"]]
        points[row["site"]].append(Point(*ends, mark, shifts[row["method"]], size_pt))
    return list(points.values())


def _overall(
    panel: Axes, study: Study, hypothesis: str, label: str, marks: Mapping[str, Mark]
) -> None:
    """Draw the effect in the whole cohort as a line behind the sites."""
    for method, mark in marks.items():
        rows = rows_of(
            study, "effects", hypothesis=hypothesis, label=label, method=method, leads=True
        )
        if len(rows) and math.isfinite(rows.iloc[0]["estimate"]):
            panel.axvline(
                rows.iloc[0]["estimate"], color=mark.colour, ls=mark.line, lw=1, alpha=0.6, zorder=1
            )


def _values(panel: Axes, study: Study, label: str, sites: list, marks: Mapping[str, Mark]) -> None:
    label = label or study.measured.labels[-1]
    shared = scale(study, [label])
    site_of = study.measured.covariates["site"].astype(str)
    half = 0.3 / len(marks)
    for method, shift in _shifts(marks).items():
        mark = marks[method]
        cases = points(study, label, (method,))
        for place, site in enumerate(sites):
            values = (cases[site_of[cases.index] == site][0] / shared.size).sort_values()
            if not len(values):
                continue
            cloud = panel.scatter(
                values, place + shift + jitter(values.to_numpy(), half * 0.8), s=7,
                marker=mark.marker, facecolor=mark.colour, alpha=0.4, linewidths=0, zorder=2,
            )  # fmt: skip
            cloud.set_urls(case_urls(values.index))
            panel.plot([values.median()] * 2, [place + shift - half, place + shift + half],
                       color=INK, lw=1.8, zorder=4)  # fmt: skip
    panel.set_xlabel(shared.title(study.measured.main.noun))


def _names(table: pd.DataFrame, sites: list[str]) -> list[str]:
    counts = table.groupby("site")["n"].max()
    known = {site: f" (n = {int(n)})" for site, n in counts.items() if np.isfinite(n)}
    return [f"{plain(site)}{known.get(site, '')}" for site in sites]
