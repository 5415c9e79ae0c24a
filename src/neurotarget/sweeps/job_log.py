"""The log of a job, in its folder."""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import TextIO

from neurotarget.printable import EscapedStream
from neurotarget.problems import DataError


@contextmanager
def logged(path: Path, *, redirects: bool) -> Iterator[TextIO]:
    """Open the log of a job for appending; with `redirects`, stdout and stderr are written to it.

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
        if not redirects:
            yield log
            return
        with redirect_stdout(EscapedStream(log)), redirect_stderr(EscapedStream(log)):
            yield log


@contextmanager
def _faults_in(log: TextIO) -> Iterator[None]:
    """Write Python's fault traces (such as of a segmentation fault) to the log."""
    if faulthandler.is_enabled():  # by other code, such as a test runner; it must not be redirected
        yield
        return
    faulthandler.enable(log)
    try:
        yield
    finally:
        faulthandler.disable()
