"""Format large numbers in sentences, in the style of the report's tables."""

THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
GROUPED = 10_000  # numbers from here on have spaces between thousands


def whole(value: float) -> str:
    """Format a number as an integer, with thin spaces between thousands from 10 000 on."""
    text = f"{value:,.0f}"
    return text.replace(",", THIN_SPACE if abs(value) >= GROUPED else "")
