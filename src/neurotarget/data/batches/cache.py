"""Prepared cases on disk, written once, whole or not at all, and then memory-mapped.

An entry is the folder of one prepared case: `.npy` files, and `entry.json` with their checksums. It
is written under a temporary name and renamed, so that a reader sees all of it or nothing; a lock
file prevents several processes from writing the same entry.
"""

import glob
import json
import mmap
import os
import re
import shutil
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from filelock import FileLock
from numpy import ndarray
from torch import Tensor

from neurotarget.data.scans.geometry import Grid
from neurotarget.files.drafts import draft_path, drafts_of, sweep_once
from neurotarget.files.reading import load_json, opened, read_bytes
from neurotarget.problems import DataError

CHUNK = 1 << 22
READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
READ_HEAD = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class _Stored(NamedTuple):
    """Type, shape and offset of the values in a `.npy` file, read once to open it quickly later."""

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    offset: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read the header of a file.

        Raises:
            ValueError: the file has Python objects, which would run a pickle, or no NumPy header.
            KeyError: the file has a later version of NumPy's format.
        """
        with opened(path) as stream:
            read = READ_HEAD[np.lib.format.read_magic(stream)]
            shape, is_fortran, dtype = read(stream)
            if dtype.hasobject:
                raise ValueError(f"{path}: found Python objects, wanted numbers")
            return cls(path, dtype, shape, "F" if is_fortran else "C", stream.tell())

    def mapped(self) -> ndarray:
        """Open the values as a memory map that lasts as long as the array."""
        descriptor = os.open(self.path, READ_ONLY)  # faster than np.load; patches take a few ms
        try:
            content = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        return np.ndarray(self.shape, self.dtype, content, self.offset, order=self.order)

    def whole(self) -> ndarray:
        """Read all values into memory, which is faster than a map for a small file."""
        return np.ndarray(
            self.shape, self.dtype, read_bytes(self.path), self.offset, order=self.order
        )


@dataclass(frozen=True)
class Entry:
    """One prepared case; its arrays are memory maps, of which only slices are read from disk.

    Each access opens a file, which is closed when the array is deleted; one open file per
    case would exceed the system's limit.

    Attributes:
        case_id: of the case.
        grid: working box of the prepared arrays in the scan.
        facts: content of entry.json.
        folder: of the entry, with entry.json and the arrays.
    """

    case_id: str
    grid: Grid
    facts: Mapping
    folder: Path

    @property
    def image(self) -> ndarray:
        """Image (C, I, J, K) in float16, or float32 where values are large."""
        return self._stored["image"].mapped()

    @property
    def shape(self) -> tuple[int, ...]:
        """Contrasts and sides (C, I, J, K) of the image."""
        return self._stored["image"].shape

    @property
    def label(self) -> ndarray | None:
        """Classes (I, J, K); None without a mask."""
        return self._stored["label"].mapped() if self.has_label else None

    @property
    def has_label(self) -> bool:
        """True if the case has a mask."""
        return "label.npy" in self.facts["files"]

    @property
    def foreground(self) -> ndarray:
        """Sample of labelled voxels of each class: class, i, j, k as (N, 4) int16.

        Rows are sorted by class; without a mask there are no rows.
        """
        return self._stored["foreground"].whole()

    def array(self, name: str) -> ndarray:
        """Open an array of the entry as a memory map, by its file name without `.npy`.

        Raises:
            KeyError: the entry has no such file.
        """
        return self._stored[name].mapped()

    @cached_property
    def _stored(self) -> dict[str, _Stored]:
        names = [Path(name).stem for name in self.facts["files"]]
        return {name: _Stored.of(self.folder / f"{name}.npy") for name in names}


class HeldEntry(Entry):
    """An entry whose arrays stay open after the first access, each in its own file."""

    image = cached_property(lambda self: Entry.image.fget(self))
    label = cached_property(lambda self: Entry.label.fget(self))
    foreground = cached_property(lambda self: Entry.foreground.fget(self))

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The same memory maps as tensors: `image`, and `label` of a case with a mask."""
        arrays = {"image": self.image} | ({"label": self.label} if self.has_label else {})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            return {name: torch.from_numpy(array) for name, array in arrays.items()}

    @cached_property
    def voxels_of_class(self) -> dict[int, ndarray]:
        """Sampled voxels (N, 3) of each class that the case has, in the order of the classes."""
        marked = self.foreground  # sorted by class
        numbers, starts = np.unique(marked[:, 0], return_index=True)
        voxels = np.split(marked[:, 1:], starts[1:]) if len(numbers) else []
        return dict(zip(numbers.tolist(), voxels, strict=True))


def held(entry: Entry) -> HeldEntry:
    """Return the same entry with arrays that stay open until the entry is deleted.

    Headers that were read already are not read again.
    """
    copy = HeldEntry(entry.case_id, entry.grid, entry.facts, entry.folder)
    copy.__dict__["_stored"] = entry._stored
    return copy


def entry_folder(cache: Path, case_id: str, key: str) -> Path:
    """Return the folder of an entry, named by content and settings; always inside `cache`.

    Args:
        cache: folder of prepared cases.
        case_id: other characters than letters, digits, `_` and `-` become `_`.
        key: hash of the content and settings, of which 20 digits are used.
    """
    plain = re.sub(r"[^\w-]", "_", case_id)[:80]
    return Path(cache) / f"{plain}-{key[:20]}"


def ensure(folder: Path, make: Callable[[Path], Mapping]) -> Path:
    """Write an entry unless it is already complete; a broken entry is replaced.

    Args:
        folder: of the entry.
        make: writes `.npy` files into the given folder and returns the content of `entry.json`, to
            which their checksums are added.

    Returns:
        The folder.

    Raises:
        DataError: the entry cannot be written, such as on a full disk.
        OSError: a file of the case cannot be read.
    """
    if is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if is_whole(folder):
            return folder
        # only the lock's holder writes a draft; other drafts were left by killed processes
        older = folder.parent.glob(f".{glob.escape(folder.name)}.*/")
        for leftover in (*older, *drafts_of(folder), folder):
            shutil.rmtree(leftover, ignore_errors=True)
        draft = draft_path(folder)
        draft.mkdir()
        sweep_once(folder.parent, now_s=draft.stat().st_mtime)
        try:
            facts = dict(make(draft))
            facts["files"] = {path.name: _checksum(path) for path in sorted(draft.glob("*.npy"))}
            (draft / "entry.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
            draft.rename(folder)
        except OSError as error:
            if error.filename and draft not in Path(error.filename).parents:
                raise  # a file could not be read; only write errors are explained below
            raise DataError(
                f"{folder}: a prepared case cannot be written ({error.strerror or error}); make "
                "room, or set a cache on another disk, such as paths.cache=<folder>"
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def is_whole(folder: Path) -> bool:
    """Return whether every file of an entry exists with its recorded checksum.

    All bytes are read; a missing or damaged `entry.json` counts as not whole.
    """
    try:
        files = load_json(folder / "entry.json")["files"]
        return all(_checksum(folder / name) == value for name, value in files.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def open_entry(folder: Path) -> Entry:
    """Open a prepared case without reading its voxels.

    Raises:
        OSError, ValueError, KeyError: `entry.json` is missing or damaged.
    """
    facts = load_json(folder / "entry.json")
    return Entry(facts["case_id"], Grid(**facts["grid"]), facts, folder)


def _checksum(path: Path) -> str:
    value, size = 0, 0
    with opened(path) as stream:
        while chunk := stream.read(CHUNK):
            value = zlib.crc32(chunk, value)
            size += len(chunk)
    return f"{size}:{value:08x}"
