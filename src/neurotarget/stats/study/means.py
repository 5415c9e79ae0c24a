"""Means of contrasts inside masks, by method, and their agreement; for contrasts with a unit.

There are no percentages: for quantities that are relative to a tissue, such as susceptibility, 0 is
a convention and only differences are meaningful.
"""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.study.tables import (
    AGREEMENT_COLUMNS,
    VOLUME_COLUMNS,
    agreement_table,
    volumes_table,
)

MEANS_COLUMNS = ["contrast", *VOLUME_COLUMNS]
MEAN_AGREEMENT_COLUMNS = ["contrast", *AGREEMENT_COLUMNS]
SHARES = ("bias_percent",)


def means_table(measured: Measured) -> pd.DataFrame:
    """Return the mean over cases of the mean inside each label and region, with spread, by method.

    Columns are those of the table of volumes, in the unit of the contrast; an empty mask has no
    mean and is counted in `n_missing`. No rows where no contrast has a unit.
    """
    tables = [
        volumes_table(view).assign(contrast=contrast, unit=unit)
        for contrast, unit, view in _views(measured)
    ]
    return _stacked(tables, MEANS_COLUMNS)


def mean_agreement_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return the agreement of every two methods in these means, with the columns of volumes."""
    tables = []
    for contrast, unit, view in _views(measured):
        table = agreement_table(view, seed=seed)
        table = table[~table["statistic"].isin(SHARES)]
        units = table["unit"].replace("mm3", unit)
        tables.append(table.assign(contrast=contrast, unit=units))
    return _stacked(tables, MEAN_AGREEMENT_COLUMNS)


def _views(measured: Measured) -> Iterator[tuple[str, str, Measured]]:
    """Yield each contrast, its unit, and the cohort with the means in place of volumes."""
    for contrast, means in measured.means.items():
        yield contrast, measured.target.units[contrast], replace(measured, volumes=means)


def _stacked(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return whole[columns]
