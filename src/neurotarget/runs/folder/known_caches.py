"""Caches outside of the working folder, and the runs for which a user has given them.

A cache lists the runs that were started with it, in a file of its own. Only users who may write to
the cache can extend that list, so an untrusted run folder cannot name a cache by itself.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from neurotarget.files.ownership import link_out
from neurotarget.files.reading import read_text, real_path

CACHES = ("paths.cache", "data.cache")
RUNS = ".neurotarget.runs"


def note_runs(caches: Iterable[Path], run: Path) -> None:
    """Add a run, or the folder of a multirun, to the lists of its caches.

    If a cache cannot be written, the training itself reports it.
    """
    for cache in caches:
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
            if not is_noted(cache, run):
                flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
                handle = os.open(cache / RUNS, flags, 0o600)
                try:
                    os.write(handle, os.fsencode(f"{real_path(run)}\n"))
                finally:
                    os.close(handle)


def is_noted(cache: Path, run: Path) -> bool:
    """Return whether this user gave a cache for a run or its multirun, and no link leads out.

    A list that is part of an untrusted folder may name any run; then only that folder is written
    to, as long as no link leads out of it.
    """
    path = real_path(cache) / RUNS
    try:
        is_own = all(_is_own(one) for one in (path, path.parent))
        listed = read_text(path).splitlines() if is_own else []
    except (OSError, UnicodeDecodeError):
        return False
    place = real_path(run)
    return bool({str(place), str(place.parent)} & set(listed)) and link_out(path.parent) is None


def _is_own(path: Path) -> bool:
    """Return whether a file or folder (no link) is the user's, and nobody else may change it."""
    status = path.lstat()
    is_mine = hasattr(os, "getuid") and status.st_uid == os.getuid()
    return is_mine and not path.is_symlink() and not status.st_mode & 0o002
