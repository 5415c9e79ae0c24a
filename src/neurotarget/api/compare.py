"""Comparisons of trained networks from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neurotarget.api.notebook_html import html_page, html_table
from neurotarget.api.predict import RunFolder
from neurotarget.comparison.write_comparison import compare_runs


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison: `sentence` names the best arm, `report` is the page."""

    sentence: str
    tables: Mapping[str, pd.DataFrame]
    report: Path

    @property
    def arms(self) -> pd.DataFrame:
        """One row per arm, the best first if they can be ranked."""
        return self.tables["arms"]

    def _repr_html_(self) -> str:
        return html_page(self.sentence, self.report, html_table(self.arms))


def compare(
    runs: Path | str | RunFolder | Sequence[Path | str | RunFolder],
    output: Path | str | None = None,
    **settings: object,
) -> Comparison:
    """Compare the arms of finished runs, and write the page and tables.

    An arm is a network with its settings; its runs differ only in fold and seed.

    Args:
        runs: a multirun folder, run folders, or folders that contain run folders.
        output: folder to write into.
        settings: further arguments of `neurotarget.comparison.write_comparison.compare_runs`, such
            as common, ensembles, seed, title, device, overwrite.

    Raises:
        DataError: the runs cannot be compared; all reasons are listed.
    """
    is_list = isinstance(runs, Sequence) and not isinstance(runs, str)
    folders = [getattr(one, "folder", one) for one in (runs if is_list else [runs])]
    written = compare_runs(folders, output=output, **settings)
    return Comparison(written.comparison.sentence, written.comparison.tables, written.page)
