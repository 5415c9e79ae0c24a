"""Drafts (temporary files next to their target), and removal of the drafts of killed processes.

The name of a draft identifies its writer: `.draft-<machine>-<process>-<name>`. A draft of this
machine whose process has ended is removed at once. Any other draft, such as that of another machine
or of an earlier version, is removed after an hour without a write.
"""

import functools
import os
import re
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from neurotarget.files.hashes import hash_of_text

DRAFT = ".draft-"
ABANDONED_S = 3600.0
NAME = re.compile(r"\.draft-([0-9a-f]{8})-(\d{1,9})-(.+)", re.DOTALL)
SWEPT: set[Path] = set()  # folders that this process has swept


def draft_path(path: Path) -> Path:
    """Return the path where this process writes the draft of a file or folder."""
    return path.with_name(f"{DRAFT}{_machine()}-{os.getpid()}-{path.name}")


def drafts_of(path: Path) -> list[Path]:
    """Find the drafts of a file or folder, of any process.

    Drafts of a run that is still writing are among them.
    """
    matches = ((one, NAME.fullmatch(one.name)) for one in path.parent.glob(f"{DRAFT}*"))
    return [one for one, parts in matches if parts and parts[3] == path.name]


def sweep(folder: Path, now_s: float) -> None:
    """Remove abandoned drafts from a folder, but not from its subfolders.

    Args:
        folder: folder in which drafts are searched.
        now_s: time by the clock of the file system, such as the time of a file just written; a
            server's clock may differ from that of this machine.
    """
    for draft in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):  # another process may have removed it
            if _is_left(draft.name) or now_s - draft.lstat().st_mtime > ABANDONED_S:
                discard_draft(draft)


def discard_draft(draft: Path) -> None:
    """Remove a draft (file or folder).

    Raises:
        OSError: a file cannot be removed.
    """
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)


def sweep_once(folder: Path, now_s: float) -> None:
    """Sweep a folder on the first call of this process; later calls do nothing."""
    place = Path(folder).absolute()
    if place not in SWEPT:
        SWEPT.add(place)
        sweep(folder, now_s)


def _is_left(name: str) -> bool:
    """Return whether a draft belongs to a process of this machine that has ended."""
    parts = NAME.fullmatch(name)
    # on Windows signal 0 is Ctrl-C
    if not parts or parts[1] != _machine() or os.name == "nt":
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # the process belongs to another user
        return False
    return False


@functools.cache
def _machine() -> str:
    """Identify the PID namespace: this host, or a container on it with its own numbering."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return hash_of_text(f"{socket.gethostname()} {numbers}", 8)
