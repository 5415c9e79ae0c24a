"""Features that are reproducible: their ICC is high over several measurements of the same people.

The further measurements are of other masks or scans. Outcomes are not used, so that features may be
chosen before the folds are drawn.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
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
    """ICC(A,1) of each feature over K measurements, and which are kept; `n` people have all."""

    table: pd.DataFrame  # feature, value, low, high, n, kept
    kept: list[str]
    n: int
    measurements: int


def robust_features(
    case_ids: Sequence[str],
    features: Sequence[str],
    values: Float[ndarray, "N F"],
    asked: Radiomics,
) -> Robust:
    """Compare features with those of the tables `asked.second`, in people who are in all tables.

    Args:
        case_ids: of the N people; those without an id cannot be compared.
        features: names of the F columns of `values`.
        values: first measurement.
        asked: names the further tables, their column of ids, and the least ICC.

    Raises:
        DataError: a table lacks features, has several rows of a person, they have fewer than ten
            people in common, or no feature is kept.
    """
    place = _places(case_ids)
    others = [_measured_again(path, features, place, asked) for path in asked.second]
    common = [name for name in place if all(name in other for other in others)]
    file = ", ".join(map(str, asked.second))
    if len(common) < FEWEST_TWICE:
        found = f"{len(common)} people of {'both' if len(others) == 1 else 'all'} tables"
        raise DataError(error(found, f"at least {FEWEST_TWICE} that were measured twice",
                              "check the ids, or leave second= out", file=file))  # fmt: skip
    own = values[[place[name] for name in common]]
    again = [np.array([other[name] for name in common]) for other in others]
    measured: Float[ndarray, "F N K"] = np.stack([own, *again], axis=2).transpose(1, 0, 2)
    icc = [measurement_icc(one) for one in measured]
    kept = [name for name, one in zip(features, icc, strict=True) if one.value >= asked.stable]
    if not kept:
        raise DataError(error(f"no feature with an ICC of {asked.stable:g}", "at least one",
                              "lower stable=, or compare the two tables", file=file))  # fmt: skip
    made = [{"feature": name, **one._asdict(), "kept": name in kept}
            for name, one in zip(features, icc, strict=True)]  # fmt: skip
    return Robust(pd.DataFrame(made), kept, len(common), 1 + len(others))


def _measured_again(
    path: Path, features: Sequence[str], place: Mapping[str, int | None], asked: Radiomics
) -> dict[str, Float[ndarray, " F"]]:
    """Features of the people of another table who are in the first, by id."""
    table = read_text_table(path, ids=[asked.case_id] if asked.case_id else [])
    refuse_errors(table.problems)
    ids = id_texts(table, asked.case_id, path)
    twice = [name for name in ids if name in place]
    if several := sorted({name for name in twice if twice.count(name) > 1 or place[name] is None}):
        raise DataError(error(f"several rows of {some(several)}", "one row per person",
                              "keep one of them", file=path))  # fmt: skip
    rows = [row for row, name in zip(table.rows, ids, strict=True) if name in place]
    return dict(zip(twice, feature_values(features, rows, {}, str(path)), strict=True))


def _places(case_ids: Sequence[str]) -> Mapping[str, int | None]:
    """Position of each person with an id; None for people with several rows."""
    found: dict[str, int | None] = {}
    for place, name in enumerate(case_ids):
        if not name.startswith("row "):
            found[name] = None if name in found else place
    return found
