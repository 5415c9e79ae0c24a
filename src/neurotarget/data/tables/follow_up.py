"""Follow-up of people in a table: days until an event or until observation ended, and terms."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.tables.event_codes import Coding, check_direction, event_coding
from neurotarget.data.tables.row_filter import kept_rows
from neurotarget.data.tables.table_ids import find_ids, required_column
from neurotarget.data.tables.text_table import TextTable, is_missing, read_text_table
from neurotarget.problems import (
    DataError,
    Problem,
    error,
    refuse_errors,
    some,
)

UNIT_DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
ALIVE = re.compile(r"\W*(?:still )?(?:alive|living|censored)\W*(\d+(?:\.\d+)?)?.*", re.IGNORECASE)
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")


class LeftOut(NamedTuple):
    """A row that is not analysed, and why; equal reasons have equal texts and are counted."""

    case_id: str
    reason: str


class FollowUp(NamedTuple):
    """People of a table who can be analysed, in its order, and those who cannot.

    Attributes:
        case_ids: ids as the table spells them; of a table without ids, `row` with the line in the
            file.
        days: time to the event or to the end of follow-up, in days whatever the table's unit.
        event: 1 where it was observed, 0 where follow-up ended before.
        rows: all cells of each person by column.
        left_out: people who cannot be analysed, with the reason.
        problems: warnings about the table.
        file: path of the table, for messages.
    """

    case_ids: list[str]
    days: Float[ndarray, " N"]
    event: Float[ndarray, " N"]
    rows: list[dict[str, str]]
    left_out: list[LeftOut]
    problems: list[Problem]
    file: str

    @property
    def n(self) -> int:
        """Number of people."""
        return len(self.case_ids)

    def without(self, reasons: Mapping[str, str]) -> "FollowUp":
        """Leave out people by id, with the reason; ids of nobody are ignored."""
        keep = np.array([name not in reasons for name in self.case_ids], dtype=bool)
        return self._replace(
            case_ids=[name for name in self.case_ids if name not in reasons],
            days=self.days[keep],
            event=self.event[keep],
            rows=[row for row, kept in zip(self.rows, keep, strict=True) if kept],
            left_out=[
                *self.left_out,
                *(LeftOut(name, reasons[name]) for name in self.case_ids if name in reasons),
            ],
        )


class _Time(NamedTuple):
    days: float
    is_alive: bool  # whether the cell says that the event had not occurred
    reason: str  # for leaving the person out


def read_follow_up(
    path: Path,
    *,
    time: str,
    event: str = "",
    event_is: str = "",
    unit: str = "days",
    case_id: str = "",
    where: str = "",
) -> FollowUp:
    """Read times and events; rows that cannot be used are left out and counted.

    Args:
        path: CSV or TSV table, one row per person.
        time: column of the time to the event or to the end of follow-up. A cell such as
            `ALIVE (361 days later)` is the end of follow-up.
        event: column that is 1 (dead) where the event was observed and 0 (alive) otherwise;
            without it, every time ends with the event.
        event_is: value of `event` that means the event, if it differs from 1 and dead.
        unit: of the times: days, weeks, months or years.
        case_id: column of ids; by default a column of a standard name, else the first column if its
            values are texts that all differ.
        where: rows to keep, such as `resection=GTR; cohort=1`.

    Raises:
        DataError: a column is absent, times are dates, the coding of events is ambiguous or
            reversed, two rows of one person contradict each other, or nobody is left.
    """
    table = read_text_table(path, ids=[case_id] if case_id else [])
    refuse_errors(table.problems)
    time, event = (_column(table, name, path) for name in (time, event))
    named = _column(table, case_id, path) or _id_column(table)
    ids = [row[named] if named else f"row {line}"
           for row, line in zip(table.rows, table.lines, strict=True)]  # fmt: skip
    kept, out = kept_rows(table, where, path)
    texts = [table.rows[place].get(event, "") for place in kept]
    coding = event_coding(texts, event, event_is, path)
    times, events = {}, {}
    for place in kept:
        row = table.rows[place]
        times[place] = _time(row[time], time, path)
        events[place], reason = _event(coding, row, event, times[place])
        if why := times[place].reason or reason:
            out[place] = why
    out |= _repeats(ids, [place for place in kept if place not in out], times, events, path)
    rest = [place for place in kept if place not in out]
    if not rest:
        why = some(f"{reason} ({count})" for reason, count in counted_reasons(out.values()).items())
        todo = "check time=, event= and where="
        raise DataError(error(f"nobody to analyse: {why}", "times of people", todo, file=path))
    days = np.array([times[place].days * UNIT_DAYS[unit] for place in rest])
    happened = np.array([events[place] for place in rest])
    rows = [table.rows[place] for place in rest]
    problems = [*table.problems, *check_direction(rows, days, happened, event, path)]
    refuse_errors(problems)
    left_out = [LeftOut(ids[place], reason) for place, reason in sorted(out.items())]
    names = [ids[place] for place in rest]
    return FollowUp(names, days, happened, rows, left_out, problems, str(path))


def counted_reasons(reasons: Collection[str]) -> dict[str, int]:
    """Number of people of each reason, the most frequent one first."""
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda one: -one[1]))


def _column(table: TextTable, name: str, path: Path) -> str:
    """Name of a column as the table spells it; "" for none.

    Raises:
        DataError: there is no such column.
    """
    return required_column(table.columns, name, path) if name else ""


def _id_column(table: TextTable) -> str | None:
    """A column of ids: of a standard name, else the first one if its values are distinct text."""
    if (named := find_ids(table.columns)) is not None:
        return named
    first = table.columns[0] if table.columns else ""
    texts = [row[first] for row in table.rows] if first else []
    is_text = any(not _is_number(text) for text in texts)
    return first if is_text and len(set(texts)) == len(texts) else None


def _time(text: str, column: str, path: Path) -> _Time:
    """Read the cell of a time.

    Raises:
        DataError: it is a date.
    """
    if is_missing(text):
        return _Time(math.nan, False, f"no {column}")
    if _is_number(text):
        value = float(text)
        if value <= 0:
            what = "zero" if value == 0 else "negative"
            return _Time(value, False, f"{what} {column}")
        return _Time(value, False, "")
    if (match := ALIVE.fullmatch(text)) is not None:
        if match[1] is None or float(match[1]) <= 0:
            return _Time(math.nan, True, f"{column} says alive without a time")
        return _Time(float(match[1]), True, "")
    if DATE.fullmatch(text):
        todo = "give the days from the start (scan, diagnosis or surgery) to that date"
        raise DataError(error(f"the date {text} in {column}", "days", todo, file=path))
    return _Time(math.nan, False, f"{column} is no number ({text})")


def _event(
    coding: Coding | None, row: Mapping[str, str], column: str, time: _Time
) -> tuple[float, str]:
    """Return whether the event was observed, and the reason for leaving the person out."""
    if coding is None:
        return (0.0 if time.is_alive else 1.0), ""
    happened = coding.happened(row[column])
    if happened is None:
        return math.nan, f"no {column}" if is_missing(row[column]) else f"unknown {column}"
    if happened and time.is_alive:
        return math.nan, f"the time says alive, {column} says the event"
    return float(happened), ""


def _repeats(
    ids: Sequence[str],
    places: Sequence[int],
    times: Mapping[int, _Time],
    events: Mapping[int, float],
    path: Path,
) -> dict[int, str]:
    """Find further rows of a person with equal time and event; each gets a reason to leave it out.

    Raises:
        DataError: a further row has another time or event.
    """
    first: dict[str, int] = {}
    repeats, wrong = {}, []
    for place in places:
        other = first.setdefault(ids[place], place)
        if other == place:
            continue
        same = times[other].days == times[place].days and events[other] == events[place]
        if same:
            repeats[place] = "another row of the same person"
        else:
            wrong.append(ids[place])
    if wrong:
        found = f"rows of one person with other times or events ({some(dict.fromkeys(wrong))})"
        raise DataError(error(found, "one row per person", "keep one, such as with where=",
                              file=path))  # fmt: skip
    return repeats


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
