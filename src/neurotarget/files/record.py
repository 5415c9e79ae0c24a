"""The record of an output folder: the files in it that we wrote, as `sha256sum` lists them.

A line holds the SHA-256 of a file and its path in the folder. It is appended before the file takes
its place, so that a kill between the two never makes our own file foreign. State that every
sitting of a run rewrites, and checkpoints of hundreds of megabytes, have `-` in place of a digest:
they are ours by their name.
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
CUT = b"/\n"  # ends a line that a kill has cut: no file is called so
KEPT = 8  # digests of one file that stay when a record is compacted
LEAST_BYTES = 64 * 1024  # of a record that is worth compacting


class Record:
    """Which files of a folder we wrote; several processes may append to it."""

    def __init__(self, folder: Path, *, may_replace: bool = False) -> None:
        self.folder, self.may_replace = real_path(folder), may_replace
        self.path = self.folder / RECORD
        self._digests: dict[str, list[str]] = defaultdict(list)
        self._head, self._read_to = b"", 0  # which compacting changes, and how far it was read

    def name(self, path: Path) -> str:
        """Path of a file in the folder, with slashes."""
        path = Path(path)
        return (real_path(path.parent) / path.name).relative_to(self.folder).as_posix()

    def digests(self, path: Path) -> list[str]:
        """What a file held whenever we wrote it, oldest first; `-` where its name is enough."""
        self._update()
        return list(self._digests.get(self.name(path), ()))

    def files(self) -> list[Path]:
        """Every file that we ever wrote here, whether or not it is there still."""
        self._update()
        return [self.folder / name for name in self._digests]

    def create(self) -> None:
        """Make an empty record where there is none.

        Raises:
            OSError: the folder cannot be written.
        """
        no_link = getattr(os, "O_NOFOLLOW", 0)  # which could make a file elsewhere
        os.close(os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | no_link, 0o666))

    def enter(self, path: Path, digest: str) -> None:
        """Note what a file is about to hold; does nothing where that is known.

        Raises:
            OSError: the record cannot be written.
        """
        self.enter_all({path: digest})

    def enter_all(self, digests: Mapping[Path, str]) -> None:
        """Note what several files hold, in one go."""
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
        """Drop what the record need not say: all but the last digests of a file."""
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
        """Under the lock of the record; False on a file system without locks."""
        lock = FileLock(self.folder / LOCK, timeout=60)
        try:
            lock.acquire()
        except (OSError, NotImplementedError):  # a line is written in one go all the same
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _update(self) -> None:
        """Read what was appended since; everything where the record was compacted."""
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
            if found := LINE.fullmatch(line):
                escaped, digest, name = found.groups()
                self._digests[_name(name, is_escaped=bool(escaped))].append(digest.decode())


CLAIMED: dict[Path, Record] = {}  # folders that this process writes into


def record_of(path: Path) -> Record | None:
    """Record of the nearest folder around a file that this process has claimed."""
    parent = real_path(Path(path).parent)
    return next((CLAIMED[one] for one in (parent, *parent.parents) if one in CLAIMED), None)


def _line(name: str, digest: str) -> bytes:
    """As `sha256sum` writes it: names with a backslash or a line break are escaped."""
    plain = os.fsencode(name)
    text = plain.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if text != plain else b"") + digest.encode() + b"  " + text + b"\n"


def _name(text: bytes, *, is_escaped: bool) -> str:
    if is_escaped:
        signs = {b"\\n": b"\n", b"\\r": b"\r", b"\\\\": b"\\"}
        text = re.sub(rb"\\[nr\\]", lambda found: signs[found[0]], text)
    return os.fsdecode(text)
