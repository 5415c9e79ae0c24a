"""A part of a study's page that is made of tables and sentences."""

from collections.abc import Sequence
from typing import NamedTuple

from neurotarget.report.pages.plain_page import Grid


class TableSection(NamedTuple):
    """Tables that stand on the page as they are, with sentences before and after them.

    `name` is the section's address on the page. `findings` are sentences that stand out. Where
    there are several grids, their captions are shown as headings. A figure of this `name` stands
    at the end of the section instead of among the others.
    """

    name: str
    title: str
    lead: str
    grids: Sequence[Grid]
    after: Sequence[str] = ()
    findings: Sequence[str] = ()
