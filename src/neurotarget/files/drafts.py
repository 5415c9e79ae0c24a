"""Drafts beside the place of a file, and those that killed processes have left.

The name of a draft tells who writes it: `.draft-<machine>-<process>-<name>`. One whose process has
ended on this machine goes at once. Of those of other machines, and of earlier versions, nobody
knows; they go when nobody has written to them for an hour.
"""

import functools
import hashlib
import os
import re
import shutil
import socket
from contextlib import suppress
from pathlib import Path

DRAFT = ".draft-"
ABANDONED_S = 3600.0
NAME = re.compile(r"\.draft-([0-9a-f]{8})-(\d{1,9})-(.+)", re.DOTALL)
SWEPT: set[Path] = set()  # by this process


def draft_path(path: Path) -> Path:
    """Where this process writes a draft of a file or folder."""
    return path.with_name(f"{DRAFT}{_machine()}-{os.getpid()}-{path.name}")


def drafts_of(path: Path) -> list[Path]:
    """The drafts of a file or folder, whoever writes them."""
    found = ((one, NAME.fullmatch(one.name)) for one in path.parent.glob(f"{DRAFT}*"))
    return [one for one, parts in found if parts and parts[3] == path.name]


def sweep(folder: Path, now_s: float) -> None:
    """Remove the drafts in a folder that nobody writes any more."""
    for draft in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):  # another process may be as quick
            if _is_left(draft.name) or now_s - draft.lstat().st_mtime > ABANDONED_S:
                discard_draft(draft)


def discard_draft(draft: Path) -> None:
    """Remove a draft, a file or a folder.

    Raises:
        OSError: the disk refuses to remove a file.
    """
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)


def sweep_once(folder: Path, now_s: float) -> None:
    """Sweep a folder the first time that this process asks for it."""
    place = Path(folder).absolute()
    if place not in SWEPT:
        SWEPT.add(place)
        sweep(folder, now_s)


def _is_left(name: str) -> bool:
    """Whether the process that wrote a draft has ended on this machine."""
    parts = NAME.fullmatch(name)
    # on Windows signal 0 is Ctrl-C
    if not parts or parts[1] != _machine() or os.name == "nt":
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # somebody else's process
        return False
    return False


@functools.cache
def _machine() -> str:
    """Who numbers the processes: this host, or a container on it with numbers of its own."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]
