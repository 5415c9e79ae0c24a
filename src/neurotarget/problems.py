"""Problems of an input: records and exceptions that print as one sentence with what to do."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from neurotarget.printable import one_line

MIRRORED = "LEFT AND RIGHT MIRRORED"  # in capitals, as no other result reveals a mirrored scan


class Problem(NamedTuple):
    """One problem of a data set, and its remedy.

    Attributes:
        level: an error stops the command, a warning does not.
        case_id: "" if the problem concerns the whole data set.
        file: "" if it concerns no single file.
        found, wanted: the present and the required state, without verb, for one sentence.
        todo: what the user can do, an imperative without a full stop.
    """

    level: Literal["error", "warning"]
    case_id: str
    file: str
    found: str
    wanted: str
    todo: str

    def __str__(self) -> str:
        """Write one sentence: case and file, found, wanted, remedy."""
        who = ": ".join(part for part in (self.case_id, self.file) if part)
        head = f"{who}: " if who else ""
        return one_line(f"{head}found {self.found}, wanted {self.wanted}; {self.todo}")


class CaseError(RuntimeError):
    """An error in a worker while it made a patch of one case; only its text reaches the parent."""


class DataError(ValueError):
    """Bad input, with its problems; the command line prints them and exits with 2."""

    def __init__(self, problems: Problem | str | Sequence[Problem] | Sequence[str]) -> None:
        many = (problems,) if isinstance(problems, Problem | str) else tuple(problems)
        self.problems = tuple(one for one in many if isinstance(one, Problem))
        super().__init__("\n".join(one_line(str(one)) for one in many))


def error(found: str, wanted: str, todo: str, *, case_id: str = "", file: str = "") -> Problem:
    """Make a problem that stops the command.

    Args:
        found: what is there, as `found <found>`.
        wanted: what is needed in its place.
        todo: what the user can do, an imperative without a full stop.
        case_id: "" if it concerns the whole data set.
        file: "" if it concerns no single file; a path is converted to text.
    """
    return Problem("error", case_id, str(file), found, wanted, todo)


def warning(found: str, wanted: str, todo: str, *, case_id: str = "", file: str = "") -> Problem:
    """Make a problem that does not stop the command; arguments as of `error`."""
    return Problem("warning", case_id, str(file), found, wanted, todo)


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that stop the command.

    Warnings are left out; the order is kept.
    """
    return [problem for problem in problems if problem.level == "error"]


def refuse_errors(problems: Iterable[Problem]) -> None:
    """Raise the errors among some problems together, each once.

    Raises:
        DataError: there is an error.
    """
    if errors := errors_of(dict.fromkeys(problems)):
        raise DataError(errors)


def nearest(word: str, options: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the option closest in spelling to a word, ignoring case; None if none is close.

    Args:
        word: the user's text.
        options: valid names; the result has the spelling of an option.
        cutoff: least similarity, 0 to 1, as `difflib.get_close_matches` defines it.
    """
    spelt = {option.casefold(): option for option in options}
    match = difflib.get_close_matches(word.casefold(), spelt, n=1, cutoff=cutoff)
    return spelt[match[0]] if match else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return advice that names the option closest in spelling; "" if none is close.

    The text ends in a blank, so that further advice can follow.
    """
    near = nearest(word, options)
    return f"did you mean {near}? " if near else ""


def join_reasons(*reasons: str) -> str:
    """Join the reasons that are not empty, each once."""
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def some(names: Iterable[object], most: int = 8) -> str:
    """List names in a sentence: at most `most`, then the number of all; `none` if empty."""
    listed = [str(name) for name in names]
    shown = ", ".join(listed[:most]) or "none"
    return f"{shown}, … ({len(listed)} in all)" if len(listed) > most else shown
