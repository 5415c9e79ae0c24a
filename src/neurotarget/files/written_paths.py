"""Paths that tables and descriptions of data sets give as text."""

import os
import re
from pathlib import Path, PureWindowsPath

from neurotarget.files.reading import is_there
from neurotarget.files.writing import at_home

DRIVE = re.compile(r"(?:^|[/\\])[A-Za-z]:[/\\]")  # of Windows, inside a path of another system


def place(root: Path, text: str) -> Path:
    """Path that a text gives, from `root` where it is relative.

    Backslashes part folders, as Windows writes them, unless a file is really called so.
    """
    path = root / at_home(text)
    if "\\" not in text or is_there(path):
        return path
    return root / at_home(PureWindowsPath(text).as_posix())


def has_foreign_drive(path: Path) -> bool:
    """Whether a path names a drive of Windows on a system that has none."""
    return os.name != "nt" and DRIVE.search(str(path)) is not None
