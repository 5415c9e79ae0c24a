"""The page of quality control: predicted cases in a grid, rated by keyboard.

Pictures are files next to the page, loaded when they come into view; a row of the page is a case,
with its sizes as numbers, so that thousands of cases fit. Ratings are kept by the browser, and
downloaded as a table that `neurotarget study exclude=` takes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from neurotarget.number_text import DASH, number, unit_text
from neurotarget.problems import some
from neurotarget.report.sections.plain_page import (
    Body,
    Grid,
    Head,
    Section,
    headings,
    rendered,
    scripts,
    shared,
)
from neurotarget.report.text.numbers import counted

ASK = "Which predictions can be used?"
SHOWN = 5  # names in a sentence


class QCColumn(NamedTuple):
    """A predicted number of each case, with its usual range; `unit` is "" for a probability.

    None leaves an end of the range open; both None mean that no range is known.
    """

    name: str
    unit: str = ""
    low: float | None = None
    high: float | None = None


class QCCase(NamedTuple):
    """A case: `values` by column, `picture` relative to the page or "" for none.

    A column without a value is missing in `values`.
    """

    case_id: str
    status: str  # done or failed
    note: str = ""  # flags, or the reason of a failure
    values: Mapping[str, float] = {}
    picture: str = ""


@dataclass(frozen=True)
class QCPage:
    """Content of the page; `key` separates what a browser keeps for several predictions.

    A browser shows the ratings that it kept only on a page of the same key, so the key names target
    and weights.
    """

    title: str
    question: str
    cases: Sequence[QCCase]
    columns: Sequence[QCColumn]
    table: str  # file of the numbers
    key: str
    usual: str = ""  # where the usual ranges come from
    about: str = "Predictions to check"  # above the title
    ask: str = ASK
    made: str = "predicted"  # what has happened to a case that has not failed
    noun: str = "case"
    numbers: str = "Predicted numbers"  # heading of the table of sizes
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def qc_html(content: QCPage) -> str:
    """Return the page, with the cases to look at first.

    Failed cases come first, then flagged ones, then those with the most values outside their range.
    """
    cases = sorted(content.cases, key=lambda case: _order(case, content.columns))
    head = Head(content.title, content.about, content.question, _cohort(content), _answer(cases))
    body = Body([], {}, [*content.notes, *_left_out(cases)], content.facts, known=[])
    sections = [_sizes(cases, content)] if content.columns else []
    links = [("cases", "Cases"), *((one.name, one.title) for one in sections), ("notes", "Notes")]
    context = {**shared(head, body), "parts": sections, "sections": links, "ask": content.ask}
    page = {
        "target": content.title,
        "known": [],
        "values": {},
        "key": content.key,
        "table": content.table,
        "columns": [_plain(column) for column in content.columns],
        "cases": [_row(case, content.columns) for case in cases],
    }
    ours = scripts("page.js", "qc.js")
    return rendered("qc.html.j2", context, scripts=ours, page=page, has_pictures=True)


def outside(case: QCCase, columns: Sequence[QCColumn]) -> int:
    """Return the number of values of a case outside their usual range, without unknown ones."""
    return sum(_is_outside(case.values.get(column.name), column) for column in columns)


def _order(case: QCCase, columns: Sequence[QCColumn]) -> tuple[bool, bool, int]:
    return case.status != "failed", not case.note, -outside(case, columns)


def _is_outside(value: float | None, column: QCColumn) -> bool:
    if value is None:
        return False
    low, high = (end if end is not None else value for end in (column.low, column.high))
    return not low <= value <= high


def _plain(column: QCColumn) -> list[object]:
    return [column.name, unit_text(column.unit), _finite(column.low), _finite(column.high)]


def _row(case: QCCase, columns: Sequence[QCColumn]) -> list[object]:
    values = [_finite(case.values.get(column.name)) for column in columns]
    return [case.case_id, case.status, case.note, case.picture, values]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _cohort(content: QCPage) -> str:
    cases = content.cases
    failed = sum(case.status == "failed" for case in cases)
    looked = sum(case.status == "done" and bool(case.note) for case in cases)
    parts = [f"{len(cases) - failed} {content.made}", f"{looked} to look at"]
    parts += [f"{failed} failed"] if failed else []
    return f"{counted(len(cases), content.noun)}: {', '.join(parts)}."


def _answer(cases: Sequence[QCCase]) -> str:
    first = [case.case_id for case in cases if case.note]
    if not first:
        return ""
    return f"Check first: {', '.join(first[:SHOWN])}{', …' if len(first) > SHOWN else '.'}"


def _left_out(cases: Sequence[QCCase]) -> list[str]:
    failed = [case.case_id for case in cases if case.status == "failed"]
    return [f"No numbers of failed cases: {some(failed)}."] if failed else []


def _sizes(cases: Sequence[QCCase], content: QCPage) -> Section:
    """Return the table of sizes by label, next to the usual range."""
    has_range = any(None not in (one.low, one.high) for one in content.columns)
    heads = ["Median", "Smallest", "Largest"]
    heads += ["Usual", "Cases outside"] if has_range else []
    rows = []
    for column in content.columns:
        values = [case.values[column.name] for case in cases if column.name in case.values]
        ends = (median(values), min(values), max(values)) if values else (None,) * 3
        unit = unit_text(column.unit)
        cells = [f"{column.name}, {unit}" if unit else column.name, *map(number, ends)]
        if has_range:
            out = sum(_is_outside(value, column) for value in values)
            cells += [_usual(column), str(out) if None not in column[2:] else DASH]
        rows.append(cells)
    lead = f"Usual: {content.usual}." if has_range else ""
    grid = Grid(content.numbers, headings(["Label"], heads), rows)
    return Section("sizes", content.numbers, lead, [grid])


def _usual(column: QCColumn) -> str:
    if column.low is None or column.high is None:
        return DASH
    if not math.isfinite(column.high):
        return f"from {number(column.low)}"
    return f"{number(column.low)} to {number(column.high)}"
