"""The record of a section with tables and sentences on a study's page."""

from collections.abc import Sequence
from typing import NamedTuple

from neurotarget.report.pages.plain_page import Grid


class TableSection(NamedTuple):
    """Static tables on the page, with sentences before and after them.

    `name` is the section's anchor. `findings` are highlighted sentences. The captions of several
    grids are shown as headings. A figure with this `name` is shown at the end of the section
    instead of among the others.
    """

    name: str
    title: str
    lead: str
    grids: Sequence[Grid]
    after: Sequence[str] = ()
    findings: Sequence[str] = ()
