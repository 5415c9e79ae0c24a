"""Store values computed from file contents, so that an unchanged file is not read again.

A cohort has gigabytes of scans; their hashes decide whether prepared cases can be used again.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from neurotarget.files.hashes import UNREAD
from neurotarget.files.reading import read_plain
from neurotarget.files.writing import write_text
from neurotarget.problems import DataError

MOST = 50_000  # files; the oldest entries are removed
SETTLED_S = 3.0  # after a shorter time, another change may leave a file with the same times

Value = int | str
State = list[int]  # inode, size in bytes, times of content and of state in ns


class Remembered:
    """A function of a file's content that reads a file only if it has changed.

    As in git, a file is unchanged if its inode, size, and times of content and state are equal. A
    value is not kept if the file has changed in the last seconds or while it was read.
    """

    def __init__(self, of: Callable[[Path], Value], kept: Mapping[str, object]) -> None:
        self.of, self.kept, self.is_changed = of, dict(kept), False

    def __call__(self, path: Path) -> Value:
        """Return the value of a file; exceptions of the function pass through."""
        name, state = os.path.abspath(path), _state(path)  # noqa: PTH100  # links stay
        known = self.kept.get(name)
        if state is not None and isinstance(known, list) and known[:-1] == state:
            return known[-1]
        value = self.of(path)
        if value != UNREAD and _is_settled(state) and state == _state(path):
            self.kept.pop(name, None)
            self.kept[name] = [*state, value]
            self.is_changed = True
        return value


@contextmanager
def remembered(of: Callable[[Path], Value], store: Path) -> Iterator[Remembered]:
    """Yield a function with values from a JSON file, and write new values there at the end.

    Of two processes, the last one keeps its values; a folder that cannot be written keeps none.
    """
    function = Remembered(of, read_plain(store))
    try:
        yield function
    finally:
        if function.is_changed:
            kept = dict([*function.kept.items()][-MOST:])
            with suppress(DataError):
                write_text(store, json.dumps(kept, indent=0))


def _state(path: Path) -> State | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # also of a text
    except (OSError, ValueError):
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _is_settled(state: State | None) -> bool:
    return state is not None and time.time_ns() - max(state[2:]) > SETTLED_S * 1e9
