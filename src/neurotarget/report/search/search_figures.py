"""Figures of a search: history, importances, each setting, and the Pareto front.

The best trials are diamonds; with several objectives these are the Pareto front.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from neurotarget.number_text import number
from neurotarget.report.drawing.figure import (
    INK,
    MUTED,
    SERIES,
    SMALL_PT,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, plain, wide_inch
from neurotarget.report.drawing.panels import Mark, jitter, legend, panel_grid, ticks
from neurotarget.report.figures.named_figures import NamedFigure, named_figure
from neurotarget.report.search.search import Objective, Parameter, Sweep
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.sentences import capital

NOT_DONE = "No trial is done."
DONE = Mark(SERIES[0], "o", "-")
BEST = Mark(SERIES[1], "D", "-")
PRUNED = Mark(MUTED, "|", "-")
FAILED = Mark(SERIES[3], "x", "-")
MOST_PANELS = 12  # most parameters in a figure
MOST_BARS = 20
BAR_INCH = 0.26
FEWEST_DECADES = 2  # from so many decades on, only powers of ten have ticks


def all_figures(sweep: Sweep) -> list[NamedFigure]:
    """Return every figure of a search in reading order: history, front, importances, settings.

    A figure that cannot be drawn is an entry whose `figure` is None and whose caption is the
    reason; a Pareto front exists only with several objectives.
    """
    pareto = [_pareto(sweep)] if len(sweep.objectives) > 1 else []
    return [_history(sweep), *pareto, _importances(sweep), *_parameters(sweep)]


def _history(sweep: Sweep) -> NamedFigure:
    is_minimum = any(one.direction == "minimize" for one in sweep.objectives)
    more = " Lower is better where the axis says so." if is_minimum else ""
    figure = history_figure(sweep) if len(done(sweep)) else None
    return named_figure("search.history", "History", figure, NOT_DONE, more=more)


@look()
def history_figure(sweep: Sweep) -> Figure:
    """Draw each objective over trials, with the best so far; one panel per objective.

    Pruned and failed trials are marks at the bottom, as they have no final value.
    """
    count = len(sweep.objectives)
    size = {"width_inch": WIDTH_INCH, "row_inch": 2.5, "margin_inch": 0.35}
    figure, panels = panel_grid("history", count, 1, **size, sharex=True)
    for axes, objective in zip(panels, sweep.objectives, strict=True):
        _history_panel(axes, sweep, objective)
    panels[-1].set_xlabel("trial")
    last = max(int(sweep.trials["trial"].max()), 1)
    panels[-1].set_xlim(-0.03 * last, 1.03 * last)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, _history_marks(sweep))
    return finished(figure)


def _history_panel(axes: Axes, sweep: Sweep, objective: Objective) -> None:
    rows = done(sweep).sort_values("trial")
    values = rows[objective.name].astype(float)
    so_far = values.cummax() if objective.direction == "maximize" else values.cummin()
    if len(so_far):
        last = [*rows["trial"], max(sweep.trials["trial"])]
        axes.step(last, [*so_far, so_far.iloc[-1]], where="post", color=INK, lw=1.3, zorder=2)
    _points(axes, rows["trial"], values, _is_best(sweep, rows))
    for status, mark in (("pruned", PRUNED), ("failed", FAILED)):
        others = sweep.trials[sweep.trials["status"] == status]["trial"]
        if not len(others):  # empty artists would break the layout
            continue
        axes.plot(others, [0.03] * len(others), ls="none", marker=mark.marker, color=mark.colour,
                  markersize=5.5, markeredgewidth=1.2, transform=axes.get_xaxis_transform(),
                  clip_on=False, zorder=3)  # fmt: skip
    axes.margins(y=0.16)
    axes.set_ylabel(fitted(axis_name(objective), 2.2, TEXT_PT))
    axes.grid(axis="y")
    ticks(axes, "y", 5)


def _history_marks(sweep: Sweep) -> dict[str, Mark]:
    counts = sweep.trials["status"].value_counts()
    named = {"done": DONE, "pruned": PRUNED, "failed": FAILED}
    marks = {f"{name} ({counts[name]})": mark for name, mark in named.items() if name in counts}
    return {**marks, "best": BEST} if sweep.best else marks


def _pareto(sweep: Sweep) -> NamedFigure:
    first, second = (plain(one.name) for one in sweep.objectives[:2])
    count = len(sweep.objectives)
    return named_figure(
        "search.pareto",
        "Pareto front",
        pareto_figure(sweep),
        NOT_DONE,
        more=f" The first two of {count} objectives are shown." if count > 2 else "",
        first=first,
        second=second,
    )


@look()
def pareto_figure(sweep: Sweep) -> Figure | None:
    """Draw the first two objectives against each other; None where no trial is done.

    With exactly two objectives a line joins the trials of the front; numbers name these where there
    is room.
    """
    rows = done(sweep)
    if not len(rows) or len(sweep.objectives) < 2:
        return None
    x, y = sweep.objectives[:2]
    figure = new_figure("pareto", 5.6, 4.0)
    axes = figure.subplots()
    best = _is_best(sweep, rows)
    _points(axes, rows[x.name].astype(float), rows[y.name].astype(float), best)
    front = rows[rows["trial"].isin(sweep.best)].sort_values(x.name)
    if len(sweep.objectives) == 2:
        axes.plot(front[x.name], front[y.name], color=BEST.colour, lw=1.0, zorder=2)
    axes.margins(0.1)
    _name_front(axes, front, (x.name, y.name))
    axes.set_xlabel(fitted(axis_name(x), 4.5, TEXT_PT))
    axes.set_ylabel(fitted(axis_name(y), 3.2, TEXT_PT))
    axes.grid()
    for which in "xy":
        ticks(axes, which, 5)
    legend(figure, {"done": DONE, "on the front": BEST})
    return finished(figure)


def _name_front(axes: Axes, front: pd.DataFrame, keys: tuple[str, str]) -> None:
    """Write numbers next to the points of the front, unless these are too close."""
    span = np.array([np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())])
    written = np.empty((0, 2))
    for row in front.to_dict("records"):
        at = np.array([row[key] for key in keys], float)
        if len(written) and (np.abs((written - at) / span) < (0.06, 0.05)).all(axis=1).any():
            continue
        written = np.vstack([written, at])
        axes.annotate(str(row["trial"]), at, xytext=(7, 5), textcoords="offset points",
                      fontsize=SMALL_PT)  # fmt: skip


def _importances(sweep: Sweep) -> NamedFigure:
    why = "There are too few trials that are done, or there is one parameter only."
    why = f"Importances are not known. {why}"
    figure = importances_figure(sweep)
    return named_figure("search.importances", "Importance of settings", figure, why)


@look()
def importances_figure(sweep: Sweep) -> Figure | None:
    """Draw importances of settings in % as bars, one panel per objective; None if none is known.

    At most 20 settings are drawn: in every panel those most important for the first objective.
    """
    table = importances_of(sweep)
    if not len(table):
        return None
    table = table.iloc[:MOST_BARS]
    names = [fitted(name, 2.4, TEXT_PT) for name in table.index]
    left, right, gap = wide_inch(names, TEXT_PT) + 0.25, 0.5, 0.55
    count, height = len(table.columns), BAR_INCH * len(table) + 0.95
    width = (WIDTH_INCH - left - right - gap * (count - 1)) / count
    figure = new_figure("importances", WIDTH_INCH, height, free=True)
    for column, (objective, shares) in enumerate(table.items()):
        axes = figure.add_axes(
            ((left + column * (width + gap)) / WIDTH_INCH, 0.6 / height, width / WIDTH_INCH,
             BAR_INCH * len(table) / height)
        )  # fmt: skip
        axes.barh(range(len(table)), 100 * shares, height=0.62, color=SERIES[0])
        for place, share in enumerate(100 * shares):
            text = "< 1" if 0 < share < 1 else number(share, 0)
            axes.annotate(text, (share, place), xytext=(4, 0), textcoords="offset points",
                          fontsize=SMALL_PT, va="center_baseline")  # fmt: skip
        axes.set(ylim=(len(table) - 0.5, -0.5), xlim=(0, 100 * float(table.max(axis=None)) * 1.02))
        axes.set_yticks(range(len(table)), names if column == 0 else [])
        axes.tick_params(axis="y", length=0, labelsize=TEXT_PT)
        axes.set_title(fitted(objective, width, TEXT_PT, bold=True) if count > 1 else "")
        axes.set_xlabel("importance, %")
        ticks(axes, "x", 4)
    return finished(figure)


def importances_of(sweep: Sweep) -> pd.DataFrame:
    """Return importances, 0 to 1, as parameters × objectives, ordered by the first objective.

    An importance is NaN where it is not known for an objective; the table is empty without any.
    """
    rows = sweep.importances
    if not len(rows):
        return pd.DataFrame()
    table = rows.pivot_table(index="parameter", columns="objective", values="importance")
    names = [one.name for one in sweep.objectives if one.name in table]
    return table[names].sort_values(names[0], ascending=False, kind="stable") if names else table


def _parameters(sweep: Sweep) -> list[NamedFigure]:
    """Return objectives over settings, one figure per objective."""
    figures, more = [], ""
    if (count := len(sweep.parameters)) > MOST_PANELS:
        more = f" The {MOST_PANELS} most important of {counted(count, 'setting')} are shown."
    for place, objective in enumerate(sweep.objectives, start=1):
        name = "settings" if place == 1 else f"settings_{place}"
        of = f": {plain(objective.name)}" if len(sweep.objectives) > 1 else ""
        figure = settings_figure(sweep, objective, name)
        values = {"name": name, "more": more, "objective": capital(plain(objective.name))}
        figures.append(named_figure("search.settings", f"Settings{of}", figure, NOT_DONE, **values))
    return figures


@look()
def settings_figure(sweep: Sweep, objective: Objective, name: str) -> Figure | None:
    """Draw an objective over each parameter, on its scale; None where no trial is done.

    Args:
        sweep: at most 12 of its parameters are drawn, the most important ones.
        objective: on the vertical axis.
        name: of the figure, unique on the page.
    """
    rows = done(sweep)
    if not len(rows) or not sweep.parameters:
        return None
    shown = _by_importance(sweep)[:MOST_PANELS]
    columns = min(len(shown), 3)
    width = {1: 4.0, 2: 5.8}.get(columns, WIDTH_INCH)
    size = {"width_inch": width, "row_inch": 2.3, "margin_inch": 0.35}
    figure, panels = panel_grid(name, len(shown), columns, **size, sharey=True)
    for place, (axes, parameter) in enumerate(zip(panels, shown, strict=True)):
        x = _setting(axes, parameter, rows[parameter.name], rows[objective.name])
        known = rows.loc[x.index]
        _points(axes, x, known[objective.name].astype(float), _is_best(sweep, known))
        axes.margins(y=0.12)
        axes.grid(axis="y")
        axes.set_xlabel(fitted(parameter.name, width / columns - 0.4, TEXT_PT))
        if place % columns == 0:
            axes.set_ylabel(fitted(axis_name(objective), 2.0, TEXT_PT))
    ticks(panels[0], "y", 5)
    legend(figure, {"done": DONE, "best": BEST})
    return finished(figure)


def _by_importance(sweep: Sweep) -> list[Parameter]:
    order = {name: place for place, name in enumerate(importances_of(sweep).index)}
    return sorted(sweep.parameters, key=lambda one: order.get(one.name, len(order)))


def _setting(axes: Axes, parameter: Parameter, settings: pd.Series, values: pd.Series) -> pd.Series:
    """Set up the axis of a parameter, and return the positions of its trials on it."""
    is_text = not pd.api.types.is_numeric_dtype(settings) or pd.api.types.is_bool_dtype(settings)
    if is_text:
        return _named(axes, settings.dropna().astype(str), values)
    places = settings.astype(float)
    places = places[np.isfinite(places)]
    if parameter.is_log and len(places) and places.min() > 0:
        _log(axes, places)
    else:
        ticks(axes, "x", 4)
    return places


def _named(axes: Axes, settings: pd.Series, values: pd.Series) -> pd.Series:
    """Return positions for text values; trials of one value are spread where they are dense."""
    names = sorted(settings.unique())
    places = settings.map(names.index).astype(float)
    for _, part in settings.groupby(settings):
        places[part.index] += jitter(values[part.index].to_numpy(float), 0.22)
    room = 1.9 / max(len(names), 1)
    is_tight = wide_inch([plain(one) for one in names], SMALL_PT) > room
    axes.set_xticks(range(len(names)), [fitted(one, 1.2, SMALL_PT) for one in names],
                    rotation=35 if is_tight else 0, ha="right" if is_tight else "center",
                    rotation_mode="anchor")  # fmt: skip
    axes.set_xlim(-0.6, len(names) - 0.4)
    return places


def _log(axes: Axes, values: pd.Series) -> None:
    axes.set_xscale("log")
    low, high = float(values.min()), float(values.max())
    margin = (high / low) ** 0.06 if high > low else 1.3
    axes.set_xlim(low / margin, high * margin)
    decades = np.log10(high / low)
    if decades < 1:  # less than a decade: round numbers instead of powers of ten
        axes.xaxis.set_major_locator(MaxNLocator(3))
    else:
        steps = (1, 3) if decades < FEWEST_DECADES else (1,)
        axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=6))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("e-0", "e−"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _points(axes: Axes, x: pd.Series, y: pd.Series, best: pd.Series) -> None:
    """Draw trials as points, and the best as diamonds above them."""
    for mark, which, size in ((DONE, ~best, 20), (BEST, best, 38)):
        if not which.any():
            continue
        axes.scatter(x[which], y[which], s=size, marker=mark.marker, facecolor=mark.colour,
                     alpha=0.75 if mark is DONE else 1.0, linewidths=0, clip_on=False,
                     zorder=4 if mark is DONE else 5)  # fmt: skip


def _is_best(sweep: Sweep, rows: pd.DataFrame) -> pd.Series:
    return rows["trial"].isin(sweep.best)


def done(sweep: Sweep) -> pd.DataFrame:
    """Return the completed trials with a value of every objective.

    Only they have points in figures; pruned and failed ones have no final value.
    """
    rows = sweep.trials[sweep.trials["status"] == "done"]
    return rows.dropna(subset=[one.name for one in sweep.objectives])


def axis_name(objective: Objective) -> str:
    """Return the axis label of an objective, with the direction where lower is better."""
    lower = objective.direction == "minimize"
    return f"{objective.name}, lower is better" if lower else objective.name
