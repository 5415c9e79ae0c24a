"""Figures with titles and captions, or with the reason for a missing figure."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from neurotarget.report.text.assets import page_text
from neurotarget.report.text.sentences import capital

MOST_REASONS = 3


class NamedFigure(NamedTuple):
    """A figure with title and caption; without a figure, `caption` is the reason.

    `name` is unique, valid as a file name, and the prefix of ids in the figure's SVG.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None


def named_figure(
    key: str,
    title: str,
    figure: Figure | None,
    why: str = "",
    /,
    *,
    name: str = "",
    more: str = "",
    **values: object,
) -> NamedFigure:
    """Return a figure with its caption, or without a figure the reason `why`.

    Args:
        key: key of the caption in `assets/texts.toml`; the part after its last dot is the name of
            the figure.
        title: title above the figure.
        figure: the figure, or None if it could not be drawn.
        why: sentence that replaces the caption if `figure` is None.
        name: name of the figure, if it differs from that in `key`.
        more: sentences after the caption, beginning with a blank.
        values: texts and numbers that replace the placeholders of the caption.
    """
    text = why if figure is None else page_text(key, **values) + more
    return NamedFigure(name or key.rpartition(".")[2], title, text, figure)


def first_of(count: int, most: int, what: str) -> str:
    """Return the sentence that only the first `most` are shown; "" if all are shown.

    Args:
        count: number of all.
        most: largest number that is shown.
        what: plural noun with a blank at its end, or "".
    """
    return f" The first {most} of {count} {what}are shown." if count > most else ""


def reasons_sentence(rows: pd.DataFrame) -> str:
    """Return a sentence with the first three distinct reasons in a table; "" without any."""
    if "reason" not in rows:
        return ""
    reasons = [str(reason) for reason in rows["reason"].dropna().unique() if str(reason)]
    return f"{capital('; '.join(reasons[:MOST_REASONS])).rstrip('.')}." if reasons else ""
