"""The page of a hyperparameter search: trials, importances, and the best settings.

Trials are scored on validation cases, so the value of the best trial is too good; the page has the
command that trains its settings once more and scores the held-out cases.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from neurotarget.number_text import DASH, number
from neurotarget.report.search.search import STATUSES, Sweep
from neurotarget.report.search.search_figures import all_figures, done, importances_of
from neurotarget.report.sections.plain_page import (
    Body,
    Code,
    Grid,
    Head,
    Heading,
    Section,
    page_figures,
    render_page,
)
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.headed_tables import TableSpec, table_specs
from neurotarget.report.text.learning_banner import Banner
from neurotarget.report.text.numbers import counted, duration, listed
from neurotarget.stats.cohort.learning import NOT_LEARNT

MOST_BEST = 20  # most trials of the front at the top; the table has all
UNLEARNT_TRIALS = "NOT LEARNT: trials whose network has not learnt are never the best"


def sweep_html(sweep: Sweep, *, title: str) -> str:
    """Return the page of a search as one HTML document.

    Trials whose network has not learnt are named in a banner, as they are never the best.

    The command that trains the best settings is shown with them, and the search space as it was
    written.
    """
    texts = _question(sweep), _amounts(sweep), sentence(sweep)
    known = known_definitions("search")
    body = Body(
        page_figures(all_figures(sweep)),
        {"trials": sweep.trials, "importances": sweep.importances},
        sweep.notes,
        sweep.facts,
        specs=_specs(sweep),
        known=known if len(sweep.objectives) > 1 else known[:-1],  # the last is the Pareto front
    )
    head = Head(title, "Search", *texts, _banner(sweep))
    return render_page(head, body, [*_best(sweep), *_space(sweep)], target=sweep.target)


def sentence(sweep: Sweep) -> str:
    """Return a sentence on the best trial and its settings, or on the Pareto front.

    It also names the most important setting where importances are known. "" if trials are done but
    none is best for another reason than learning.
    """
    rows = done(sweep)
    if not len(sweep.best):
        unlearnt = "No network has learnt, so no trial is best."
        return "No trial is done yet." if not len(rows) else unlearnt * bool(len(_unlearnt(sweep)))
    names = listed([one.name for one in sweep.objectives])
    if len(sweep.objectives) > 1:
        count = len(sweep.best)
        verb = "is" if count == 1 else "are"
        text = f"{counted(count, 'trial')} {verb} on the Pareto front of {names}."
    else:
        row = sweep.trials[sweep.trials["trial"] == sweep.best[0]].iloc[0]
        text = f"Trial {sweep.best[0]} is best, {names} {_value(row[sweep.objectives[0].name])}"
        settings = listed([f"{one.name}={_setting(row[one.name])}" for one in sweep.parameters])
        text += f", with {settings}." if settings else "."
    shares = importances_of(sweep)
    if len(shares):
        most = shares.iloc[:, 0]
        text += (
            f" {most.index[0]} mattered most for {most.name} ({100 * float(most.iloc[0]):.0f} %)."
        )
    return text


def _unlearnt(sweep: Sweep) -> pd.DataFrame:
    return sweep.trials[sweep.trials["reason"].str.startswith(NOT_LEARNT)]


def _banner(sweep: Sweep) -> Banner | None:
    """Return the banner on trials that have not learnt."""
    rows = _unlearnt(sweep)
    if not len(rows):
        return None
    named = [str(number) for number in rows["trial"]]
    lines = (
        f"{counted(len(rows), 'trial')} of {len(done(sweep))} that are done: "
        f"{listed(named[:MOST_BEST])}{' …' if len(named) > MOST_BEST else ''}.",
        f"Trial {named[0]}: {rows['reason'].iloc[0]}",
    )
    return Banner("no" if not len(sweep.best) else "open", UNLEARNT_TRIALS, lines)


def _question(sweep: Sweep) -> str:
    texts = [
        f"the {'highest' if one.direction == 'maximize' else 'lowest'} {one.name}"
        for one in sweep.objectives
    ]
    return f"Which settings give {listed(texts)} for the target {sweep.target.replace('_', ' ')}?"


def _amounts(sweep: Sweep) -> str:
    counts = sweep.trials["status"].value_counts()
    statuses = ", ".join(f"{counts[name]} {name}" for name in STATUSES if name in counts)
    text = counted(len(sweep.trials), "trial") + (f" ({statuses})" if statuses else "")
    text += f" of {counted(len(sweep.parameters), 'setting')}"
    total = float(pd.to_numeric(sweep.trials["seconds"]).sum())
    return f"{text}; {duration(total)} of training in all." if total > 0 else f"{text}."


def _best(sweep: Sweep) -> list[Section]:
    """Return the best trials with their settings, and the command to train the first."""
    if not len(sweep.best):
        return []
    ranked = {number: place for place, number in enumerate(sweep.best[:MOST_BEST])}
    rows = sweep.trials[sweep.trials["trial"].isin(ranked)]
    rows = rows.sort_values("trial", key=lambda numbers: numbers.map(ranked))
    columns = [Heading("Trial"), *(Heading(one.name) for one in sweep.objectives)]
    columns += [Heading(one.name, _kind(sweep.trials[one.name])) for one in sweep.parameters]
    columns += [Heading("Training")]
    many = len(sweep.objectives) > 1
    heading = "Pareto front" if many else "Best trial"
    left = len(sweep.best) - MOST_BEST
    after = [f"{left} more are in the table of trials."] if left > 0 else []
    grid = Grid(heading, columns, [_row(sweep, row) for row in rows.to_dict("records")])
    of = "the settings of the first" if many else "these settings"
    codes = [Code(f"Train with {of}", sweep.command)] if sweep.command else []
    return [Section("best", heading, "", [grid], after, codes=codes)]


def _row(sweep: Sweep, row: Mapping) -> list[str]:
    return [
        str(row["trial"]),
        *(_value(row[one.name]) for one in sweep.objectives),
        *(_setting(row[one.name]) for one in sweep.parameters),
        duration(float(row["seconds"])) if pd.notna(row["seconds"]) else DASH,
    ]


def _space(sweep: Sweep) -> list[Section]:
    if not sweep.space:
        return []
    lead = "The search space, one setting per line."
    return [Section("space", "Search space", lead, codes=[Code("Settings", sweep.space)])]


def _specs(sweep: Sweep) -> dict[str, TableSpec]:
    specs, objectives = table_specs("search"), [one.name for one in sweep.objectives]
    trials = specs["trials"]
    headings = {**trials.headings, **{name: name for name in objectives}}
    kinds = {**trials.kinds, **dict.fromkeys(objectives, "number")}
    return {**specs, "trials": replace(trials, headings=headings, kinds=kinds)}


def _kind(values: pd.Series) -> str:
    return "number" if pd.api.types.is_numeric_dtype(values) else "text"


def _value(value: float) -> str:
    return number(value, 4)


def _setting(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
