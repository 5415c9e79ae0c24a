"""Problems of a table of features as a whole: mixed units, and uninformative features."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from neurotarget.problems import Problem, error, some, warning

MIXED = 50.0  # ratio of neighbouring medians that no tissue has, but mm²/s and 10⁻⁶ mm²/s
MEDIANS = ("stat_median", "original_firstorder_Median")


def feature_problems(table: pd.DataFrame, rescaled: Collection[str] = ()) -> list[Problem]:
    """Failed and absent regions, mixed units, and features that are constant or undefined.

    Args:
        table: one row per region: `case_id`, `contrast`, `label`, `status` (done, absent or
            failed), `note`, and one column per feature.
        rescaled: contrasts that no longer have the unit of their files; their units are not
            compared.

    Returns:
        Mixed units are errors, all else are warnings.
    """
    problems = _missing(table)
    done = table[table["status"] == "done"]
    for name in MEDIANS:
        if name in table:
            for (contrast, label), group in done.groupby(["contrast", "label"]):
                if contrast not in rescaled:
                    medians = group.set_index("case_id")[name]
                    problems += mixed_units(medians, f"{contrast}, {label}")
    features = done.select_dtypes("float")
    if len(features) > 1:
        problems += _silent(features)
    return problems


def mixed_units(medians: "pd.Series[float]", of: str) -> list[Problem]:
    """Return an error if the medians of an image fall into groups that are far apart.

    Groups are separated where sorted neighbours differ by a factor of 50 or more, as maps of one
    quantity in several units do.

    Args:
        medians: by case; those of 0 or below are ignored.
        of: name of the image for the message.

    Returns:
        One error that lists the cases outside the largest group, or nothing.
    """
    values = medians[medians > 0].sort_values()
    ratios = values.to_numpy()[1:] / values.to_numpy()[:-1]
    cuts = np.flatnonzero(ratios >= MIXED) + 1
    if not len(cuts):
        return []
    groups = [values.loc[part] for part in np.split(values.index.to_numpy(), cuts)]
    around = ", ".join(f"{group.median():.3g} in {len(group)} cases" for group in groups)
    most = max(reversed(groups), key=len)
    few = [name for group in groups if group is not most for name in group.index]
    found = f"medians of {of} around {around}, so that units are mixed: {some(few, 60)}"
    todo = "convert the images of these cases to the unit of the others and measure them again"
    return [error(found, "one unit in all cases", todo)]


def _missing(table: pd.DataFrame) -> list[Problem]:
    problems = []
    for row in table[table["status"] == "failed"].itertuples():
        todo = "see its note in the table; it has no features"
        found = f"{row.contrast}, {row.label}: {row.note}"
        problems.append(warning(found, "a region that can be measured", todo, case_id=row.case_id))
    if absent := table[table["status"] == "absent"]["case_id"].tolist():
        todo = "they are rows without features, and count as missing"
        found = f"{len(absent)} regions without a voxel, of {some(dict.fromkeys(absent))}"
        problems.append(warning(found, "every label in every mask", todo))
    return problems


def _silent(features: pd.DataFrame) -> list[Problem]:
    """Features that are the same in all regions, or undefined in some."""
    problems = []
    constant = [name for name, column in features.items() if column.nunique() == 1]
    if constant:
        todo = "leave them out; for textures choose more bins or a smaller bin_size"
        found = f"features with one value in all {len(features)} regions: {some(constant)}"
        problems.append(warning(found, "features that differ", todo))
    if undefined := [name for name, column in features.items() if column.isna().any()]:
        count = int(features.isna().to_numpy().sum())
        todo = "look at tiny regions; undefined values are n/a"
        found = f"{count} undefined values, of {some(undefined)}"
        problems.append(warning(found, "features that are defined", todo))
    return problems
