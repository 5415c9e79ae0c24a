"""What a job prints, kept in its folder, whoever runs it and wherever its terminal is."""

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

PROGRESS_S = 60.0  # a bar that is drawn over and over leaves one line so often


class Both:
    """A stream that writes to a log and, where it is `shown`, to the terminal as well."""

    def __init__(self, terminal: TextIO, log: TextIO, *, shown: bool) -> None:
        self.terminal, self.log, self.shown = terminal, log, shown
        self.line, self.noted_s = "", time.monotonic()

    def write(self, text: str) -> int:
        """Show the text, and log its lines as they stand when they end."""
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
        drawn, _, self.line = self.line.rpartition("\r")
        self.line = f"\r{self.line}"
        if drawn.strip() and time.monotonic() - self.noted_s > PROGRESS_S:
            self.noted_s = time.monotonic()
            self._log(drawn.rpartition("\r")[2])

    def _log(self, line: str) -> None:
        if not self.log.closed:  # a thread may outlive the job
            self.log.write(f"{line}\n")

    def flush(self) -> None:
        """Bring both up to date."""
        if self.shown:
            self.terminal.flush()
        if not self.log.closed:
            self.log.flush()

    def close_line(self) -> None:
        """Log what stands in a line that was not ended."""
        if last := self.line.rpartition("\r")[2]:
            self._log(last)
        self.line = ""

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        return self.shown and self.terminal.isatty()

    def __getattr__(self, name: str) -> object:
        return getattr(self.terminal, name)


@contextmanager
def logged(path: Path, *, shown: bool) -> Iterator[TextIO]:
    """Send what is printed to `path` too, or only there; yields the log.

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
    """Where the process itself breaks down, Python's last word is in the log."""
    if faulthandler.is_enabled():  # somebody else listens
        yield
        return
    faulthandler.enable(log)
    try:
        yield
    finally:
        faulthandler.disable()
