"""Parsing of paths that are written in tables and data set descriptions."""

import os
import re
from pathlib import Path, PureWindowsPath

from neurotarget.files.reading import is_there
from neurotarget.files.writing import expand_home

DRIVE = re.compile(r"(?:^|[/\\])[A-Za-z]:[/\\]")  # a Windows drive inside a path


def place(root: Path, text: str) -> Path:
    """Parse a path; a relative path starts at `root`.

    Backslashes separate folders, as on Windows, unless a file with that exact name exists.
    """
    path = root / expand_home(text)
    if "\\" not in text or is_there(path):
        return path
    return root / expand_home(PureWindowsPath(text).as_posix())


def has_foreign_drive(path: Path) -> bool:
    """Return whether a path names a Windows drive on a system that has no drives.

    Such a path comes from a table written on another machine; the table's reader reports this.
    """
    return os.name != "nt" and DRIVE.search(str(path)) is not None
