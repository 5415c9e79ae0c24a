"""Means of contrasts with a unit inside masks, and the agreement of methods in these means."""

from collections.abc import Iterator

import pandas as pd

from neurotarget.quantity import contrast_of
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.tables.tables import (
    AGREEMENT_COLUMNS,
    VALUE_COLUMNS,
    agreement_table,
    values_table,
)

MEANS_COLUMNS = ["contrast", *VALUE_COLUMNS]
MEAN_AGREEMENT_COLUMNS = ["contrast", *AGREEMENT_COLUMNS]


def means_table(measured: Measured) -> pd.DataFrame:
    """Return, per method, mean and spread over cases of the mean inside each label and region.

    Columns are those of `values_table`, in the unit of the contrast. An empty mask has no mean and
    is counted in `n_missing`. There are no rows if no contrast has a unit.
    """
    tables = [values_table(view).assign(contrast=contrast) for contrast, view in views(measured)]
    return _stacked(tables, MEANS_COLUMNS)


def mean_agreement_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return the agreement of each pair of methods in the means of contrasts.

    Columns are those of `agreement_table` and the contrast. There are no rows if no contrast has a
    unit.
    """
    tables = [
        agreement_table(view, seed=seed).assign(contrast=contrast)
        for contrast, view in views(measured)
    ]
    return _stacked(tables, MEAN_AGREEMENT_COLUMNS)


def views(measured: Measured) -> Iterator[tuple[str, Measured]]:
    """Yield each contrast with means, and the cohort with these as its main quantity.

    So the functions that make tables of sizes also make tables of means.
    """
    for name in measured.quantities:
        if contrast := contrast_of(name):
            yield contrast, measured.only(name)


def _stacked(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return whole[columns]
