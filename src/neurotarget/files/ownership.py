"""Which files are ours to replace and to remove: a folder is claimed before anything is written.

We write into folders that are new, empty, or carry our record (`record.py`). Files that somebody
else has put there, or has changed since we wrote them, are named and left alone unless the user
says `overwrite=true`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from unicodedata import normalize

from neurotarget.files.drafts import DRAFT, draft_path
from neurotarget.files.reading import real_path
from neurotarget.files.record import CLAIMED, LOCK, NAME_ONLY, RECORD, Record, record_of
from neurotarget.files.writing import digest, is_ours, is_state, remove
from neurotarget.problems import DataError

SHOWN = 5  # names in a sentence
COUNTED = 1000  # files of others, before a sentence says "more than"
UNSEEN = frozenset(  # what desktops and servers leave in every folder, Hydra before we are asked
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
LINKING = ("wandb",)  # folders of trackers, which link to logs of theirs
UNSEEN_STARTS = ("._", ".nfs", ".running.", ".volumes.tsv.lock", DRAFT)

# Files that a version without a record has written into a folder; None where it is none of ours.
Older = Callable[[Path], Iterable[Path] | None]


def none_older(folder: Path) -> None:
    """No folder without a record is ours."""


def claim(
    folder: Path,
    *,
    files: Iterable[Path] = (),
    older: Older = none_older,
    overwrite: bool = False,
    shared: bool = False,
    key: str = "output",
) -> Record:
    """Make a folder ours to write into, before any work.

    Args:
        folder: made where it is not there.
        files: that will be written, as far as that is known.
        older: knows the folders of versions that kept no record.
        overwrite: files of others may be replaced, also where links lead.
        shared: it may hold anything; one file is written into it.
        key: argument that names the folder.

    Raises:
        DataError: it holds files that we did not write, or links that lead out, or cannot be
            written.
    """
    folder = Path(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise DataError(f"{key}: found the file {folder}, wanted a folder; say another {key}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        around = record_of(folder / RECORD)
        record = Record(folder, may_replace=overwrite or bool(around and around.may_replace))
        # without entries where a kill came before those of an older version
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
            f"can; say another {key}"
        ) from error
    refuse_foreign(files, key=key)
    return record


def claimed(folder: Path, *, older: Older = none_older, key: str = "output") -> None:
    """Claim a folder unless this process has done so, or has claimed one around it.

    Raises:
        DataError: as `claim`.
    """
    if record_of(Path(folder) / RECORD) is None:
        claim(folder, older=older, key=key)


def claim_file(path: Path, *, key: str, overwrite: bool = False) -> None:
    """Make one file ours to write, in a folder that may hold anything else.

    Raises:
        DataError: there is such a file and we did not write it, or the folder cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{key}: found the folder {path}, wanted a file; say another {key}")
    if record_of(path) is None:
        claim(path.parent, shared=True, key=key)
    record = record_of(path)
    CLAIMED[record.folder] = Record(record.folder, may_replace=overwrite or record.may_replace)
    refuse_foreign([path], key=key)


def refuse_foreign(files: Iterable[Path], *, key: str = "output") -> None:
    """Refuse to replace files that are not ours, by name, before the first is written.

    Raises:
        DataError: some are there; none is where `overwrite=true` was given.
    """
    foreign = [path for path in files if not is_free(path)]
    if foreign:
        count = len(foreign)
        raise DataError(
            f"{foreign[0].parent}: found {_counted(count)} that neurotarget did not write or that "
            f"changed since ({_listed(path.name for path in foreign)}), wanted names that are "
            f"free; move {'it' if count == 1 else 'them'}, say another {key}, or overwrite=true"
        )


def is_free(path: Path) -> bool:
    """Whether a file may be written: none is there, or one that may be replaced."""
    record = record_of(path)
    if record is None or record.may_replace or not os.path.lexists(path):
        return True
    return is_ours(path)


def discard(folder: Path) -> None:
    """Remove our files in a folder, and folders that are empty then; those of others stay.

    Raises:
        DataError: the disk refuses it.
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
            "folder, or say another"
        ) from error


def link_out(folder: Path) -> Path | None:
    """A link in a folder, which may be a stranger's, that leads to a place outside of it."""
    home = Path(folder).resolve()
    for place, folders, names in os.walk(folder):
        for path in (Path(place) / name for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                return path
        folders[:] = [name for name in folders if name not in LINKING]
    return None


def refuse_twins(files: Mapping[str, Iterable[Path]], *, key: str = "output") -> None:
    """Refuse two cases whose files would be one, `files` by case.

    Names that differ in case or Unicode form alone are one file on some file systems; whether on
    this one is tried.

    Raises:
        DataError: two cases would write one file.
    """
    owners: dict[str, tuple[str, Path]] = {}
    for case_id, paths in files.items():
        for path in paths:
            folded = normalize("NFC", normalize("NFC", str(path)).casefold())
            other, twin = owners.setdefault(folded, (case_id, path))
            if other != case_id and (path == twin or _is_one_file(path, twin)):
                raise DataError(
                    f"{case_id}: would write {path.name}, as {other} does, wanted names of their "
                    f"own; rename one of the two cases, or say another {key} for each"
                )


def _is_one_file(path: Path, other: Path) -> bool:
    """Whether the file system takes two names for one."""
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
            f"did not write ({names}), wanted a new or empty folder, or one of its own; say "
            f"another {key}, or overwrite=true to replace files of the same names"
        )


def _refuse_links(folder: Path, key: str) -> None:
    if (path := link_out(folder)) is not None:
        raise DataError(
            f"{key}: found the link {path.relative_to(folder)} in {folder}, which leads to "
            f"{path.resolve()}, wanted files of the folder's own; remove the link, say another "
            f"{key}, or overwrite=true to write where it leads"
        )


def _content(folder: Path) -> Iterator[Path]:
    """Files in a folder, but those that nobody has put there on purpose."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_unseen(name))
        for name in sorted(names):
            if not _is_unseen(name):
                yield Path(place) / name


def _is_unseen(name: str) -> bool:
    # we write no file that ends so, and Hydra only appends to its own
    return name in UNSEEN or name.startswith(UNSEEN_STARTS) or name.endswith(".log")


def _counted(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _listed(names: Iterable[str]) -> str:
    shown = list(islice(names, SHOWN + 1))
    return ", ".join(shown[:SHOWN]) + (", …" if len(shown) > SHOWN else "")
