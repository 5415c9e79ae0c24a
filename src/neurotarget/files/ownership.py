"""Protect files of other programs: a folder is claimed before anything is written into it.

An output folder must be new, empty, or contain neurotarget's record (`record.py`). Foreign files
are files that neurotarget did not write, or that were changed since it wrote them. They are
reported and kept, unless the user sets `overwrite=true`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from unicodedata import normalize

from neurotarget.files.drafts import DRAFT, draft_path
from neurotarget.files.hashes import digest
from neurotarget.files.reading import real_path
from neurotarget.files.record import CLAIMED, LOCK, NAME_ONLY, RECORD, Record, record_of
from neurotarget.files.writing import is_ours, is_state, remove
from neurotarget.problems import DataError

SHOWN = 5  # file names listed in a message
COUNTED = 1000  # foreign files counted before a message reads "more than"
UNSEEN = frozenset(  # made by desktops and servers in any folder, or by Hydra before the claim
    (
        ".DS_Store",
        ".directory",
        ".hydra",
        ".localized",
        "@eaDir",
        "Thumbs.db",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        LOCK,
        RECORD,
    )
)
LINKING = ("wandb",)  # folders of trackers, which contain links to their own logs
LEDGER_LOCKS = (".volumes.tsv.lock", ".areas.tsv.lock", ".outcomes.tsv.lock")
UNSEEN_STARTS = ("._", ".nfs", ".running.", *LEDGER_LOCKS, DRAFT)

# Returns the files that a version without records has written into a folder; None if it wrote none.
Older = Callable[[Path], Iterable[Path] | None]


def none_older(folder: Path) -> None:
    """The default for `older`: neurotarget wrote no folder without a record."""


def claim(
    folder: Path,
    *,
    files: Iterable[Path] = (),
    older: Older = none_older,
    overwrite: bool = False,
    shared: bool = False,
    key: str = "output",
) -> Record:
    """Claim a folder for writing, before any work is done.

    Args:
        folder: created if missing.
        files: the files that will be written, if known.
        older: recognises folders of versions that kept no record.
        overwrite: allow replacing foreign files, also through links.
        shared: the folder may contain anything; only one file is written into it.
        key: name of the argument that gave the folder.

    Raises:
        DataError: the folder contains foreign files or links that lead outside, or it
            cannot be written.
    """
    folder = Path(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise DataError(f"{key}: found the file {folder}, wanted a folder; choose another {key}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        around = record_of(folder / RECORD)
        record = Record(folder, may_replace=overwrite or bool(around and around.may_replace))
        # no entries if the process was killed before those of an older version were recorded
        known = None if shared or record.files() else older(folder)
        if not shared and not record.may_replace:
            _refuse_links(folder, key)
            if known is None and not record.path.is_file():
                _refuse_unknown(folder, key)
        record.create()
        CLAIMED[record.folder] = record
        adopted = [path for path in known or () if path.is_file() and not path.is_symlink()]
        record.enter_all({one: NAME_ONLY if is_state(one) else digest(one) for one in adopted})
        record.compact()
    except OSError as error:
        raise DataError(
            f"{key}: {folder} cannot be written ({error.strerror or error}), wanted a folder that "
            f"can; choose another {key}"
        ) from error
    refuse_foreign(files, key=key)
    return record


def claimed(folder: Path, *, older: Older = none_older, key: str = "output") -> None:
    """Claim a folder unless this process has already claimed it or a folder above it.

    Raises:
        DataError: as in `claim`.
    """
    if record_of(Path(folder) / RECORD) is None:
        claim(folder, older=older, key=key)


def claim_file(path: Path, *, key: str, overwrite: bool = False) -> None:
    """Claim one file for writing, in a folder that may contain anything else.

    Args:
        path: its folder is created if missing, and keeps a record of our files from then on.
        key: name of the argument that gave the path, for messages.
        overwrite: allow replacing a foreign file.

    Raises:
        DataError: the file exists and is foreign, or the folder cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{key}: found the folder {path}, wanted a file; choose another {key}")
    if record_of(path) is None:
        claim(path.parent, shared=True, key=key)
    record = record_of(path)
    CLAIMED[record.folder] = Record(record.folder, may_replace=overwrite or record.may_replace)
    refuse_foreign([path], key=key)


def refuse_foreign(files: Iterable[Path], *, key: str = "output") -> None:
    """Refuse to replace foreign files, before the first file is written.

    Raises:
        DataError: names the foreign files; never raised with `overwrite=true`.
    """
    foreign = [path for path in files if not is_free(path)]
    if foreign:
        count = len(foreign)
        raise DataError(
            f"{foreign[0].parent}: found {_counted(count)} that neurotarget did not write or that "
            f"changed since ({_listed(path.name for path in foreign)}), wanted names that are "
            f"free; move {'it' if count == 1 else 'them'}, choose another {key}, or overwrite=true"
        )


def is_free(path: Path) -> bool:
    """Return whether a path may be written: it does not exist, or it may be replaced.

    Outside of claimed folders every path is free: nothing there is under our control.
    """
    record = record_of(path)
    if record is None or record.may_replace or not os.path.lexists(path):
        return True
    return is_ours(path)


def discard(folder: Path) -> None:
    """Remove neurotarget's files and emptied subfolders from a folder; keep foreign files.

    Raises:
        DataError: a file cannot be removed.
    """
    record = record_of(folder / RECORD)
    place = real_path(folder)
    try:
        for path in record.files() if record else []:
            if place in path.parents and path.name not in (RECORD, LOCK):
                remove(path)
    except OSError as error:
        raise DataError(
            f"{folder}: an earlier file cannot be removed ({error.strerror or error}); remove the "
            "folder, or choose another"
        ) from error


def link_out(folder: Path) -> Path | None:
    """Find a link in an untrusted folder that leads outside of it; None if there is none."""
    home = Path(folder).resolve()
    for place, folders, names in os.walk(folder):
        for path in (Path(place) / name for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                return path
        folders[:] = [name for name in folders if name not in LINKING]
    return None


def refuse_twins(files: Mapping[str, Iterable[Path]], *, key: str = "output") -> None:
    """Refuse two cases that would write the same file; `files` maps each case to its files.

    On some file systems, names that differ only in case or Unicode form are one file; this is
    tested on the actual file system.

    Raises:
        DataError: two cases would write the same file.
    """
    owners: dict[str, tuple[str, Path]] = {}
    for case_id, paths in files.items():
        for path in paths:
            folded = normalize("NFC", normalize("NFC", str(path)).casefold())
            other, twin = owners.setdefault(folded, (case_id, path))
            if other != case_id and (path == twin or _is_one_file(path, twin)):
                raise DataError(
                    f"{case_id}: would write {path.name}, as {other} does, wanted names of their "
                    f"own; rename one of the two cases, or choose another {key} for each"
                )


def _is_one_file(path: Path, other: Path) -> bool:
    """Return whether the file system treats two names as the same file."""
    if path.parent != other.parent or not path.parent.is_dir():
        return False
    tried, twin = map(draft_path, (path, other))
    try:
        tried.touch()
        return os.path.lexists(twin)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            tried.unlink()


def _refuse_unknown(folder: Path, key: str) -> None:
    found = list(islice(_content(folder), COUNTED + 1))
    if found:
        more = "more than " if len(found) > COUNTED else ""
        names = _listed(path.relative_to(folder).as_posix() for path in found)
        raise DataError(
            f"{key}: found {more}{_counted(min(len(found), COUNTED))} in {folder} that neurotarget "
            f"did not write ({names}), wanted a new or empty folder, or one of its own; choose "
            f"another {key}, or overwrite=true to replace files of the same names"
        )


def _refuse_links(folder: Path, key: str) -> None:
    if (path := link_out(folder)) is not None:
        raise DataError(
            f"{key}: found the link {path.relative_to(folder)} in {folder}, which leads to "
            f"{path.resolve()}, wanted files of the folder's own; remove the link, choose another "
            f"{key}, or overwrite=true to write where it leads"
        )


def _content(folder: Path) -> Iterator[Path]:
    """Files in a folder, without those that desktops, servers and loggers create."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_unseen(name))
        for name in sorted(names):
            if not _is_unseen(name):
                yield Path(place) / name


def _is_unseen(name: str) -> bool:
    # neurotarget writes no `.log` files, and Hydra only appends to its own
    return name in UNSEEN or name.startswith(UNSEEN_STARTS) or name.endswith(".log")


def _counted(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _listed(names: Iterable[str]) -> str:
    shown = list(islice(names, SHOWN + 1))
    return ", ".join(shown[:SHOWN]) + (", …" if len(shown) > SHOWN else "")
