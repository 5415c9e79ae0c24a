"""Names of the features: IBSI's identifiers and abbreviations, in words, and pyradiomics' names.

`assets/feature_names.tsv` is their only source. Identifiers are those of IBSI, arXiv:1612.07003.
"""

import csv
from functools import cache
from importlib.resources import files as resources
from typing import NamedTuple

from neurotarget.image_features.feature_settings import FAMILIES
from neurotarget.image_features.filters.filter_name import read_filter
from neurotarget.problems import DataError


class FeatureName(NamedTuple):
    """One feature by its names; the aggregation of a texture follows its abbreviation.

    Attributes:
        family: IBSI's abbreviation of the family, such as `cm`.
        tag: IBSI's abbreviation of the feature within its family.
        ibsi: IBSI's permanent identifier of four characters.
        name: in words.
        pyradiomics: its class and name; "" where pyradiomics lacks the feature.
        unit: "" for a number, or the unit of the image.
    """

    family: str
    tag: str
    ibsi: str
    name: str
    pyradiomics: str
    unit: str


@cache
def feature_names() -> tuple[FeatureName, ...]:
    """All features in the order of the table."""
    text = (resources("neurotarget.image_features") / "assets" / "feature_names.tsv").read_text(
        "utf-8"
    )
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple(FeatureName(**row) for row in rows)


def tags(family: str) -> list[str]:
    """Abbreviations of a family's features, in the order of the table."""
    return [one.tag for one in feature_names() if one.family == family]


@cache
def described(column: str) -> FeatureName | None:
    """The feature of a column, by either name: `cm_contrast_3D_comb`, `original_glcm_Contrast`.

    A filter before it does not count. None for a column that is no feature.
    """
    column = split_filter(column)[1]
    if (own := column.removeprefix("original_")) != column:
        return next((one for one in feature_names() if one.pyradiomics == own), None)
    fits = [one for one in feature_names() if f"{column}_".startswith(f"{one.family}_{one.tag}_")]
    return max(fits, key=lambda one: len(one.tag), default=None)


def split_filter(column: str) -> tuple[str, str]:
    """Filter and feature of a column: `log_3mm_stat_mean` is of log_3mm; "" without a filter.

    The longest beginning that `read_filter` understands and that a family follows is the filter.
    """
    parts = column.split("_")
    for count in range(len(parts) - 2, 0, -1):
        name = "_".join(parts[:count])
        if parts[count] in FAMILIES and _is_filter(name):
            return name, "_".join(parts[count:])
    return "", column


def _is_filter(name: str) -> bool:
    try:
        read_filter(name)
    except DataError:
        return False
    return True
