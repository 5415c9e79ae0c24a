"""The record of an output folder: the files that neurotarget wrote, in the format of `sha256sum`.

A line holds the SHA-256 of a file and its path in the folder. The line is appended before the file
is renamed into place, so that our own file is never taken for foreign if the process is killed in
between. State files that change each time a run resumes, and large checkpoints, have `-` instead
of a digest: they are recognised by name.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from neurotarget.files.drafts import draft_path
from neurotarget.files.reading import real_path

RECORD = ".neurotarget.sha256"
LOCK = ".neurotarget.lock"
NAME_ONLY = "-"
LINE = re.compile(rb"(\\?)([0-9a-f]{64}|-)  (.+)")
CUT = b"/\n"  # closes a line that a kill has truncated; no file name ends in a slash
KEPT = 8  # digests per file that compacting keeps
LEAST_BYTES = 64 * 1024  # size from which a record is compacted


class Record:
    """The files of a folder that neurotarget wrote; several processes may append to the record.

    `may_replace` permits replacing files of others in the folder, as `overwrite=true` asks.
    """

    def __init__(self, folder: Path, *, may_replace: bool = False) -> None:
        self.folder, self.may_replace = real_path(folder), may_replace
        self.path = self.folder / RECORD
        self._digests: dict[str, list[str]] = defaultdict(list)
        self._head, self._read_to = b"", 0  # head line (changed by compacting); bytes read so far

    def name(self, path: Path) -> str:
        """Path of a file relative to the folder, with forward slashes.

        Links in its folders are followed, but not the file itself, which may be a link.

        Raises:
            ValueError: the file lies outside of the folder.
        """
        path = Path(path)
        return (real_path(path.parent) / path.name).relative_to(self.folder).as_posix()

    def digests(self, path: Path) -> list[str]:
        """Every digest written for a file, oldest first; `-` if its name is enough."""
        self._update()
        return list(self._digests.get(self.name(path), ()))

    def files(self) -> list[Path]:
        """Every file that neurotarget wrote here, including those that were deleted since."""
        self._update()
        return [self.folder / name for name in self._digests]

    def create(self) -> None:
        """Create an empty record if there is none.

        Raises:
            OSError: the folder cannot be written.
        """
        no_link = getattr(os, "O_NOFOLLOW", 0)  # a link could create a file elsewhere
        os.close(os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | no_link, 0o666))

    def enter(self, path: Path, digest: str) -> None:
        """Record the digest that a file is about to have, unless it is recorded already.

        Raises:
            OSError: the record cannot be written.
        """
        self.enter_all({path: digest})

    def enter_all(self, digests: Mapping[Path, str]) -> None:
        """Record the digests of several files in one write, before they are renamed into place.

        Args:
            digests: SHA-256 of each file, or `NAME_ONLY` for one that is recognised by its name.

        Raises:
            OSError: the record cannot be written.
        """
        self._update()
        named = {self.name(path): digest for path, digest in digests.items()}
        lines = b"".join(
            _line(name, digest)
            for name, digest in named.items()
            if self._digests.get(name, [None])[-1] != digest
        )
        if not lines:
            return
        with self._locked(), self.path.open("ab+") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(end - 1, 0))
            stream.write((CUT if end and stream.read() != b"\n" else b"") + lines)
            stream.flush()
            os.fsync(stream.fileno())

    def compact(self) -> None:
        """Shorten a large record: keep only the last digests of each file.

        Nothing happens below `LEAST_BYTES`, if less than half could be saved, or on a file system
        without locks, where another process could be appending.
        """
        with suppress(OSError), self._locked() as is_locked:
            self._update()
            if not is_locked or self._read_to < LEAST_BYTES:
                return
            lines = [
                _line(name, digest)
                for name, digests in self._digests.items()
                for digest in digests[-KEPT:]
            ]
            if 2 * sum(map(len, lines)) > self._read_to:
                return
            draft = draft_path(self.path)
            with draft.open("wb") as stream:
                stream.write(f"# compacted {os.urandom(8).hex()}\n".encode())
                stream.writelines(lines)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock of the record; yield False on a file system without locks."""
        lock = FileLock(self.folder / LOCK, timeout=60)
        try:
            lock.acquire()
        except (OSError, NotImplementedError):  # no lock is needed: one write per line
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _update(self) -> None:
        """Read the lines appended since the last call, or all lines after a compaction."""
        try:
            with self.path.open("rb") as stream:
                first = stream.readline()
                head = first if first.startswith(b"#") else b""
                if head != self._head:
                    self._digests.clear()
                    self._head, self._read_to = head, 0
                stream.seek(self._read_to)
                whole = stream.read().rpartition(b"\n")
        except FileNotFoundError:
            self._digests.clear()
            self._head, self._read_to = b"", 0
            return
        self._read_to += len(whole[0]) + len(whole[1])
        for line in whole[0].split(b"\n"):
            if matched := LINE.fullmatch(line):
                escaped, digest, name = matched.groups()
                self._digests[_name(name, is_escaped=bool(escaped))].append(digest.decode())


CLAIMED: dict[Path, Record] = {}  # folders that this process writes into


def record_of(path: Path) -> Record | None:
    """Record of the nearest folder above a file that this process has claimed; else None.

    None means that the file is not protected: it is written without a check or a record.
    """
    parent = real_path(Path(path).parent)
    return next((CLAIMED[one] for one in (parent, *parent.parents) if one in CLAIMED), None)


def _line(name: str, digest: str) -> bytes:
    """Format a line like `sha256sum`, which escapes backslashes and line breaks in names."""
    plain = os.fsencode(name)
    text = plain.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if text != plain else b"") + digest.encode() + b"  " + text + b"\n"


def _name(text: bytes, *, is_escaped: bool) -> str:
    if is_escaped:
        signs = {b"\\n": b"\n", b"\\r": b"\r", b"\\\\": b"\\"}
        text = re.sub(rb"\\[nr\\]", lambda match: signs[match[0]], text)
    return os.fsdecode(text)
