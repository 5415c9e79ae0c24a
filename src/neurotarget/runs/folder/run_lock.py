"""One lock for whoever works in a run folder, on this machine or on others that share its disk.

On this machine it is a lock of the operating system, which falls with its process, however that
ends. Where a file system knows none, or does not tell other machines of it, a lease counts: a file
with host and process, touched every 20 seconds, that another machine takes over once it has seen
no touch for a minute.
"""

import atexit
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from neurotarget.files.reading import real_path
from neurotarget.problems import DataError

LOCK = ".running.lock"
LEASE = ".running.lease"
LEASE_S = 60.0
CLAIM_S = 5.0  # whoever only looks whether a job runs lets its lock go at once
HOST = re.compile(r"^host=(.*)$", re.MULTILINE)


class Holder(ABC):
    """Who holds locks, and gives them back when its block ends."""

    @abstractmethod
    def release(self) -> None:
        """Give all locks back."""

    def __exit__(self, *error: object) -> None:
        """Give all locks back."""
        self.release()


class RunLock(Holder):
    """The lock of a run folder; a process that holds it may take it again."""

    def __init__(self, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self.folder, self.lease_s = real_path(folder), lease_s
        self._locks: list[BaseFileLock] = []

    def acquire(self, timeout: float = 0.0) -> Self:
        """Take the lock, or wait for it, longer where another machine may have died with it.

        Raises:
            Timeout: another process holds it.
        """
        if self.folder in HELD:
            return self
        try:
            self._take(FileLock(self.folder / LOCK, fallback_to_soft=False), timeout)
            lease = SoftFileLease(self.folder / LEASE, lease_duration=self.lease_s)
            is_far = self.is_far()
            self._take(lease, 1.25 * self.lease_s if is_far else timeout)
        except Timeout:
            self.release()
            raise
        return self

    def _take(self, lock: BaseFileLock, timeout: float) -> None:
        try:
            lock.acquire(timeout=timeout)
        except Timeout:  # an OSError, too
            raise
        except (OSError, NotImplementedError):  # a file system that knows no such lock
            return
        self._locks.append(lock)

    def host(self) -> str:
        """The machine that has the lease, or nothing."""
        try:
            found = HOST.search((self.folder / LEASE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return ""
        return found[1] if found else ""

    def is_far(self) -> bool:
        """Whether another machine has the lease."""
        # filelock adds the namespace of processes, as containers share a host's name
        return bool(self.host()) and self.host().partition("/")[0] != socket.gethostname()

    def release(self) -> None:
        """Give the lock back."""
        while self._locks:
            self._locks.pop().release()

    def __enter__(self) -> Self:
        """Take the lock unless that is done; raises `Timeout` where another process holds it."""
        return self if self._locks else self.acquire()


HELD: dict[Path, RunLock] = {}  # until this process ends


def running(folder: Path) -> RunLock:
    """Lock that a job holds while it runs."""
    return RunLock(folder)


def is_running(folder: Path) -> bool:
    """Whether a process works on this job now."""
    if not any((Path(folder) / name).is_file() for name in (LOCK, LEASE)):
        return False
    if real_path(folder) in HELD:
        return True
    try:
        with running(folder):
            return False
    except Timeout:
        return True


@contextmanager
def claimed_alone(folder: Path) -> Iterator[None]:
    """Work under the lock of a run folder, as two processes would spoil each other's files.

    Raises:
        DataError: another process works there.
    """
    lock = _taken(folder)
    try:
        yield
    finally:
        lock.release()


def hold(folder: Path) -> None:
    """Take the lock of a run folder for as long as this process lives.

    Raises:
        DataError: another process works there.
    """
    lock = _taken(folder)
    HELD.setdefault(lock.folder, lock)
    atexit.register(lock.release)


def _taken(folder: Path) -> RunLock:
    lock = running(folder)
    try:
        return lock.acquire(timeout=CLAIM_S)
    except Timeout as error:
        where = f" on {lock.host()}" if lock.is_far() else ""
        raise DataError(
            f"{folder}: another process works in it now{where}, wanted a folder of its own for "
            "each; wait for the other, or say hydra.run.dir=<folder>, inside one srun with "
            "$SLURM_PROCID in it"
        ) from error
