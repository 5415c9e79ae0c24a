"""The log of a job: a copy of its output in its folder, for any launcher."""

import faulthandler
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import TextIO

from neurotarget.printable import shown
from neurotarget.problems import DataError

PROGRESS_S = 60.0  # a progress bar is logged once per this time


class Both:
    """A stream that writes to a log and, if `shown`, to the terminal as well."""

    def __init__(self, terminal: TextIO, log: TextIO, *, shown: bool) -> None:
        self.terminal, self.log, self.shown = terminal, log, shown
        self.line, self.noted_s = "", time.monotonic()

    def write(self, text: str) -> int:
        """Write to the terminal, and to the log line by line."""
        text = shown(text)
        if self.shown:
            self.terminal.write(text)
        *ended, self.line = (self.line + text.replace("\r\n", "\n")).split("\n")
        for line in ended:
            self._log(line.rpartition("\r")[2])
        if "\r" in self.line:
            self._note_progress()
        return len(text)

    def _note_progress(self) -> None:
        printed, _, self.line = self.line.rpartition("\r")
        self.line = f"\r{self.line}"
        if printed.strip() and time.monotonic() - self.noted_s > PROGRESS_S:
            self.noted_s = time.monotonic()
            self._log(printed.rpartition("\r")[2])

    def _log(self, line: str) -> None:
        if not self.log.closed:  # a thread may outlive the job
            self.log.write(f"{line}\n")

    def flush(self) -> None:
        """Flush both streams."""
        if self.shown:
            self.terminal.flush()
        if not self.log.closed:
            self.log.flush()

    def close_line(self) -> None:
        """Log the last line if it has no line end."""
        if last := self.line.rpartition("\r")[2]:
            self._log(last)
        self.line = ""

    def isatty(self) -> bool:
        """Whether the output is a terminal."""
        return self.shown and self.terminal.isatty()

    def __getattr__(self, name: str) -> object:
        return getattr(self.terminal, name)


@contextmanager
def logged(path: Path, *, shown: bool) -> Iterator[TextIO]:
    """Copy output to `path`, or redirect it there; yield the log.

    Raises:
        DataError: the log cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); make room") from error
    with log, _faults_in(log):
        log.write(f"-- {datetime.now().astimezone().isoformat(timespec='seconds')}\n")
        out = Both(sys.stdout, log, shown=shown)
        err = Both(sys.stderr, log, shown=shown)
        with redirect_stdout(out), redirect_stderr(err):
            try:
                yield log
            finally:
                for stream in (out, err):
                    stream.close_line()
                    stream.flush()


@contextmanager
def _faults_in(log: TextIO) -> Iterator[None]:
    """Write Python's fault traces (such as of a segmentation fault) to the log."""
    if faulthandler.is_enabled():  # by somebody else
        yield
        return
    faulthandler.enable(log)
    try:
        yield
    finally:
        faulthandler.disable()
