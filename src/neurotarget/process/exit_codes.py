"""Errors at the top of a command: print a message and exit with a code, without traceback."""

import functools
import io
import logging
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from neurotarget.printable import EscapedStream, escape_controls, one_line
from neurotarget.problems import MIRRORED, CaseError, DataError, Problem
from neurotarget.process.error_sentences import reason_of, unwritable
from neurotarget.process.signals import resume_note, stoppable

P = ParamSpec("P")
R = TypeVar("R")
SHOWN = 50  # problems printed before the rest are only counted


class ShownRecord(logging.LogRecord):
    """A log record whose control and invisible characters are printed as escapes."""

    def getMessage(self) -> str:  # noqa: N802
        """Return the record's text with control and invisible characters as escapes."""
        return escape_controls(super().getMessage())


def escape_output() -> None:
    """Print characters that the locale lacks or that control a terminal as escapes; logs too.

    A file name from another data set could otherwise move the cursor or recolour the terminal.
    A second call changes nothing.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # not so in notebooks and tests
            stream.reconfigure(errors="backslashreplace")
        if stream is not None and not isinstance(stream, EscapedStream):
            setattr(sys, name, EscapedStream(stream))
    logging.setLogRecordFactory(ShownRecord)
    # log files use the locale's encoding too; on an error logging would print its stack
    logging.raiseExceptions = bool(os.environ.get("NEUROTARGET_TRACEBACK"))


def exits_with_sentence(command: Callable[P, R]) -> Callable[P, R]:
    """Print bad input as messages and exit with 2; NEUROTARGET_TRACEBACK=1 shows the stack.

    A signal ends the command with 128 + its number; a reader that has closed the pipe, such as
    `head`, ends it with 1 and no message. Other errors are faults of this program and keep their
    traceback.
    """
    whole = stoppable(command)

    @functools.wraps(command)
    def safe(*args: P.args, **kwargs: P.kwargs) -> R:
        if os.environ.get("NEUROTARGET_TRACEBACK"):
            return whole(*args, **kwargs)
        try:
            return whole(*args, **kwargs)
        except (DataError, CaseError, OSError, UnicodeEncodeError, MemoryError) as error:
            sys.exit(_print_error(error))

    return safe


def _print_error(error: DataError | CaseError | OSError | UnicodeEncodeError | MemoryError) -> int:
    """Print an error as messages and return the exit status."""
    if isinstance(error, BrokenPipeError):  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, DataError):
        print_data_error(error)
    elif isinstance(error, MemoryError):
        print(f"error: {reason_of(error)}", file=sys.stderr)
    else:
        _print_other(error)
    for line in resume_note(error):
        print(line, file=sys.stderr)
    return 2


def _print_other(error: CaseError | OSError | UnicodeEncodeError) -> None:
    """Print an error that neurotarget may have caused, and the setting that shows its origin."""
    if isinstance(error, CaseError):
        # a worker sends its whole stack as text; the last line is our message
        print(f"error: {one_line(str(error).strip().splitlines()[-1])}", file=sys.stderr)
    elif isinstance(error, UnicodeEncodeError):
        print(f"error: {unwritable(error)}", file=sys.stderr)
    else:
        where = f"{one_line(str(error.filename))}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}; correct the path", file=sys.stderr)
    print("NEUROTARGET_TRACEBACK=1 shows where", file=sys.stderr)


def print_data_error(error: DataError) -> None:
    """Print all problems of an error to stderr, errors before warnings; its text if it has none."""
    if not error.problems:
        print(f"error: {error}", file=sys.stderr)
        return
    print_problems(error.problems)


def print_problems(problems: tuple[Problem, ...] | list[Problem]) -> None:
    """Print up to `SHOWN` problems to stderr: errors, then mirrored scans, then other warnings."""
    ordered = sorted(problems, key=lambda one: (one.level != "error", MIRRORED not in one.found))
    for problem in ordered[:SHOWN]:
        print(f"{problem.level}: {problem}", file=sys.stderr)
    if len(ordered) > SHOWN:
        print(f"… and {len(ordered) - SHOWN} more; `neurotarget lint` shows all", file=sys.stderr)
