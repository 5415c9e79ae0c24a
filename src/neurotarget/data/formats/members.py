"""One volume of a 4-D file as a path of its own: `scan.nii.gz[2]` is the third, as in AFNI."""

import re
from pathlib import Path

MEMBER = re.compile(r"(.+)\[(\d{1,4})\]")


def member(path: Path, number: int) -> Path:
    """Path of one volume of a 4-D file; the first has the number 0.

    Only readers of scans (`read_volume`) understand it: there is no file of this name.
    """
    return path.with_name(f"{path.name}[{number}]")


def file_and_number(path: Path) -> tuple[Path, int | None]:
    """The file of a path and the number of a volume in it; None for the whole file."""
    match = MEMBER.fullmatch(path.name)
    return (path.with_name(match[1]), int(match[2])) if match else (path, None)
