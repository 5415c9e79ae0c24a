"""Find people who are in the cohort under two ids, by cases that agree in every known value."""

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import poisson

from neurotarget.stats.cohort.measured import Measured

FEW = 10  # a column with at most this many distinct numbers counts as categories
IN_ORDER = 0.999  # rank correlation above which two columns hold the same quantity
CHANCE = 0.01  # above this probability, equal rows may be a coincidence


class Copies(NamedTuple):
    """Pairs of cases with all values equal but different subjects, and their probability by chance.

    `chance` is the probability of this number of pairs, or more, if all people are different.
    """

    pairs: list[tuple[str, str]]
    chance: float

    @property
    def are_certain(self) -> bool:
        """True if chance is ruled out as an explanation."""
        return bool(self.pairs) and self.chance < CHANCE


def copied_people(measured: Measured) -> Copies:
    """Find cases of different subjects that agree in all covariates and volumes.

    Two missing values agree. The probability is a Poisson tail whose mean is the number of pairs of
    cases times the expected share of pairs that agree, if columns are independent. Columns with
    equal rank order (a volume in mm³ and in ml) count once.
    """
    table = _values(measured)
    if len(table) < 2 or not len(table.columns):
        return Copies([], 1.0)
    subjects = measured.subjects.astype(str)
    alike = table.groupby(list(table.columns), sort=False, dropna=False).groups.values()
    pairs = [
        (str(first), str(second))
        for cases in alike
        for first, second in combinations(cases, 2)
        if subjects[first] != subjects[second]
    ]
    if not pairs:
        return Copies([], 1.0)
    expected = len(table) * (len(table) - 1) / 2 * _share(table)
    return Copies(pairs, float(poisson.sf(len(pairs) - 1, expected)))


def _values(measured: Measured) -> pd.DataFrame:
    """Return the values of each case without ids, and without columns that have no value."""
    known = measured.covariates.drop(columns=["subject_id", "case_id"], errors="ignore")
    labels = list(measured.measure.labels)
    parts = [known, *(values[labels] for values in measured.values.values())]
    names = [f"{number}" for number in range(sum(len(part.columns) for part in parts))]
    table = pd.concat(parts, axis=1).set_axis(names, axis=1).dropna(axis="columns", how="all")
    return table.drop(columns=_in_order_with_another(table))


def _in_order_with_another(table: pd.DataFrame) -> list[str]:
    """Numeric columns with the same rank order as an earlier column, such as in another unit."""
    order = table.select_dtypes("number").rank().corr().abs().to_numpy()
    names = list(table.select_dtypes("number"))
    duplicates: list[str] = []
    for place, name in enumerate(names):
        kept = [other for other in range(place) if names[other] not in duplicates]
        duplicates += [name] if (order[place, kept] > IN_ORDER).any() else []
    return duplicates


def _share(table: pd.DataFrame) -> float:
    """Expected share of pairs of different people that agree in all columns, if independent.

    Two normal values agree with probability step / (2 √π SD), where step is the rounding of the
    numbers, estimated as the smallest gap between two of them. Two categories agree with the sum of
    squared frequencies. So copied people do not raise the expected share.
    """
    shares = []
    for _, values in table.items():
        known = values.dropna()
        if pd.api.types.is_numeric_dtype(known) and known.nunique() > FEW:
            spread = float(known.std())
            grid = np.unique(
                np.round(known / spread, 6)
            )  # rounded, since sums of floats differ slightly
            step = float(np.diff(grid).min())
            shares.append(min(step / (2 * math.sqrt(math.pi)), 1.0))
        else:
            shares.append(float(np.square(values.value_counts(normalize=True, dropna=False)).sum()))
    return math.prod(shares)
