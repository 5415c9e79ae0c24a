"""Compute hashes (SHA-256) of files, texts and plain values, which identify results."""

import hashlib
import json
from pathlib import Path

from neurotarget.files.reading import opened

UNREAD = "unread"


def digest(path: Path | str) -> str:
    """Hash a file's content; `UNREAD` if it cannot be read, which the file's reader reports.

    The hash has 64 hexadecimal digits, as `sha256sum` prints.
    """
    try:
        with opened(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return UNREAD


def hash_of_text(text: str, digits: int | None = None) -> str:
    """Hash a text in UTF-8; return all hexadecimal digits, or the first `digits`."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def hash_of_value(value: object, digits: int | None = None) -> str:
    """Hash plain values as JSON with sorted keys; values that JSON lacks are hashed as text.

    Tuples hash like lists, and a Path like its text.
    """
    return hash_of_text(json.dumps(value, sort_keys=True, default=str), digits)
