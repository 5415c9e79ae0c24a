"""Measure the memory that this process may still take, on the machine and within its cgroups."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import psutil

MIB = 2**20
CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# files of a cgroup: its limit, what is in use, and the line of memory.stat with what can be freed
SECOND = ("memory.max", "memory.current", "inactive_file")
FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_memory_mib(groups: Path = CGROUPS, own: Path = OWN) -> float:
    """Return the memory that is free for this process and its children without swapping, MiB.

    This is the smallest of the machine's free memory and the rest of each cgroup's limit, set by
    Slurm, Docker or systemd. Files in the system's cache count as free.
    """
    free = [float(psutil.virtual_memory().available)]
    for folder, names in _folders(groups, own):
        with suppress(OSError, ValueError, KeyError):
            free.append(_left(folder, *names))
    return max(min(free), 0.0) / MIB


def own_memory_mib() -> float:
    """Return the resident memory of this process without its children, MiB."""
    return psutil.Process().memory_info().rss / MIB


def _folders(groups: Path, own: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """Yield the folders of the memory cgroups of this process, from the innermost upwards."""
    with suppress(OSError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, place = line.split(":", 2)
            is_second = not controllers
            if not is_second and "memory" not in controllers.split(","):
                continue
            root = groups if is_second else groups / "memory"
            path = PurePosixPath(place.lstrip("/"))
            for part in (path, *path.parents):
                yield root / part, SECOND if is_second else FIRST


def _left(folder: Path, limit: str, used: str, freed: str) -> float:
    """Return the bytes that are left within a cgroup's limit; raise ValueError without a limit."""
    most = int((folder / limit).read_text(encoding="utf-8"))  # "max" is no number
    lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
    stat = dict(line.split() for line in lines)
    return most - int((folder / used).read_text(encoding="utf-8")) + int(stat[freed])
