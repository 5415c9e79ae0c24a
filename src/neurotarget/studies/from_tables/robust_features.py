"""Features that are reproducible: their ICC is high between two measurements of the same people.

The second measurement is of another mask or scan. Outcomes are not used, so that features may be
chosen before the folds are drawn.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.tables.class_outcome import id_texts
from neurotarget.data.tables.image_columns import feature_values
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.problems import DataError, error, refuse_errors, some
from neurotarget.stats.radiomics.feature_stability import measurement_icc
from neurotarget.studies.from_tables.radiomic_question import Radiomics

FEWEST_TWICE = 10  # people that were measured twice


class Robust(NamedTuple):
    """ICC(A,1) of each feature over two measurements, and which are kept; `n` people have both."""

    table: pd.DataFrame  # feature, value, low, high, n, kept
    kept: list[str]
    n: int


def robust_features(
    case_ids: Sequence[str],
    features: Sequence[str],
    values: Float[ndarray, "N F"],
    asked: Radiomics,
) -> Robust:
    """Compare features with those of the table `asked.second`, in people who are in both tables.

    Args:
        case_ids: of the N people; those without an id cannot be compared.
        features: names of the F columns of `values`.
        values: first measurement.
        asked: names the second table, its column of ids, and the least ICC.

    Raises:
        DataError: the second table lacks features, has several rows of a person, fewer than ten
            people of the first, or no feature is kept.
    """
    second, place = asked.second, _places(case_ids)
    table = read_text_table(second, ids=[asked.case_id] if asked.case_id else [])
    refuse_errors(table.problems)
    ids = id_texts(table, asked.case_id, second)
    twice = [name for name in ids if name in place]
    if len(twice) < FEWEST_TWICE:
        found = f"{len(set(twice))} people of both tables"
        raise DataError(error(found, f"at least {FEWEST_TWICE} that were measured twice",
                              "check the ids, or leave second= out", file=second))  # fmt: skip
    if several := sorted({name for name in twice if twice.count(name) > 1 or place[name] is None}):
        raise DataError(error(f"several rows of {some(several)}", "one row per person",
                              "keep one of them", file=second))  # fmt: skip
    rows = [row for row, name in zip(table.rows, ids, strict=True) if name in place]
    other = feature_values(features, rows, {}, str(second))
    own = values[[place[name] for name in twice]]
    icc = [measurement_icc(np.column_stack(pair)) for pair in zip(own.T, other.T, strict=True)]
    kept = [name for name, one in zip(features, icc, strict=True) if one.value >= asked.stable]
    if not kept:
        raise DataError(error(f"no feature with an ICC of {asked.stable:g}", "at least one",
                              "lower stable=, or compare the two tables", file=second))  # fmt: skip
    made = [{"feature": name, **one._asdict(), "kept": name in kept}
            for name, one in zip(features, icc, strict=True)]  # fmt: skip
    return Robust(pd.DataFrame(made), kept, len(twice))


def _places(case_ids: Sequence[str]) -> Mapping[str, int | None]:
    """Position of each person with an id; None for people with several rows."""
    found: dict[str, int | None] = {}
    for place, name in enumerate(case_ids):
        if not name.startswith("row "):
            found[name] = None if name in found else place
    return found
