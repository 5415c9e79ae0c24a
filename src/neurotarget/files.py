"""Files that are whole or not there: written as a draft beside their place, then renamed."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

from neurotarget.printable import cell
from neurotarget.reading import is_there, opened
from neurotarget.types import DataError

DRAFT = ".draft-"
ABANDONED_S = 3600.0


@contextmanager
def written(path: Path | str) -> Iterator[Path]:
    """A path to write to; its file takes the place of `path` when the block ends well.

    Raises:
        DataError: the disk refuses it.
    """
    path = Path(path)
    draft = path.with_name(f"{DRAFT}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); make room, or say a folder "
            "that can be written"
        ) from error


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises:
        DataError: the disk refuses it.
    """
    with written(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="")


def table_text(table: pd.DataFrame, *, float_format: str | None = None) -> str:
    """A table as TSV with what is undefined as `n/a`, as BIDS has it; no text is a formula."""
    safe = table.map(cell).rename(columns=cell)
    return safe.to_csv(
        sep="\t", index=False, na_rep="n/a", lineterminator="\n", float_format=float_format
    )


def at_home(path: Path | str) -> Path:
    """A path from `~` or `~<user>`; as it is where it is there, or where no user is called so."""
    path = Path(path)
    if is_there(path):
        return path
    with suppress(RuntimeError, ValueError):  # a name may begin with a tilde
        return path.expanduser()
    return path


def digest(path: Path | str) -> str:
    """SHA-256 of a file's content; `unread` where it cannot be read, which its reader will say."""
    try:
        with opened(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "unread"


def sweep(folder: Path, now_s: float) -> None:
    """Remove drafts that killed runs left: those that nobody has written to for an hour."""
    for draft in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):  # another run may be as quick
            if now_s - draft.stat().st_mtime > ABANDONED_S:
                draft.unlink()
