"""Prepared cases on disk: written once, whole or not at all, and memory-mapped ever after.

An entry is a folder of plain `.npy` files and `entry.json`, which holds their checksums. It is
made under a name of its own and renamed into place, so a reader sees all of it or nothing; a lock
file keeps several processes from making the same entry twice.
"""

import glob
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from numpy import ndarray

from neurotarget.data.geometry import Grid
from neurotarget.types import DataError

CHUNK = 1 << 22


class Entry(NamedTuple):
    """One prepared case; the arrays are memory maps and cost nothing until they are sliced."""

    case_id: str
    grid: Grid
    image: ndarray  # (C, I, J, K) float16, or float32 where values are large
    label: ndarray | None  # (I, J, K) classes
    foreground: ndarray  # (N, 4) int16: class, i, j, k of labelled voxels, a sample per class
    facts: Mapping  # what entry.json says


def entry_folder(cache: Path, case_id: str, key: str) -> Path:
    """Where a case with this content and these settings lies; never outside `cache`."""
    plain = re.sub(r"[^\w-]", "_", case_id)[:80]
    return Path(cache) / f"{plain}-{key[:20]}"


def ensure(folder: Path, make: Callable[[Path], Mapping]) -> Path:
    """Make an entry unless a whole one is there; a broken one is made again.

    `make` writes `.npy` files into the folder it is given and returns the facts about them.
    """
    if is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if is_whole(folder):
            return folder
        # whoever holds the lock makes the only draft; others were left by killed processes
        drafts = folder.parent.glob(f".{glob.escape(folder.name)}.*/")
        for leftover in (*drafts, folder):
            shutil.rmtree(leftover, ignore_errors=True)
        draft = folder.with_name(f".{folder.name}.{os.getpid()}")
        draft.mkdir()
        try:
            facts = dict(make(draft))
            facts["files"] = {path.name: _checksum(path) for path in sorted(draft.glob("*.npy"))}
            (draft / "entry.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
            draft.rename(folder)
        except OSError as error:
            if error.filename and draft not in Path(error.filename).parents:
                raise  # of what is read, not of what is written
            raise DataError(
                f"{folder}: a prepared case cannot be written ({error.strerror or error}); make "
                "room, or say a cache on another disk, such as paths.cache=<folder>"
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether every file of an entry is there with the checksum it was written with."""
    try:
        files = json.loads((folder / "entry.json").read_text(encoding="utf-8"))["files"]
        return all(_checksum(folder / name) == value for name, value in files.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def open_entry(folder: Path) -> Entry:
    """Map a prepared case into memory without reading its voxels."""
    facts = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
    has_label = "label.npy" in facts["files"]
    return Entry(
        case_id=facts["case_id"],
        grid=Grid.from_dict(facts["grid"]),
        image=_map(folder / "image.npy"),
        label=_map(folder / "label.npy") if has_label else None,
        foreground=np.load(folder / "foreground.npy", allow_pickle=False),
        facts=facts,
    )


def _map(path: Path) -> ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _checksum(path: Path) -> str:
    value, size = 0, 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            value = zlib.crc32(chunk, value)
            size += len(chunk)
    return f"{size}:{value:08x}"
