"""Comparisons of trained networks from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neurotarget.api.predict import RunFolder
from neurotarget.api.shown import html_page, html_table
from neurotarget.comparison.write_comparison import compare_runs


@dataclass(frozen=True)
class Comparison:
    """Which of several arms is best, at what cost, and how surely."""

    sentence: str
    tables: Mapping[str, pd.DataFrame]
    report: Path

    @property
    def arms(self) -> pd.DataFrame:
        """A row an arm, best first where they can be ranked."""
        return self.tables["arms"]

    def _repr_html_(self) -> str:
        return html_page(self.sentence, self.report, html_table(self.arms))


def compare(
    runs: Path | str | RunFolder | Sequence[Path | str | RunFolder],
    output: Path | str | None = None,
    **settings: object,
) -> Comparison:
    """Compare finished runs, and write the page and tables.

    Args:
        runs: a multirun folder, runs, or folders that hold some.
        output: folder to write into.
        settings: those of `neurotarget.comparison.write_comparison.compare_runs`, such as common,
            ensembles, seed, title, device, overwrite.

    Raises:
        DataError: the runs cannot be compared; all reasons are listed.
    """
    is_list = isinstance(runs, Sequence) and not isinstance(runs, str)
    places = [getattr(one, "folder", one) for one in (runs if is_list else [runs])]
    done = compare_runs(places, output=output, **settings)
    return Comparison(done.comparison.sentence, done.comparison.tables, done.page)
