"""Texts of strangers, made safe to print and to put into tables; imports nothing of ours.

Names of files, columns and cases, covariates and messages may hold what moves a terminal's cursor,
turns the direction of a line, is not seen, or is a formula to a spreadsheet.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import TextIO

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # C0, C1 and line separators
UNSEEN = re.compile(  # marks of direction, of no width, and tags
    r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)
IN_A_STREAM = re.compile(  # \n and \t stay, and \r where a bar begins its line anew
    rf"(?!\A\r)(?!\r\n)(?![\n\t])(?:{CONTROL.pattern}|{UNSEEN.pattern})"
)
FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")  # also of full width
QUOTED = re.compile(rf"'+{FORMULA.pattern}")


def escaped(text: str, letters: re.Pattern[str]) -> str:
    """The text with these letters as Python writes them: ESC becomes a backslash and x1b."""
    return letters.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def shown(text: str) -> str:
    """What is printed, with nothing that a terminal obeys or that is not seen; lines stay lines."""
    return escaped(text, IN_A_STREAM)


def one_line(text: str) -> str:
    """A name or message as one line in which every letter is seen."""
    return escaped(escaped(text, CONTROL), UNSEEN)


def encodable(text: str) -> str:
    """A text, such as a path, with codes in place of bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def file_name(text: str) -> str:
    """A name without control letters, which are written `%0A`, so that it can be a file's."""
    return CONTROL.sub(lambda found: f"%{ord(found[0]):02X}", text)


def cell(value: object) -> object:
    """A cell of a CSV or TSV file: text is one line, and no formula; numbers stay as they are.

    A `'` stands before text that a spreadsheet would compute, and `uncell` takes it away.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    is_formula = QUOTED.match(text) or (FORMULA.match(text) and not _is_number(text))
    return f"'{text}" if is_formula else text


def uncell(text: str) -> str:
    """The text of a cell as it was before `cell`; what is no cell of ours stays as it is."""
    return text[1:] if QUOTED.match(text) else text


def cells(row: Mapping[str, object]) -> dict[str, object]:
    """A row of a table, name by name."""
    return {name: cell(value) for name, value in row.items()}


def uncells(row: Mapping[str, str]) -> dict[str, str]:
    """A row of a table of ours, as its texts were."""
    return {name: uncell(text) for name, text in row.items()}


class Shown:
    """A stream on which everything is printed as `shown`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text."""
        self.stream.write(shown(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
