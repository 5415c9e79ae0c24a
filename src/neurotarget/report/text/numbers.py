"""Format numbers and tables as text, for terminals and files."""

import math
from collections.abc import Iterable, Sequence

NOTHING = "-"


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Format a table with aligned columns and a line below the header."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    return "\n".join([lines[0], "-" * max(len(line) for line in lines), *lines[1:]])


def interval(low: float | None, high: float | None, digits: int | None = None) -> str:
    """Format both ends in square brackets; "" where there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def number(value: float | None, digits: int | None = None, *, sign: bool = False) -> str:
    """Format with `digits` decimals, else two or three significant digits; integers from 100 on."""
    if value is None:
        return NOTHING
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        if 0 < abs(value) < 0.1:
            digits = 1 - math.floor(math.log10(abs(value)))
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def p_value(p: float | None) -> str:
    """Format a p value with three decimals."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def unit_text(unit: str) -> str:
    """Format a unit from a file: mm3 as mm³."""
    return unit.replace("mm3", "mm³")


def listed(parts: Iterable[str]) -> str:
    """Join names for a sentence: `a, b and c`."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
