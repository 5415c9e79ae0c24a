"""Numbers and tables as text, for terminals and files."""

import math
from collections.abc import Iterable, Sequence

NOTHING = "-"


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Table of text with columns of equal width and a rule below its head."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    return "\n".join([lines[0], "-" * max(len(line) for line in lines), *lines[1:]])


def interval(low: float | None, high: float | None, digits: int | None = None) -> str:
    """Both ends in square brackets; nothing where there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def number(value: float | None, digits: int | None = None, *, sign: bool = False) -> str:
    """Value with `digits` decimals, or with two or three figures; whole from a hundred on."""
    if value is None:
        return NOTHING
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        if 0 < abs(value) < 0.1:
            digits = 1 - math.floor(math.log10(abs(value)))
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def p_value(p: float | None) -> str:
    """A p value to three decimals."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def unit_text(unit: str) -> str:
    """Unit of a file as it is read: mm3 as mm³."""
    return unit.replace("mm3", "mm³")


def listed(parts: Iterable[str]) -> str:
    """Names as a sentence lists them: `a, b and c`."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
