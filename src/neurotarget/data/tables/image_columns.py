"""Columns of image features in a table: by pattern, or by the usual names of radiomics."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.problems import DataError, did_you_mean, error, some

FAMILIES = (
    *("firstorder", "shape", "shape2d", "glcm", "glrlm", "glszm", "ngtdm", "gldm"),  # pyradiomics
    *("morph", "loc", "stat", "ih", "ivh", "cm", "rlm", "szm", "dzm", "ngt", "ngl"),  # IBSI
)
USUAL = re.compile(rf"(?:^|.*[_\-. ])(?:{'|'.join(FAMILIES)})[_\-. ].+", re.IGNORECASE)
FEWEST_NUMBERS = 0.5  # a column with fewer cells of numbers is no feature


def image_columns(
    patterns: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    taken: Collection[str],
    file: str,
) -> list[str]:
    """Columns of numbers that patterns such as `original_*` name, in the order of the table.

    Args:
        patterns: with `*` and `?`; without any, columns named after a family of features, such as
            `glcm_`, in the names of pyradiomics or IBSI.
        rows: cells by column. A column is numeric if at least half of its cells are numbers.
        taken: columns that are left out, such as that of the outcome; pyradiomics' `diagnostics_`
            are left out too.
        file: the table, for messages.

    Raises:
        DataError: a pattern fits no column of numbers, or there is none with a usual name.
    """
    known = [name for name in rows[0] if name not in taken] if rows else []
    known = [name for name in known if not name.startswith("diagnostics_")]
    if not patterns:
        found = [name for name in known if USUAL.fullmatch(name) and _is_feature(name, rows)]
        if not found:
            todo = f"set image=<pattern>,…, such as image=t1_*; the table has {some(known, 12)}"
            raise DataError(error("no column named after a family of features", "glcm_… or stat_…",
                                  todo, file=file))  # fmt: skip
        return found
    chosen: set[str] = set()
    for pattern in patterns:
        fits = [name for name in known if fnmatchcase(name.casefold(), pattern.casefold())
                and _is_feature(name, rows)]  # fmt: skip
        if not fits:
            advice = did_you_mean(pattern, known) or f"the table has {some(known, 12)}"
            raise DataError(error(f"no column of numbers that fits {pattern}", "image features",
                                  advice.strip().removesuffix("?"), file=file))  # fmt: skip
        chosen |= set(fits)
    return [name for name in known if name in chosen]


def feature_values(
    names: Sequence[str], rows: Sequence[Mapping[str, str]], renamed: Mapping[str, str], file: str
) -> Float[ndarray, "N F"]:
    """Values of features, NaN where a cell is no finite number.

    Args:
        names: of the features.
        rows: cells by column, one row per case.
        renamed: column of this table for each feature that has another name there.
        file: the table, for messages.

    Returns:
        Cases × features, in the order of `rows` and `names`.

    Raises:
        DataError: columns are absent; all of them are listed.
    """
    columns = [renamed.get(name, name) for name in names]
    known = rows[0] if rows else {}
    if absent := [name for name in columns if name not in known]:
        found = f"no columns {some(absent)}" if len(absent) > 1 else f"no column {absent[0]}"
        todo = f"give its name with names=; the table has {some(known, 12)}"
        raise DataError(error(found, "the features of the model", todo, file=file))
    values = [[_number(row[name]) for name in columns] for row in rows]
    return np.array(values, dtype=float).reshape(len(rows), len(names))


def _is_feature(name: str, rows: Sequence[Mapping[str, str]]) -> bool:
    count = sum(math.isfinite(_number(row[name])) for row in rows)
    return count >= FEWEST_NUMBERS * len(rows)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
