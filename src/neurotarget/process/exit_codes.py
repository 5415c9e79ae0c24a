"""The last stop of every error: a sentence for the user, an exit code, no traceback."""

import functools
import io
import logging
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from neurotarget.printable import Shown, one_line, shown
from neurotarget.problems import MIRRORED, CaseError, DataError, Problem
from neurotarget.process.error_sentences import reason_of, unwritable
from neurotarget.process.signals import stoppable, way_on

P = ParamSpec("P")
R = TypeVar("R")
SHOWN = 50  # problems printed before the rest are only counted


class ShownRecord(logging.LogRecord):
    """A line of a log in which every letter is seen."""

    def getMessage(self) -> str:  # noqa: N802
        """Text of the line."""
        return shown(super().getMessage())


def print_anything() -> None:
    """Let a terminal show the code of a letter that its locale lacks, or that it would obey.

    Logs are written like that too.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # a notebook's or a test's is none
            stream.reconfigure(errors="backslashreplace")
        if stream is not None and not isinstance(stream, Shown):
            setattr(sys, name, Shown(stream))
    logging.setLogRecordFactory(ShownRecord)
    # a library's log file is in the locale's encoding too, and logging would show its stack
    logging.raiseExceptions = bool(os.environ.get("NEUROTARGET_TRACEBACK"))


def exits_with_sentence(act: Callable[P, R]) -> Callable[P, R]:
    """Print bad input as sentences and exit with 2; NEUROTARGET_TRACEBACK=1 shows the stack."""
    whole = stoppable(act)

    @functools.wraps(act)
    def safe(*args: P.args, **kwargs: P.kwargs) -> R:
        if os.environ.get("NEUROTARGET_TRACEBACK"):
            return whole(*args, **kwargs)
        try:
            return whole(*args, **kwargs)
        except (DataError, CaseError, OSError, UnicodeEncodeError, MemoryError) as error:
            sys.exit(_told(error))

    return safe


def _told(error: DataError | CaseError | OSError | UnicodeEncodeError | MemoryError) -> int:
    """Print an error as sentences; the exit status that goes with it."""
    if isinstance(error, BrokenPipeError):  # who read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, DataError):
        tell(error)
    elif isinstance(error, MemoryError):
        print(f"error: {reason_of(error)}", file=sys.stderr)
    else:
        _tell_other(error)
    for line in way_on(error):
        print(line, file=sys.stderr)
    return 2


def _tell_other(error: CaseError | OSError | UnicodeEncodeError) -> None:
    """Print an error that may be a fault of ours, and how to see where it is."""
    if isinstance(error, CaseError):
        # a worker sends its whole stack as text; its last line is our own sentence
        print(f"error: {one_line(str(error).strip().splitlines()[-1])}", file=sys.stderr)
    elif isinstance(error, UnicodeEncodeError):
        print(f"error: {unwritable(error)}", file=sys.stderr)
    else:
        where = f"{one_line(str(error.filename))}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}; mend the path", file=sys.stderr)
    print("NEUROTARGET_TRACEBACK=1 shows where", file=sys.stderr)


def tell(error: DataError) -> None:
    """Print every problem, errors first, and how many there are."""
    if not error.problems:
        print(f"error: {error}", file=sys.stderr)
        return
    print_problems(error.problems)


def print_problems(problems: tuple[Problem, ...] | list[Problem]) -> None:
    """Print problems to stderr, errors first; past the first fifty they are only counted.

    Mirrored scans come before other warnings, so that they are among those.
    """
    ordered = sorted(problems, key=lambda one: (one.level != "error", MIRRORED not in one.found))
    for problem in ordered[:SHOWN]:
        print(f"{problem.level}: {problem}", file=sys.stderr)
    if len(ordered) > SHOWN:
        print(f"… and {len(ordered) - SHOWN} more; `neurotarget lint` shows all", file=sys.stderr)
