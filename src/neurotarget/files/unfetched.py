"""Files of a data set that git-annex, datalad or git LFS manage, and that were not fetched."""

from pathlib import Path
from typing import NamedTuple

from neurotarget.files.reading import opened

MOST_BYTES = 1024  # of a file that stands for another; an image is larger
POINTERS = {b"/annex/objects/": "datalad get", b"version https://git-lfs": "git lfs pull --include"}


class Unfetched(NamedTuple):
    """What lies in the place of a file, and how to get the file."""

    found: str
    todo: str


def unfetched(path: Path) -> Unfetched | None:
    """What stands for a file that was not fetched: a broken link, or text that names it; or None.

    Sources: https://git-annex.branchable.com/internals/pointer_file/ and
    https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.
    """
    try:
        target = path.readlink() if path.is_symlink() and not path.exists() else None
    except (OSError, ValueError):  # a name that is too long, or with letters that no path has
        return None
    if target is not None:
        is_annex = "annex" in target.parts
        todo = f"`datalad get {path.name}` in its folder" if is_annex else f"it points to {target}"
        return Unfetched("a broken link", f"fetch it ({todo})")
    content = _small_content(path)
    for begin, command in POINTERS.items():
        if content.startswith(begin):
            todo = f"fetch it (`{command} {path.name}` in its folder)"
            return Unfetched("a pointer to a file that was not fetched", todo)
    return None


def _small_content(path: Path) -> bytes:
    """What is in a small file; nothing of a larger one, or of what cannot be read."""
    try:
        with opened(path) as stream:
            content = stream.read(MOST_BYTES)
        return content if len(content) < MOST_BYTES else b""
    except OSError:
        return b""
