"""Format costs and probabilities in readable units: millions, minutes, GiB, percent."""

import math

from neurotarget.report.text.sentences import DASH, NARROW

SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
MOST_SECONDS, MOST_MINUTES = 120, 120  # above, minutes or hours are shown


def amount(count: float) -> str:
    """Format a large number: `1.2 M`."""
    if not math.isfinite(count):
        return DASH
    for size, sign in SIZES:
        if count >= 0.9995 * size:
            return f"{figures(count / size)}{NARROW}{sign}"
    return figures(count)


def operations(count: float) -> str:
    """Format floating-point operations: `4.2 GFLOP`."""
    if not math.isfinite(count):
        return DASH
    text = amount(count)
    return f"{text}FLOP" if NARROW in text else f"{text}{NARROW}FLOP"


def duration(seconds: float) -> str:
    """Format a time given in s: `0.05 s`, `12 min`, `3 h 05 min`."""
    if not math.isfinite(seconds):
        return DASH
    if seconds < MOST_SECONDS:
        return f"{figures(seconds)}{NARROW}s"
    minutes = round(seconds / 60)
    if minutes < MOST_MINUTES:
        return f"{minutes}{NARROW}min"
    return f"{minutes // 60}{NARROW}h {minutes % 60:02}{NARROW}min"


def memory(mib: float) -> str:
    """Format memory given in MiB: `1.2 GiB`."""
    if not math.isfinite(mib):
        return DASH
    return f"{figures(mib / 1024)}{NARROW}GiB" if mib >= 1000 else f"{figures(mib)}{NARROW}MiB"


def energy(wh: float) -> str:
    """Format electric energy given in Wh: `1.2 kWh`."""
    if not math.isfinite(wh):
        return DASH
    return f"{figures(wh / 1000)}{NARROW}kWh" if wh >= 1000 else f"{figures(wh)}{NARROW}Wh"


def chance(probability: float) -> str:
    """Format a probability estimated from draws, never as 0 or 100 %: `62 %`, `> 99 %`."""
    if not math.isfinite(probability):
        return DASH
    if probability >= 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def figures(value: float) -> str:
    """Format with two or three significant digits, without exponent: `0.053`, `12.5`, `1020`."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if abs(value) < 100 else 0
    text = f"{value:.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
