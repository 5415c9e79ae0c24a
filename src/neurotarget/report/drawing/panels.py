"""Shared parts of panels: choice of labels, points, markers, legends, titles and ticks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy import ndarray

from neurotarget.levels import level
from neurotarget.number_text import unit_text
from neurotarget.report.drawing.figure import (
    CASE,
    INK,
    MUTED,
    SERIES,
    SMALL_PT,
    TEXT_PT,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, plain, wide_inch
from neurotarget.report.text.numbers import tick_text
from neurotarget.report.text.sentences import agreement_rows
from neurotarget.stats.cohort.learning import without_failed
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.study.results import Study

MOST_PANELS = 12
LINES_WIDER_INCH = 0.3  # lines of numbers may be wider than titles by this
CROWDS = ((150, 15, 0.6), (400, 9, 0.5), (np.inf, 5, 0.35))  # up to n points: size in pt², opacity
MOST_PAIRS = 3
ENTRY_INCH = 0.49  # width of a legend entry without its text: the marker and the gaps around it
LARGE_MM3 = 50_000.0  # larger volumes are shown in cm³
CM3_MM3 = 1000.0  # mm³ in a cm³


class Mark(NamedTuple):
    """Marker of a sex or a method; markers differ in shape as well as colour.

    `line` is matplotlib's line style of a curve of that group.
    """

    colour: str
    marker: str
    line: str | tuple


SEXES = {
    "F": Mark(SERIES[1], "o", "-"),
    "M": Mark(SERIES[0], "^", (0, (5, 2))),
}
OTHER_SEXES = Mark(SERIES[3], "D", (0, (1, 1.2)))
NO_SEX = Mark(MUTED, "s", (0, (3, 1, 1, 1)))
EVERYBODY = Mark(INK, "o", "-")
METHODS = (
    Mark(INK, "o", "-"),
    Mark(SERIES[2], "s", (0, (5, 2))),
    Mark(SERIES[3], "D", (0, (1, 1.2))),
    Mark(SERIES[4], "^", (0, (3, 1, 1, 1))),
)
SEX_WORDS = {"F": "women", "M": "men"}
UNKNOWN = "sex unknown"


class Scale(NamedTuple):
    """Unit of the values in a figure ("" for none), and its size in the quantity's own unit.

    Values are divided by `size` before they are plotted: 1000 for mm³ shown in cm³.
    """

    unit: str
    size: float

    def title(self, text: str) -> str:
        """Return the title of an axis with the unit, if there is one: `volume, mm³`."""
        return f"{text}, {self.unit}" if self.unit else text


class PanelLabels(NamedTuple):
    """Labels that have a panel, in the target's order, and the number of labels left out."""

    labels: list[str]
    left_out: int


def pairs(measured: Measured) -> list[tuple[str, str]]:
    """Return the first three pairs of methods, which have figures of their own.

    Pairs with the reference come first.
    """
    return list(measured.pairs[:MOST_PAIRS])


def pair_name(measured: Measured, pair: tuple[str, str], kind: str) -> str:
    """Return the name of a pair's figure: the kind, numbered from the second pair on.

    Args:
        measured: its pairs give the number.
        pair: first and second method.
        kind: kind of figure, such as scatter or bland_altman.
    """
    number = measured.pairs.index(pair) + 1
    return kind if number == 1 else f"{kind}_{number}"


def panel_labels(study: Study, methods: Sequence[str], most: int = MOST_PANELS) -> PanelLabels:
    """Choose labels and regions with values; if there are too many, those with least agreement.

    Agreement is ICC(A,1) of the first two methods; labels without an ICC are left out first. The
    labels that remain are in the target's order.

    Args:
        study: its measured values and its table of agreement are read.
        methods: a label is chosen only if some case has a value by every method.
        most: largest number of panels.
    """
    labels = [label for label in study.measured.labels if len(points(study, label, methods))]
    if len(labels) <= most:
        return PanelLabels(labels, 0)
    agreement = agreement_rows(study, *(*methods, "", "")[:2])
    values = {label: float(_value(agreement, label, "icc_a1")) for label in labels}
    worst = sorted(labels, key=lambda label: (np.isnan(values[label]), values[label]))[:most]
    return PanelLabels([label for label in labels if label in worst], len(labels) - most)


def points(study: Study, label: str, methods: Sequence[str]) -> pd.DataFrame:
    """Return values of a label by these methods, one row per case, with `sex` and `age`.

    Cases without one of the values, or whose masks failed, are left out.

    Returns:
        A table indexed by `case_id`. Columns 0, 1 … are the values in the order of `methods`, in
        the quantity's own unit; `age` is in years, NaN where unknown; `sex` is F, M, another word
        or "sex unknown", and "" if the covariates have no sex. Empty if a method lacks the label.
    """
    measured, _ = without_failed(study.measured)
    columns = {
        name: values[label].astype(float)
        for name, values in measured.values.items()
        if name in methods and label in values
    }
    if len(columns) < len(set(methods)):
        return pd.DataFrame()
    cases = pd.DataFrame(columns, index=measured.covariates.index)[list(methods)]
    cases = cases[np.isfinite(cases).all(axis=1)]
    cases.columns = pd.RangeIndex(len(methods))
    known = measured.covariates.loc[cases.index]
    age = known["age"] if "age" in known else pd.Series(np.nan, index=known.index)
    cases["age"] = pd.to_numeric(age, errors="coerce")
    cases["sex"] = known["sex"].map(sex_name) if "sex" in known else ""
    return cases


def by_sex(cases: pd.DataFrame) -> Iterator[tuple[str, Mark, pd.DataFrame]]:
    """Yield name, marker and rows of each sex, people of unknown sex last.

    If the sex of nobody is known, there is one group without a name.
    """
    known = [name for name in sorted(cases["sex"].unique()) if name not in ("", UNKNOWN)]
    for name in known:
        yield SEX_WORDS.get(name, name), sex_mark(name), cases[cases["sex"] == name]
    rest = cases[cases["sex"].isin(["", UNKNOWN])]
    if len(rest):
        yield (UNKNOWN, NO_SEX, rest) if known else ("", EVERYBODY, rest)


def sex_mark(name: str) -> Mark:
    """Return the marker of a sex as written in the covariates; "all" is everybody.

    F and M have markers of their own; all other sexes share a third marker.
    """
    return EVERYBODY if name == "all" else SEXES.get(sex_name(name), OTHER_SEXES)


def sex_name(value: object) -> str:
    """Return F, M or another sex as written, or "sex unknown" where it is missing.

    Spellings such as female or Male become F and M.
    """
    if pd.isna(value) or not str(value).strip():
        return UNKNOWN
    return level(value, "sex")


def method_mark(measured: Measured, method: str) -> Mark:
    """Return the marker of a method; the first method (the reference, if any) is in ink.

    Markers repeat from the fifth method on.
    """
    known = measured.methods
    return METHODS[known.index(method) % len(METHODS) if method in known else -1]


def case_urls(case_ids: Sequence[object]) -> list[str]:
    """Return the links of points, which open cases in the page's viewer, with URL-quoted ids."""
    return [f"{CASE}{quote(str(name), safe='', errors='replace')}" for name in case_ids]


def scatter(axes: Axes, x: Sequence, y: Sequence, mark: Mark, case_ids: Sequence) -> None:
    """Plot cases as points with links; points are smaller and fainter where there are many."""
    area, alpha = next(style for most, *style in CROWDS if len(case_ids) <= most)
    cloud = axes.scatter(
        x,
        y,
        s=area,
        marker=mark.marker,
        facecolor=mark.colour,
        alpha=alpha,
        linewidths=0,
        clip_on=False,
        zorder=3,
    )
    cloud.set_urls(case_urls(case_ids))


def legend(figure: Figure, marks: Mapping[str, Mark], *, lines: bool = False) -> None:
    """Draw one legend above all panels, in several rows where it is too wide for one.

    Markers without a name have no entry; without any entry there is no legend.

    Args:
        figure: must have automatic layout, which makes room for the legend.
        marks: marker by name, in the order of the legend.
        lines: whether the line of the marker is shown, too.
    """
    handles = [
        Line2D(
            [],
            [],
            color=mark.colour,
            marker=mark.marker,
            markersize=4.5,
            ls=mark.line if lines else "none",
            lw=1.6,
            label=plain(name),
        )
        for name, mark in marks.items()
        if name
    ]
    if handles:
        widths = [wide_inch([one.get_label()], SMALL_PT) + ENTRY_INCH for one in handles]
        rows = math.ceil(sum(widths) / figure.get_figwidth())
        columns = math.ceil(len(handles) / rows)
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)


def scale(study: Study, labels: Sequence[str]) -> Scale:
    """Return the unit of the main quantity; for volumes cm³ if even the smallest label is large.

    A label is large if its median volume by the first method is at least 50 cm³. Other quantities
    keep their unit.
    """
    main = study.measured.main
    own = Scale(unit_text(main.unit), 1.0)
    if main.unit != "mm3":
        return own
    first = next(iter(main.tables.values()))
    known = first[[label for label in labels if label in first]].median()
    return Scale("cm³", CM3_MM3) if known.min() >= LARGE_MM3 else own


def panel_grid(
    name: str,
    count: int,
    columns: int,
    *,
    width_inch: float,
    row_inch: float,
    margin_inch: float = 0.4,
    **share: str | bool,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels in rows of `columns`; empty places are hidden.

    Args:
        name: name of the figure, unique in a report.
        count: number of panels, which are returned in reading order.
        columns: number of panels in a row.
        width_inch: width of the figure.
        row_inch: height of a row with its titles.
        margin_inch: height added once, for labels of axes and the legend.
        share: arguments of matplotlib's `subplots` on shared axes.
    """
    rows = -(-count // columns)
    figure = new_figure(name, width_inch, row_inch * rows + margin_inch)
    panels = figure.subplots(rows, columns, squeeze=False, **share).ravel()
    for panel in panels[count:]:
        panel.set_visible(False)
    return figure, list(panels[:count])


def quartile_box(
    axes: Axes, place: float, values: Sequence[float], half: float, *, is_upright: bool = False
) -> None:
    """Draw a box from quartile to quartile with a line at the median, within ±`half`.

    Args:
        axes: axes to draw in.
        place: middle of the box on the axis of groups.
        values: at least one value, without NaN.
        half: half of the width of the box, in the unit of the axis of groups.
        is_upright: whether values run along y rather than x.
    """
    q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
    ends = [place - half, place + half]
    fill = axes.fill_between if is_upright else axes.fill_betweenx
    fill(ends, q1, q3, color=MUTED, alpha=0.22, lw=0, zorder=2)
    line = (ends, [median] * 2) if is_upright else ([median] * 2, ends)
    axes.plot(*line, color=INK, lw=1.8, zorder=4)


def head(axes: Axes, title: str, lines: Sequence[str] = (), *, width_inch: float) -> None:
    """Write a panel's title in bold with lines of text below it, cut to about the width."""
    text = fitted(title.replace("_", " "), width_inch, TEXT_PT, bold=True)
    axes.set_title(text, pad=6 + 11 * len(lines))
    for above, line in enumerate(reversed(lines)):
        axes.annotate(
            fitted(line, width_inch + LINES_WIDER_INCH, SMALL_PT),
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 5 + 11 * above),
            textcoords="offset points",
            fontsize=SMALL_PT,
            va="bottom",
        )


def ticks(axes: Axes, which: str, most: int = 5) -> None:
    """Set at most `most` + 1 round ticks on axis `which`, x or y, with thin spaces at thousands."""
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(tick_text))


def spread_apart(
    places: Sequence[float], least: float, low: float = -np.inf, high: float = np.inf
) -> list[float]:
    """Return label positions moved as little as possible, at least `least` apart and inside.

    Args:
        places: wanted positions, in any order.
        least: smallest distance between neighbours.
        low: lower end of the space for the labels.
        high: upper end of that space; if the labels need more space, they go beyond it.

    Returns:
        Positions in the order of `places`; the order along the axis is kept.
    """
    order = np.argsort(places, kind="stable")
    moved = np.asarray(places, float)[order]
    groups: list[list[float]] = []  # pooled neighbours: sum of (place − rank × least), count
    for rank, place in enumerate(moved):
        groups.append([place - rank * least, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, count = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += count
    starts = np.concatenate([np.full(int(count), total / count) for total, count in groups])
    starts = np.clip(starts, low, max(high - (len(moved) - 1) * least, low))
    result = np.empty(len(moved))
    result[order] = starts + np.arange(len(moved)) * least
    return [float(place) for place in result]


def jitter(values: Float[ndarray, " N"], half: float) -> Float[ndarray, " N"]:
    """Return deterministic offsets within ±`half` that spread points where they are dense.

    A value without a neighbour within 1/15 of the range stays at 0, so that its position is exact.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.zeros(len(values))
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    near = max(float(np.ptp(values)) / 15, np.finfo(float).tiny)
    dense = np.searchsorted(ranked, ranked + near, "right") - np.searchsorted(ranked, ranked - near)
    offsets = np.empty(len(values))
    offsets[order] = (_van_der_corput(len(values)) - 0.5) * 2 * half * np.sqrt(dense / dense.max())
    return np.where(dense[np.argsort(order)] == 1, 0.0, offsets)


def _van_der_corput(count: int) -> Float[ndarray, " N"]:
    numbers, result, share = np.arange(1, count + 1), np.zeros(count), 0.5
    while numbers.any():
        result += share * (numbers % 2)
        numbers, share = numbers // 2, share / 2
    return result


def _value(agreement: Mapping, label: str, statistic: str) -> float:
    row = agreement.get((label, statistic))
    return np.nan if row is None else row["value"]
