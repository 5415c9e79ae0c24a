"""Table 1: characteristics of the whole cohort and its parts, with counts of missing values."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from neurotarget.levels import CATEGORIES, level_key, usual_name
from neurotarget.stats.cohort.head_size import find_tiv
from neurotarget.stats.cohort.measured import EXTERNAL, PARTS, Measured
from neurotarget.stats.cohort.subjects import written

ALL = "all"
SPLITS = {  # name of each part, by split of the network's training
    "training": ("train",),
    "validation": ("val",),
    "held out": ("test", "external"),
}
MOST_LEVELS = 30  # most levels of a category that are listed
COLUMNS = [
    *("part", "characteristic", "level", "n", "percent", "mean", "sd", "minimum", "maximum"),
    *("n_missing", "percent_missing"),
]


def people_table(measured: Measured, people: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return Table 1: people, scans, age, head size, sex, group and site, in all and by part.

    A person counts once, with the first known value of their scans. `percent` refers to all people
    of the part, including those without a value, who are counted as missing. Parts are internal and
    external, where the cases have both, and the two groups of hypotheses. `people` (index
    `case_id`; `subject_id`, `split`, covariates) adds the people of the network's training, whom
    this study has not measured, by split.
    """
    shown, table = _shown(measured.covariates), measured.covariates
    rows = [row for part, cases in _parts(measured) for row in _rows(table.loc[cases], part, shown)]
    for part, splits in SPLITS.items() if people is not None else ():
        own = people[people["split"].isin(splits)].reindex(columns=["subject_id", *shown])
        rows += _rows(own, part, shown) if len(own) else ()
    return pd.DataFrame(rows, columns=COLUMNS)


def _parts(measured: Measured) -> Iterator[tuple[str, pd.Index]]:
    table = measured.covariates
    yield ALL, table.index
    parts = measured.parts
    if (parts == EXTERNAL).any():
        for name in PARTS.values():
            if len(cases := table.index[parts == name]):
                yield name, cases
    named: dict[str, None] = {}
    for hypothesis in measured.target.hypotheses:
        name = hypothesis.covariate
        if not hypothesis.groups or name not in table or usual_name(name) == "sex":
            continue
        keys = table[name].map(lambda value, of=name: level_key(value, of), na_action="ignore")
        for group in hypothesis.groups:
            cases = table.index[keys == level_key(group, name)]
            if len(cases) and f"{name} {group}" not in named:
                named[f"{name} {group}"] = None
                yield f"{name} {group}", cases


def _rows(table: pd.DataFrame, part: str, shown: Sequence[str]) -> Iterator[dict]:
    people = table.groupby(table["subject_id"].astype(str).to_numpy(), sort=False).first()
    yield {"part": part, "characteristic": "people", "level": "", "n": len(people)}
    yield {"part": part, "characteristic": "scans", "level": "", "n": len(table)}
    for name in shown:
        values = people[name]
        missing = int(values.isna().sum())
        head = {"part": part, "characteristic": name, "n_missing": missing}
        head |= {"percent_missing": 100 * missing / len(people)}
        if pd.api.types.is_numeric_dtype(values) and not _is_category(name):
            yield head | {"level": ""} | _numbers(values.dropna().astype(float))
            continue
        counts = values.dropna().map(written).value_counts().sort_index()
        if len(counts) > MOST_LEVELS:
            yield head | {"level": f"{len(counts)} different", "n": int(counts.sum())}
            continue
        for level, n in counts.items():
            yield head | {"level": level, "n": int(n), "percent": 100 * n / len(people)}
        if not len(counts):
            yield head | {"level": "", "n": 0}


def _numbers(values: pd.Series) -> dict[str, float]:
    if not len(values):
        return {"n": 0}
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "sd": float(values.std()) if len(values) > 1 else np.nan,
        "minimum": float(values.min()),
        "maximum": float(values.max()),
    }


def _shown(covariates: pd.DataFrame) -> list[str]:
    """Return the columns to show: age, head size and then categories."""
    head = find_tiv(covariates)
    ages = [name for name in covariates if usual_name(str(name)) == "age"]
    named = [name for name in covariates if _is_category(str(name))]
    return [*ages, *([head] if head else []), *named]


def _is_category(name: str) -> bool:
    return usual_name(name) in CATEGORIES or name.casefold() in CATEGORIES
