"""Files that git-annex, datalad or git LFS manage and whose content was not downloaded."""

from pathlib import Path
from typing import NamedTuple

from neurotarget.files.reading import opened

MOST_BYTES = 1024  # of a pointer file; images are larger
POINTERS = {b"/annex/objects/": "datalad get", b"version https://git-lfs": "git lfs pull --include"}


class Unfetched(NamedTuple):
    """Description of the object at the path in place of the file, and the command that fetches it.

    Both are parts of a message: `found` follows the word "found", and `todo` ends the message.
    """

    found: str
    todo: str


def unfetched(path: Path) -> Unfetched | None:
    """Detect a file whose content was not fetched: a broken link or a pointer file; else None.

    Sources: https://git-annex.branchable.com/internals/pointer_file/ and
    https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.
    """
    try:
        target = path.readlink() if path.is_symlink() and not path.exists() else None
    except (OSError, ValueError):  # a name too long, or with characters that no path may have
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
    """Content of a file of at most `MOST_BYTES`; empty if larger or unreadable."""
    try:
        with opened(path) as stream:
            content = stream.read(MOST_BYTES)
        return content if len(content) < MOST_BYTES else b""
    except OSError:
        return b""
