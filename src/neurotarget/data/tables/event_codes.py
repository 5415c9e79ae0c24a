"""Codes of an event column, and the check that 1 means the event and not the opposite."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import mannwhitneyu

from neurotarget.data.tables.text_table import is_missing
from neurotarget.levels import code_key
from neurotarget.problems import DataError, Problem, error, some, warning

HAPPENED = frozenset(
    ("dead", "died", "deceased", "death", "event", "yes", "true", "y", "recurrence", "relapse")
)
ENDED = frozenset(("alive", "living", "censored", "survived", "no", "false", "n", "none"))
REVERSED = re.compile(  # names of columns in which 0 means the event, or 1 means no event
    r"0\W*(?:=|:|-|is)?\W*(?:dead|death|died|deceased|event)"
    r"|1\W*(?:=|:|-|is)?\W*(?:alive|living|censor)",
    re.IGNORECASE,
)
RIGHT = re.compile(r"1\W*(?:=|:|-|is)?\W*(?:dead|death|died|deceased|event)", re.IGNORECASE)
OF_LIFE = re.compile(r"censor|alive|living|surviv", re.IGNORECASE)
FEWEST, LATER = 5, 0.75  # people of each kind; chance that an event is later than an end


class Coding(NamedTuple):
    """Texts that mean the event, and those that mean its absence.

    Attributes:
        happened_as, ended_as: codes in lower case, as `code_key` spells them; other cells mean
            neither.
    """

    happened_as: frozenset[str]
    ended_as: frozenset[str]

    def happened(self, text: str) -> bool | None:
        """Return whether a cell means the event; None for a text that is no code.

        Upper and lower case do not count; 1, 1.0 and `01` are equal.
        """
        key = code_key(text).casefold()
        return True if key in self.happened_as else False if key in self.ended_as else None


def event_coding(texts: Sequence[str], column: str, event_is: str, path: Path) -> Coding | None:
    """Find the codes of events and of ends of follow-up in a column; None without a column.

    Args:
        texts: cells of the column.
        column: its name, "" for none; `censored` or `alive` with values of 0 and 1 are ambiguous.
        event_is: value that means the event; "" to decide by values and name.
        path: of the table, for messages.

    Raises:
        DataError: its values or its name leave open which value is the event, or no value is
            `event_is`.
    """
    if not column:
        return None
    seen = {code_key(text).casefold() for text in texts if not is_missing(text)}
    if event_is:
        return _stated(seen, column, event_is, path)
    todo = "say which value is the event, such as event_is=1"
    if seen <= {"0", "1"}:
        reads_reversed = bool(REVERSED.search(column)) and not RIGHT.search(column)
        if reads_reversed or (OF_LIFE.search(column) and not RIGHT.search(column)):
            found = f"the event column {column}, whose name reads as if 0 were the event"
            raise DataError(error(found, "1 where the event was observed", todo, file=path))
        return Coding(frozenset({"1"}), frozenset({"0"}))
    if seen & HAPPENED or seen & ENDED:
        return Coding(HAPPENED, ENDED)
    found = f"the values {some(sorted(seen))} in {column}"
    raise DataError(error(found, "1 and 0, or dead and alive", todo, file=path))


def _stated(seen: set[str], column: str, event_is: str, path: Path) -> Coding:
    key = code_key(event_is).casefold()
    if key not in seen:
        todo = f"the column has {some(sorted(seen))}"
        raise DataError(error(f"no {event_is} in {column}", "event_is= among its values", todo,
                              file=path))  # fmt: skip
    return Coding(frozenset({key}), frozenset(seen - {key}))


def check_direction(
    rows: Sequence[Mapping[str, str]],
    days: Float[ndarray, " N"],
    event: Float[ndarray, " N"],
    column: str,
    path: Path,
) -> list[Problem]:
    """Compare events with other columns that state dead or alive, and with the times.

    A reversed coding is an error where most people of another column contradict it, and a warning
    where events are much later than ends of follow-up.

    Args:
        rows: cells of the people who are analysed.
        days: time of each person.
        event: 1 where the event was observed, 0 where follow-up ended before.
        column: of the events; "" if every time ends with the event.
        path: of the table, for messages.
    """
    problems = []
    for name in rows[0] if column else ():
        keys = [code_key(row[name]).casefold() for row in rows]
        stated = np.array([1 if key in HAPPENED else 0 if key in ENDED else -1 for key in keys])
        if name == column or len({*stated} - {-1}) < 2 or not _is_of_life(keys):
            continue
        against = int(((stated >= 0) & (stated != event)).sum())
        if not against:
            continue
        found = f"{against} of {(stated >= 0).sum()} people whose {name} contradicts {column}"
        if 2 * against > (stated >= 0).sum():
            todo = "the coding is reversed: name the value of the event with event_is="
            problems.append(error(found, "the same in both", todo, file=path))
        else:
            problems.append(warning(found, "the same in both", "check these rows", file=path))
    kinds = days[event == 1], days[event == 0]
    if min(map(len, kinds)) >= FEWEST:
        later = mannwhitneyu(*kinds).statistic / (len(kinds[0]) * len(kinds[1]))
        if later > LATER:
            found = f"events that are later than ends of follow-up in {100 * later:.0f} % of pairs"
            todo = f"check that {column or 'the column of events'} is not reversed (event_is=0)"
            problems.append(warning(found, "events among the earlier times", todo, file=path))
    if not event.any():
        problems.append(error("no event", "some people with the event", "check event=", file=path))
    return problems


def _is_of_life(keys: Sequence[str]) -> bool:
    """Return whether a column states dead or alive, and not yes or no to another question."""
    return bool({*keys} & {"dead", "died", "deceased", "alive", "living"})
