"""Untrusted text made safe to print and to write into tables; imports no other room.

Names of files, columns and cases, covariates and messages may contain terminal control codes,
marks of text direction, invisible characters, or spreadsheet formulas.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import TextIO

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # C0, C1 and line separators
UNSEEN = re.compile(  # direction marks, zero-width characters, tags
    r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)
IN_A_STREAM = re.compile(  # keeps \n and \t, and the \r with which a progress bar restarts its line
    rf"(?!\A\r)(?!\r\n)(?![\n\t])(?:{CONTROL.pattern}|{UNSEEN.pattern})"
)
FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")  # with the full-width forms
QUOTED = re.compile(rf"'+{FORMULA.pattern}")


def escaped(text: str, letters: re.Pattern[str]) -> str:
    """Replace these characters by their Python escapes: ESC becomes a backslash and x1b.

    Args:
        text: text from any source.
        letters: pattern for the single characters to replace, such as `CONTROL`.
    """
    return letters.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def escape_controls(text: str) -> str:
    """Escape terminal control codes and invisible characters; line breaks are kept.

    Tabs stay, and so does a carriage return at the start, by which progress bars rewrite their
    line.
    """
    return escaped(text, IN_A_STREAM)


def one_line(text: str) -> str:
    """Escape all control and invisible characters, line breaks too, so that text is one line."""
    return escaped(escaped(text, CONTROL), UNSEEN)


def encodable(text: str) -> str:
    """Replace bytes of a text (such as a path) that are not UTF-8 by escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def file_name(text: str) -> str:
    """Replace control characters by `%0A` and the like, so that a text can be a file name.

    Other characters stay, `/` too: the caller checks names of cases.
    """
    return CONTROL.sub(lambda match: f"%{ord(match[0]):02X}", text)


def cell(value: object) -> object:
    """Make a value safe for CSV or TSV: text on one line and never a formula; numbers unchanged.

    Text that a spreadsheet would compute gets a leading `'`, which `uncell` removes.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    is_formula = QUOTED.match(text) or (FORMULA.match(text) and not _is_number(text))
    return f"'{text}" if is_formula else text


def uncell(text: str) -> str:
    """Undo `cell`; text that `cell` did not change stays as it is."""
    return text[1:] if QUOTED.match(text) else text


def cells(row: Mapping[str, object]) -> dict[str, object]:
    """Apply `cell` to a row, names and values.

    Names of columns come from users' tables as well, so they are made safe like values.
    """
    return {name: cell(value) for name, value in row.items()}


def uncells(row: Mapping[str, str]) -> dict[str, str]:
    """Apply `uncell` to a row of a table that neurotarget wrote.

    Only values are restored, not the names of columns.
    """
    return {name: uncell(text) for name, text in row.items()}


class EscapedStream:
    """A text stream that applies `escape_controls` to everything written to it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, escaped.

        Returns the number of characters of the text as given, as a text stream does.
        """
        self.stream.write(escape_controls(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts, escaped."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
