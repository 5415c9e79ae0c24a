"""Atomic writing: a file is written as a draft in its own folder, then renamed into place."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

from neurotarget.files.drafts import draft_path, sweep_once
from neurotarget.files.hashes import digest
from neurotarget.files.reading import is_there, real_path
from neurotarget.files.record import NAME_ONLY, record_of
from neurotarget.printable import cell
from neurotarget.problems import DataError

DRAWN = (".html", ".jpg", ".png", ".svg")  # pages and figures, made again within seconds
STATE = frozenset(  # rewritten each time a run starts or resumes; users do not edit these
    (
        "areas.tsv",
        "boxes.json",
        "config.yaml",
        "cost.json",
        "done",
        "ensemble.json",
        "id",
        "data.json",
        "metrics.csv",
        "multirun.yaml",
        "overrides.yaml",
        "postprocessing.json",
        "prediction.json",
        "recalibration.json",
        "result.json",
        "run.json",
        "splits.tsv",
        "trials.tsv",
        "volumes.tsv",
    )
)
UNSYNCED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def written(path: Path | str) -> Iterator[Path]:
    """Yield a draft path; its file replaces `path` when the block ends without an exception.

    The file is then synced to disk, unless its suffix is one of `DRAWN`. In a folder that this
    process has claimed, the file is added to the folder's record. Drafts of killed processes in
    the same folder are removed.

    Raises:
        DataError: the file cannot be written, or it would replace a foreign file.
    """
    path = Path(path)
    draft = draft_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            if path.suffix not in DRAWN:
                _sync(draft)
            sweep_once(path.parent, now_s=draft.lstat().st_mtime)
            _enter(path, draft)
            draft.replace(path)
            if path.suffix not in DRAWN:
                _sync(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); make room, or choose a folder "
            "that can be written"
        ) from error


def _enter(path: Path, draft: Path) -> None:
    """Add the digest of a draft to the record of its folder."""
    record = record_of(path)
    if record is None:
        return
    if os.path.lexists(path) and not (record.may_replace or is_ours(path)):
        raise DataError(
            f"{path}: found a file that neurotarget did not write or that was changed since, "
            "wanted a new name; move it, or set overwrite=true"
        )
    record.enter(path, NAME_ONLY if is_state(path) else digest(draft))


def is_state(path: Path) -> bool:
    """Return whether neurotarget's files of this name are recognised by name, without a digest.

    These are checkpoints, and files that change each time a run resumes. Tables in `study/` and
    `compare/` are recognised by their digest.
    """
    is_table = path.parent.name in ("study", "compare")  # tables there may share a ledger's name
    return path.suffix == ".ckpt" or (path.name in STATE and not is_table)


def is_ours(path: Path) -> bool:
    """Return whether neurotarget wrote a file and its content has not changed since."""
    record = record_of(path)
    known = record.digests(path) if record else []
    if not known or path.is_symlink() or not path.is_file():
        return False
    # a power loss may leave an empty file, which holds nothing to lose
    return NAME_ONLY in known or path.stat().st_size == 0 or digest(path) in known


def remove(path: Path, *, is_replaced: bool = False) -> bool:
    """Remove a file that neurotarget wrote, and its folder if empty; False for a foreign file.

    With `is_replaced` and a record that allows replacing, a foreign file is removed too.

    Raises:
        OSError: the disk refuses it.
    """
    record = record_of(path)
    if record is None or not (is_ours(path) or (is_replaced and record.may_replace)):
        return False
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if real_path(folder) == record.folder:
            break
        try:
            folder.rmdir()
        except OSError:  # the folder is not empty
            break
    return True


def _sync(path: Path) -> None:
    """Flush a file's content, or a folder's names, to disk."""
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        # Windows opens no folders, some file systems cannot sync them; a full disk is reported
        if error.errno not in UNSYNCED and not path.is_dir():
            raise


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8, either completely or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    with written(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="")


def table_text(table: pd.DataFrame, *, float_format: str | None = None) -> str:
    """Format a table as TSV: undefined values are `n/a` as in BIDS, and no cell is a formula.

    Args:
        table: the index is left out; names of columns are made safe too.
        float_format: such as `%.6g`; None writes all digits.
    """
    safe = table.map(cell).rename(columns=cell)
    return safe.to_csv(
        sep="\t", index=False, na_rep="n/a", lineterminator="\n", float_format=float_format
    )


def expand_home(path: Path | str) -> Path:
    """Expand `~` and `~<user>`; a path that exists, or an unknown user, is kept as written."""
    path = Path(path)
    if is_there(path):
        return path
    with suppress(RuntimeError, ValueError):  # a file name may start with a tilde
        return path.expanduser()
    return path


def check_writable(folder: Path) -> None:
    """Refuse an output folder that can be neither written nor made.

    Raises:
        DataError: the folder, or its nearest existing parent, is a file or may not be written.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "may not be written" if there.is_dir() else "is a file"
        raise DataError(f"output: {there} {what}, wanted a folder to write into; name another")
