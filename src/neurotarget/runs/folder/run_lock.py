"""A lock for each run folder, on this machine and on others that share its disk.

It has two parts. A lock of the operating system excludes other processes of one machine, and is
released when its process ends. A lease is for file systems without locks, or whose locks other
machines do not see: a file with host and process, touched every 20 seconds, that another machine
takes over after a minute without a touch.
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
CLAIM_S = 5.0  # a process that only checks for a running job releases the lock at once
HOST = re.compile(r"^host=(.*)$", re.MULTILINE)


class Holder(ABC):
    """A holder of locks, which releases them when its block ends."""

    @abstractmethod
    def release(self) -> None:
        """Release all locks."""

    def __exit__(self, *error: object) -> None:
        """Release all locks."""
        self.release()


class RunLock(Holder):
    """The lock of a run folder; reentrant within a process.

    Args:
        folder: of the run.
        lease_s: seconds after its last renewal at which the lease of a machine ends.
    """

    def __init__(self, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self.folder, self.lease_s = real_path(folder), lease_s
        self._locks: list[BaseFileLock] = []

    def acquire(self, timeout: float = 0.0) -> Self:
        """Take the lock, or wait for it.

        Args:
            timeout: seconds to wait for a process on this machine; the wait for the lease of
                another machine is 1.25 `lease_s`, in which the lease of a dead machine ends.

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
        except Timeout:  # a subclass of OSError
            raise
        except (OSError, NotImplementedError):  # a file system without locks
            return
        self._locks.append(lock)

    def host(self) -> str:
        """The machine that has the lease, with the PID namespace of a container; "" if none has."""
        try:
            match = HOST.search((self.folder / LEASE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return ""
        return match[1] if match else ""

    def is_far(self) -> bool:
        """Return whether another machine has the lease."""
        # filelock adds the PID namespace, as containers share a host's name
        return bool(self.host()) and self.host().partition("/")[0] != socket.gethostname()

    def release(self) -> None:
        """Release the lock; without one nothing happens."""
        while self._locks:
            self._locks.pop().release()

    def __enter__(self) -> Self:
        """Take the lock unless already taken; raises `Timeout` if another process holds it."""
        return self if self._locks else self.acquire()


HELD: dict[Path, RunLock] = {}  # until this process ends


def running(folder: Path) -> RunLock:
    """The lock that a job holds while it runs."""
    return RunLock(folder)


def is_running(folder: Path) -> bool:
    """Return whether a process works on this job now, on this machine or another.

    The lock of a process that has ended does not count.
    """
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
    """Hold the lock of a run folder, as two processes would corrupt each other's files.

    It waits `CLAIM_S` seconds for a process that only checks whether a job runs.

    Raises:
        DataError: another process works there.
    """
    lock = _taken(folder)
    try:
        yield
    finally:
        lock.release()


def hold(folder: Path) -> None:
    """Take the lock of a run folder until this process ends.

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
            "each process; wait for the other, or set hydra.run.dir=<folder>, for several tasks of "
            "one srun with $SLURM_PROCID in the folder's name"
        ) from error
