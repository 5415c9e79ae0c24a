"""Means of contrasts inside the masks, where a contrast has a unit: by method, and their agreement.

Of what is referenced to a tissue, as susceptibility is, 0 is a convention: differences tell
something, and shares in % do not, so that there are none.
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
    """Mean over cases of the mean inside each label and region, with its spread, by method.

    The columns are those of the table of volumes, the unit that of the contrast; an empty mask has
    no mean and is counted in `n_missing`. No rows where no contrast has a unit.
    """
    found = [
        volumes_table(view).assign(contrast=contrast, unit=unit)
        for contrast, unit, view in _views(measured)
    ]
    return _stacked(found, MEANS_COLUMNS)


def mean_agreement_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Agreement of every two methods in these means, as that of volumes is told."""
    found = []
    for contrast, unit, view in _views(measured):
        table = agreement_table(view, seed=seed)
        table = table[~table["statistic"].isin(SHARES)]
        units = table["unit"].replace("mm3", unit)
        found.append(table.assign(contrast=contrast, unit=units))
    return _stacked(found, MEAN_AGREEMENT_COLUMNS)


def _views(measured: Measured) -> Iterator[tuple[str, str, Measured]]:
    """Each contrast and its unit, with the cohort whose volumes are its means."""
    for contrast, means in measured.means.items():
        yield contrast, measured.target.units[contrast], replace(measured, volumes=means)


def _stacked(found: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    whole = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    return whole[columns]
