"""Paths of single volumes in a 4-D file: `scan.nii.gz[2]` is the third volume, as in AFNI."""

import re
from pathlib import Path

MEMBER = re.compile(r"(.+)\[(\d{1,4})\]")


def member(path: Path, number: int) -> Path:
    """Make the path of one volume of a 4-D file; the first volume has the number 0.

    Only readers of scans (`read_volume`) understand this path: no file has this name.
    """
    return path.with_name(f"{path.name}[{number}]")


def file_and_number(path: Path) -> tuple[Path, int | None]:
    """Split a path into its file and the number of a volume; None for the whole file."""
    match = MEMBER.fullmatch(path.name)
    return (path.with_name(match[1]), int(match[2])) if match else (path, None)
