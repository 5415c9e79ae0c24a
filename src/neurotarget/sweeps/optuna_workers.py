"""Which processes search in one folder, told by locks that fall with the process."""

import os
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

from neurotarget.data.reading_results import whole_number
from neurotarget.files.writing import write_text
from neurotarget.runs.folder.run_lock import Holder

FOLDER = ".workers"


class Workers(Holder):
    """Numbers that this process holds: its own, and those of processes that are gone.

    A trial is marked with the number of its process. Where the lock of a number can be taken, its
    process is gone, and who takes it takes its unfinished trials over.
    """

    def __init__(self, sweep_folder: Path) -> None:
        self.folder = sweep_folder / FOLDER
        self.held: dict[int, FileLock] = {}

    @property
    def number(self) -> int:
        """What marks the trials of this process."""
        return min(self.held)

    @property
    def place(self) -> str:
        """What marks the trials of this folder, also after it was moved."""
        return (self.folder / "id").read_text(encoding="utf-8")

    def __enter__(self) -> "Workers":
        """Take a number."""
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
        """Give all numbers back."""
        for lock in self.held.values():
            lock.release()
        self.held.clear()

    def claim(self) -> None:
        """Take the numbers of processes that are gone."""
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
