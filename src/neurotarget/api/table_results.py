"""Results of studies of people in tables, as Python objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Self

import pandas as pd

from neurotarget.studies.from_tables.written_tables import WrittenTables


@dataclass(frozen=True)
class TableResults:
    """A study: its results, its tables by name, and its files."""

    headlines: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Path]
    report: Path
    notes: tuple[str, ...]

    @classmethod
    def of(cls, done: WrittenTables) -> Self:
        """Build the results from a study's written tables."""
        tables = dict(done.study.tables)
        return cls(tuple(done.headlines), tables, done.figures, done.page, tuple(done.notes))

    def __str__(self) -> str:
        return "\n".join(self.headlines)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in self.headlines)
