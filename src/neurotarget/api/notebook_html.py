"""HTML with which results are displayed in a notebook."""

from html import escape
from pathlib import Path

import pandas as pd

MOST_ROWS = 20


def html_table(table: pd.DataFrame) -> str:
    """Write the first rows of a table as escaped HTML; empty text for an empty table."""
    if not len(table):
        return ""
    more = len(table) - MOST_ROWS
    note = f"<p>… and {more} more rows</p>" if more > 0 else ""
    return table.head(MOST_ROWS).to_html(index=False, escape=True, border=0, na_rep="") + note


def html_page(title: str, page: Path, *parts: str) -> str:
    """Join a heading, `parts` of HTML, and the path of the whole page.

    The heading and the path are escaped, the parts are not: they must be HTML already. A page that
    was not written has no path.
    """
    where = f"<p>Report: <code>{escape(str(page))}</code></p>" if page.is_file() else ""
    return f"<h4>{escape(title)}</h4>{''.join(parts)}{where}"
