"""Usual sizes of structures: those of a run's held-out references, or the target's ranges."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurotarget.problems import DataError
from neurotarget.scoring import read_rows
from neurotarget.types import Target

LEAST_CASES = 5  # from which their range replaces that of the target


class UsualSizes(NamedTuple):
    """Smallest and largest usual size by label, in the target's unit, and where they come from."""

    ranges: dict[str, tuple[float, float]]
    source: str  # "" without any range


def usual_sizes(runs: Iterable[Path], target: Target) -> UsualSizes:
    """Ranges from the rows of run folders, else plausible ones of the target.

    Args:
        runs: folders whose rows.csv has the sizes of reference masks; those without it are left
            out.
        target: its labels and unit; its own ranges are used below `LEAST_CASES` cases.
    """
    table = _references(runs, target)
    count = table["case_id"].nunique()
    if count >= LEAST_CASES:
        ends = table.groupby("label")["value"].agg(["min", "max"])
        ranges = {str(name): (float(low), float(high)) for name, low, high in ends.itertuples()}
        return UsualSizes(ranges, f"reference masks of {count} held-out cases of the run")
    ranges = {name: (low, high) for name, (low, high) in target.size_ranges.items()}
    return UsualSizes(ranges, "plausible range of the target" if ranges else "")


def _references(runs: Iterable[Path], target: Target) -> pd.DataFrame:
    """Sizes of reference masks of all runs, each case once."""
    metric = f"reference_{target.size_units.size}"
    tables = []
    for folder in runs:
        try:
            rows = read_rows(folder / "rows.csv")
        except DataError:
            continue  # not scored, or copied without it
        is_own = (rows["metric"] == metric) & rows["label"].isin(target.label_names)
        tables.append(rows[is_own & rows["value"].notna()])
    if not tables:
        return pd.DataFrame(columns=["case_id", "label", "value"])
    return pd.concat(tables).drop_duplicates(["case_id", "label"])
