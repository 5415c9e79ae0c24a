"""Processes that search in one folder, each with a lock that is released when it ends."""

import os
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

from neurotarget.data.reading_results import whole_number
from neurotarget.files.writing import write_text
from neurotarget.runs.folder.run_lock import Holder

FOLDER = ".workers"


class Workers(Holder):
    """Worker numbers that this process holds: its own, and the numbers of ended processes.

    A trial is marked with the number of its process. If the lock of a number can be taken, its
    process has ended, and its unfinished trials are taken over.
    """

    def __init__(self, sweep_folder: Path) -> None:
        self.folder = sweep_folder / FOLDER
        self.held: dict[int, FileLock] = {}

    @property
    def number(self) -> int:
        """Number that marks the trials of this process: the lowest that it holds."""
        return min(self.held)

    @property
    def place(self) -> str:
        """Identifier of this folder in its trials; it stays the same if the folder is moved."""
        return (self.folder / "id").read_text(encoding="utf-8")

    def __enter__(self) -> "Workers":
        """Take a free number."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "id.lock"):
            if not (self.folder / "id").is_file():
                write_text(self.folder / "id", os.urandom(8).hex())
            self.claim()
            numbers = count()
            while not self.held:
                self._take(next(numbers))
        return self

    def release(self) -> None:
        """Release all numbers, so that another process can take over what is unfinished."""
        for lock in self.held.values():
            lock.release()
        self.held.clear()

    def claim(self) -> None:
        """Take the numbers of processes that have ended, whose locks the system has released."""
        for path in self.folder.glob("*.lock"):
            number = whole_number(path.stem)
            if number is not None and number not in self.held:
                self._take(number)

    def _take(self, number: int) -> None:
        lock = FileLock(self.folder / f"{number}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return
        self.held[number] = lock
