"""Tables that revealed faults of the statistics; the README with them has the correct results."""

from pathlib import Path

import pandas as pd
import pytest

CASES = Path(__file__).parents[3] / "shared" / "cases" / "statistics"


def statistics_case(name: str) -> pd.DataFrame:
    """A table of ../shared/cases/statistics; the test is skipped where there is none."""
    path = CASES / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    return pd.read_csv(path)
