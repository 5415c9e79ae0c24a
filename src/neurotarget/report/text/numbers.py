"""Estimates, costs, counts and tables as text; the rule of single numbers is in `number_text`."""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from neurotarget.number_text import (
    DASH,
    MINUS,
    NARROW,
    digits_for,
    interval,
    is_known,
    number,
    stated,
    unit_text,
)

SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
MOST_SECONDS, MOST_MINUTES = 120, 120  # above, minutes or hours are shown
IRREGULAR = {"person": "people", "patch": "patches"}


def tick_text(value: float, _: int | None = None) -> str:
    """Format the label of a tick, with thin spaces between thousands from five digits on.

    The second argument is matplotlib's position of the tick.
    """
    text = f"{value:,.10g}" if abs(value) >= 10_000 else f"{value:.10g}"
    return text.replace(",", NARROW).replace("-", MINUS)


def estimate(
    row: Mapping,
    key: str = "value",
    *,
    stem: str = "",
    digits: int | None = None,
    sign: bool = False,
    unit: str = "",
) -> str:
    """Format a value with its interval in square brackets and, if any, its unit.

    A dash if the value is undefined; no brackets if an end of the interval is.

    Args:
        row: with the value and its ends, `low` and `high`, or `<stem>_low` and `<stem>_high`.
        key: of the value.
        stem: of the ends.
        digits: after the decimal point; None takes those that suit the largest of the three.
        sign: whether a positive value has a plus.
        unit: as in names of columns, such as mm3.
    """
    ends = (f"{stem}_low", f"{stem}_high") if stem else ("low", "high")
    value, low, high = (row.get(name, math.nan) for name in (key, *ends))
    if not is_known(value):
        return DASH
    digits = digits_for(value, low, high) if digits is None else digits
    parts = (number(value, digits, sign=sign), interval(low, high, digits), unit_text(unit))
    return " ".join(filter(None, parts))


def mean_sd(mean: float | None, sd: float | None, digits: int) -> str:
    """Format a mean with its SD, if there is one; a dash without a mean."""
    return f"{number(mean, digits)}{f' ± {number(sd, digits)}' if is_known(sd) else ''}"


def p_value(p: float | None) -> str:
    """Format a p value with three decimals; `< 0.001` below that, a dash if it is undefined."""
    if not is_known(p):
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """Format a p value for a sentence: `p = 0.012`, `p < 0.001`; without a number `p unknown`."""
    if not is_known(p):
        return "p unknown"
    return f"p {p_value(p) if p < 0.001 else f'= {p_value(p)}'}"


def percent(row: Mapping) -> str:
    """Format a rate with its interval, in %; `row` has `rate`, `low` and `high` as shares."""
    return estimate(in_percent(row), digits=1, unit="%")


def in_percent(row: Mapping) -> dict[str, float]:
    """Return a rate and its interval as `value`, `low` and `high` in %; NaN where missing."""
    names = {"value": "rate", "low": "low", "high": "high"}
    return {name: 100 * float(row.get(key, math.nan)) for name, key in names.items()}


def listed(parts: Iterable[str]) -> str:
    """Join at least one name for a sentence: `a, b and c`."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def counted(n: int, what: str) -> str:
    """Format a count with its noun in the singular: `1 case`, `2 people`."""
    return f"{n} {what}" if n == 1 else f"{n} {IRREGULAR.get(what, what + 's')}"


def amount(count: float) -> str:
    """Format a large number with the prefix k, M, G or T: `1.2 M`."""
    for size, sign in SIZES:
        if is_known(count) and count >= 0.9995 * size:
            return f"{stated(count / size)}{NARROW}{sign}"
    return stated(count)


def operations(count: float) -> str:
    """Format floating-point operations: `4.2 GFLOP`; a dash if they are unknown."""
    text = amount(count)
    return text if text == DASH else f"{text}{'' if NARROW in text else NARROW}FLOP"


def duration(seconds: float) -> str:
    """Format a time given in s: `0.05 s`, `12 min`, `3 h 05 min`; a dash if it is unknown."""
    if not is_known(seconds) or seconds < MOST_SECONDS:
        return _with_unit(seconds, "s")
    minutes = round(seconds / 60)
    if minutes < MOST_MINUTES:
        return f"{minutes}{NARROW}min"
    return f"{minutes // 60}{NARROW}h {minutes % 60:02}{NARROW}min"


def memory(mib: float) -> str:
    """Format memory given in MiB: `1.2 GiB`; a dash if it is NaN."""
    return _with_unit(mib / 1024, "GiB") if mib >= 1000 else _with_unit(mib, "MiB")


def energy(wh: float) -> str:
    """Format electric energy given in Wh: `1.2 kWh`; a dash if it is NaN."""
    return _with_unit(wh / 1000, "kWh") if wh >= 1000 else _with_unit(wh, "Wh")


def chance(probability: float) -> str:
    """Format a probability estimated from samples, never as 0 or 100 %: `62 %`, `> 99 %`."""
    if not is_known(probability):
        return DASH
    if probability >= 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def aligned(table: Sequence[Sequence[str]], *, right: bool = False) -> str:
    """Format a table with aligned columns and a line below the header.

    Widths are those in a terminal, where some signs take two columns and accents none.

    Args:
        table: header, then lines with as many cells.
        right: whether all columns but the first are aligned to the right, as numbers are.
    """
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    lines = []
    for line in table:
        blanks = [" " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        first, *rest = zip(line, blanks, strict=True)
        cells = [blank + cell if right else cell + blank for cell, blank in rest]
        lines.append("  ".join(["".join(first), *cells]).rstrip())
    return "\n".join([lines[0], "-" * max(map(_width, lines)), *lines[1:]])


def _with_unit(value: float, unit: str) -> str:
    return f"{stated(value)}{NARROW}{unit}" if is_known(value) else DASH


def _width(text: str) -> int:
    """Width of a text in terminal columns."""
    signs = [sign for sign in text if not unicodedata.combining(sign)]
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in signs)
