"""Numbers and units as text, by one rule for sentences, pages, figures, files and the terminal.

Without `digits` a number has about three significant digits, and the ends of an interval have equal
decimals. The minus is typographic, five digits and more are separated by thin spaces, and a missing
value is a dash.
"""

import math

MINUS, DASH, NARROW = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{NARROW NO-BREAK SPACE}"


def is_known(value: float | None) -> bool:
    """Return whether there is a finite number."""
    return value is not None and math.isfinite(value)


def digits_for(*values: float) -> int:
    """Return decimals that suit the largest of these values; small ones keep two digits.

    From 100 on none, from 10 on one, from 1 on two, else three; below 0.01 as many as leave two
    significant digits. Missing and infinite values are left out; without any, or all 0, it is 0.
    """
    largest = max((abs(value) for value in values if is_known(value)), default=0.0)
    if largest == 0:
        return 0
    if largest < 0.01:
        return 1 - math.floor(math.log10(largest))
    return next((count for edge, count in ((100, 0), (10, 1), (1, 2)) if largest >= edge), 3)


def number(value: float | None, digits: int | None = None, *, sign: bool = False) -> str:
    """Format a number with `digits` decimals, else with about three significant digits.

    Args:
        value: None, NaN and infinity give a dash.
        digits: decimals after the point.
        sign: whether a positive number gets a plus; 0 has no sign.
    """
    if not is_known(value):
        return DASH
    text = f"{value:.{digits_for(value) if digits is None else digits}f}"
    if float(text) == 0:
        return text.removeprefix("-")
    whole, point, decimals = text.removeprefix("-").partition(".")
    whole = f"{int(whole):,}".replace(",", NARROW) if len(whole) > 4 else whole
    return f"{MINUS if value < 0 else '+' if sign else ''}{whole}{point}{decimals}"


def stated(value: float, *, sign: bool = False) -> str:
    """Format a stated or round number without needless digits: `70`, `0.25`.

    At most three significant digits are kept; `sign` adds a plus to a positive number.
    """
    decimals = f"{float(f'{value:.3g}'):.12f}".rstrip("0").partition(".")[2]
    return number(value, len(decimals), sign=sign)


def interval(low: float | None, high: float | None, digits: int | None = None) -> str:
    """Format both ends in square brackets; "" where there is no interval.

    Both ends have equal decimals: `digits`, or what suits the larger end.
    """
    if not (is_known(low) and is_known(high)):
        return ""
    digits = digits_for(low, high) if digits is None else digits
    return f"[{number(low, digits)}, {number(high, digits)}]"


def unit_text(unit: str) -> str:
    """Format a unit from a file: mm3/year as `mm³ per year`, /year as `per year`."""
    return unit.replace("mm3", "mm³").replace("mm2", "mm²").replace("/", " per ").strip()
