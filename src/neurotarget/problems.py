"""What is wrong with an input, as sentences that say what to do about it."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from neurotarget.printable import one_line

MIRRORED = "LEFT AND RIGHT MIRRORED"  # loud, as nothing else in a result would show it


class Problem(NamedTuple):
    """One thing wrong with a data set, said so that its owner can mend it."""

    level: Literal["error", "warning"]
    case_id: str  # "" where the whole data set is meant
    file: str  # "" where no one file is meant
    found: str
    wanted: str
    todo: str

    def __str__(self) -> str:
        """One sentence: who, found, wanted, what to do."""
        who = ": ".join(part for part in (self.case_id, self.file) if part)
        head = f"{who}: " if who else ""
        return one_line(f"{head}found {self.found}, wanted {self.wanted}; {self.todo}")


class CaseError(RuntimeError):
    """What went wrong while one case's patch was made; it crosses from a worker as one text."""


class DataError(ValueError):
    """Bad input, told in sentences; the command line prints them and exits with 2."""

    def __init__(self, problems: Problem | str | Sequence[Problem] | Sequence[str]) -> None:
        many = (problems,) if isinstance(problems, Problem | str) else tuple(problems)
        self.problems = tuple(one for one in many if isinstance(one, Problem))
        super().__init__("\n".join(one_line(str(one)) for one in many))


def error(found: str, wanted: str, todo: str, *, case_id: str = "", file: str = "") -> Problem:
    """Problem that training refuses."""
    return Problem("error", case_id, str(file), found, wanted, todo)


def warning(found: str, wanted: str, todo: str, *, case_id: str = "", file: str = "") -> Problem:
    """Problem that training goes on over."""
    return Problem("warning", case_id, str(file), found, wanted, todo)


def nearest(word: str, options: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Option that is spelt most like a word, whatever their case; None where none is close."""
    spelt = {option.casefold(): option for option in options}
    match = difflib.get_close_matches(word.casefold(), spelt, n=1, cutoff=cutoff)
    return spelt[match[0]] if match else None


def some(names: Iterable[object], most: int = 8) -> str:
    """List of names, cut where it grows too long for a sentence."""
    listed = [str(name) for name in names]
    shown = ", ".join(listed[:most]) or "none"
    return f"{shown}, … ({len(listed)} in all)" if len(listed) > most else shown
