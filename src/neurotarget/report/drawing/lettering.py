"""Text and numbers in figures, shortened to the available width."""

import re
import unicodedata
from collections.abc import Sequence

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

PT_PER_INCH = 72
MOST_LETTERS = 200  # longer text is cut before it is measured


def fitted(text: object, width_inch: float, size_pt: float, *, bold: bool = False) -> str:
    """Return plain text no wider than `width_inch`, with its middle replaced by … if needed.

    The ends are kept because names of cases and arms differ there.
    """
    text = plain(text)
    if wide_inch([text], size_pt, bold=bold) <= width_inch:
        return text
    if len(text) > MOST_LETTERS:
        text = text[: MOST_LETTERS // 2] + text[-MOST_LETTERS // 2 :]
    for keep in range(len(text) - 1, 1, -1):
        cut = f"{text[: (keep + 1) // 2].rstrip()}…{text[len(text) - keep // 2 :].lstrip()}"
        if wide_inch([cut], size_pt, bold=bold) <= width_inch:
            return cut
    return text[:1]


def wide_inch(texts: Sequence[str], size_pt: float, *, bold: bool = False) -> float:
    """Return the width of the widest of these texts, in inches; 0 without texts.

    Widths are measured in DejaVu Sans, which is wider than most fonts of a page.
    """
    font = FontProperties(family="DejaVu Sans", size=size_pt, weight="bold" if bold else "normal")
    sizes = [text_to_path.get_text_width_height_descent(text, font, False) for text in texts]
    return max((size[0] for size in sizes), default=0.0) / PT_PER_INCH


def plain(text: object) -> str:
    """Return one line of text without control characters, which are invalid in SVG.

    White space becomes one blank; each invalid character becomes �, so that its loss is visible.
    """
    unfit = ("Cc", "Cs", "Cn")  # control characters, surrogates, unassigned code points
    line = re.sub(r"[ \t\r\n\v\f]+", " ", str(text))
    return "".join("\ufffd" if unicodedata.category(sign) in unfit else sign for sign in line)
