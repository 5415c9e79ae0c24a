"""A private temporary folder for converted scans, with the files of one case at a time.

The folder is removed when its block ends, also after an exception. Folders of killed processes are
removed at the next start: a lock on a file in the folder shows whether its process is alive.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from neurotarget.types import Case

PREFIX = "neurotarget-"
LOCK = ".lock"
YOUNG_S = 60.0  # a younger folder may not have its lock yet
UNLOCKED_S = 86_400.0  # folders of earlier versions have no lock

Make = Callable[[Path], None]


class Scratch:
    """Temporary files that exist only while their case is processed."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.slices: dict[Path, tuple[Path, ...]] = {}  # DICOM files of a converted series
        self._plans: dict[Path, Make] = {}

    def plan(self, make: Make) -> Path:
        """Register `make`, which will write a file, and return the path of that file.

        Args:
            make: called with the path when `ready` starts for a case with this image path.
        """
        path = self.folder / f"{len(self._plans)}.nii"
        self._plans[path] = make
        return path

    @contextmanager
    def ready(self, case: Case) -> Iterator[None]:
        """Make the planned files of a case, and remove them when the block ends.

        Raises:
            DataError: raised by the functions that make the files.
        """
        planned = [path for path in dict.fromkeys(case.images.values()) if path in self._plans]
        try:
            for path in planned:
                self._plans[path](path)
            yield
        finally:
            for path in planned:
                path.unlink(missing_ok=True)


@contextmanager
def scratch_folder() -> Iterator[Scratch]:
    """Make a folder that only its user can read; remove it when the block ends.

    Folders of this user's killed processes are removed first. On systems with file modes no other
    user can list or read the folder, since scans are personal data.
    """
    home = Path(tempfile.gettempdir())
    sweep_scratch(home, now_s=time.time())
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))  # of mode 0700
    try:
        with FileLock(folder / LOCK):
            yield Scratch(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(home: Path, now_s: float) -> None:
    """Remove this user's folders whose process was killed.

    Args:
        home: folder of temporary files.
        now_s: time since the epoch; links, folders of other users and folders younger than
            `YOUNG_S` are kept.
    """
    for folder in home.glob(f"{PREFIX}*/"):
        with suppress(OSError):  # another process may have removed it
            if _is_mine(folder) and _is_left(folder, now_s):
                shutil.rmtree(folder, ignore_errors=True)


def _is_mine(folder: Path) -> bool:
    mine = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    return mine and not folder.is_symlink()


def _is_left(folder: Path, now_s: float) -> bool:
    age_s = now_s - folder.stat().st_mtime
    lock = folder / LOCK
    if not lock.is_file():
        return age_s > UNLOCKED_S
    if age_s < YOUNG_S:
        return False
    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False
