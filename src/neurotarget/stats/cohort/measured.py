"""Input of a study: volumes by one or more methods, scores of masks, and covariates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.problems import DataError
from neurotarget.stats.cohort.subjects import written
from neurotarget.types import Target

AGE_BANDS = (0, 20, 40, 60, 80)  # years; lower ends of the bands, the last one is open
CATEGORICAL = ("sex", "site", "group", "scanner")  # strata besides age, where a cohort has them
PARTS = {"test": "internal", "external": "external"}  # by split; other splits have no part
INTERNAL, EXTERNAL = PARTS.values()
RATER_VOLUME = "reference_volume_mm3@"  # metric of a further rater's volumes, before the name


class Stratum(NamedTuple):
    """A part of the cohort with rows of its own in tables."""

    stratum: str  # all, or the covariate
    level: str  # all, or its value
    case_ids: pd.Index


@dataclass(frozen=True, slots=True)
class Measured:
    """Volumes of a cohort in mm³, with scores and covariates of its cases.

    `volumes` maps each method or rater to a table with one row per case (index `case_id`), one
    column per label and then one per region of the target (`Target.regions`); NaN where there is
    no volume. All have the rows of `covariates`, whose first column is `subject_id`. `reference`
    names the method that counts as truth; it is the first, or None if all are equal. `scores` are
    rows of rows.csv of one method against the reference; empty where there are only volumes.

    `raters` names the methods that are further raters of the same scans; they come last. `means`
    maps each contrast that has a unit to tables as in `volumes`, of its mean inside the masks.
    """

    target: Target
    volumes: Mapping[str, pd.DataFrame]
    covariates: pd.DataFrame
    scores: pd.DataFrame
    reference: str | None = None
    raters: tuple[str, ...] = ()
    means: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods or raters, the reference first."""
        return tuple(self.volumes)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every two methods, the reference first in its pairs."""
        return tuple(combinations(self.volumes, 2))

    @property
    def automatic(self) -> tuple[str, ...]:
        """Methods that are neither the reference nor a rater, such as a network."""
        return tuple(one for one in self.methods if one not in (self.reference, *self.raters))

    @property
    def network(self) -> str | None:
        """Method whose masks are scored; None where all masks are people's."""
        return next(iter(self.automatic), None)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels and the regions that they sum to."""
        return tuple(self.target.parts)

    @property
    def subjects(self) -> pd.Series:
        """Subject of each case."""
        return self.covariates["subject_id"]

    @property
    def parts(self) -> pd.Series:
        """Part of each case: internal (a site of the training), external, or NaN."""
        if "split" not in self.scores:
            return pd.Series(index=self.covariates.index, dtype=object)
        splits = self.scores.drop_duplicates("case_id").set_index("case_id")["split"]
        return splits.map(PARTS).reindex(self.covariates.index)

    def values_of(self, hypothesis: Hypothesis) -> Mapping[str, pd.DataFrame]:
        """Return the tested values by method: volumes in mm³, or means of the contrast."""
        if not hypothesis.contrast:
            return self.volumes
        means = self.means.get(hypothesis.contrast, {})
        nothing = pd.DataFrame(np.nan, self.covariates.index, list(self.labels))
        return {method: means.get(method, nothing) for method in self.methods}

    def unit_of(self, hypothesis: Hypothesis) -> str:
        """Return the unit of the values that a hypothesis tests."""
        return self.target.units[hypothesis.contrast] if hypothesis.contrast else "mm3"

    def strata(self) -> Iterator[Stratum]:
        """Yield the whole cohort, then each part, sex, site, group and age band in it.

        Parts are used only where some cases are external and some are not.
        """
        table = self.covariates
        yield Stratum("all", "all", table.index)
        parts = self.parts
        if (parts == EXTERNAL).any() and not (parts == EXTERNAL).all():
            for name in PARTS.values():
                if (own := table.index[parts == name]).size:
                    yield Stratum("part", name, own)
        for name in CATEGORICAL:
            if name in table and table[name].nunique() > 1:
                for value, part in table.groupby(name, sort=True):
                    yield Stratum(name, written(value), part.index)
        if "age" in table and pd.api.types.is_numeric_dtype(table["age"]):
            ends = (*AGE_BANDS[1:], float("inf"))
            bands = [
                Stratum("age", band_name(low), part.index)
                for low, high in zip(AGE_BANDS, ends, strict=True)
                if len(part := table[(table["age"] >= low) & (table["age"] < high)])
            ]
            yield from bands if len(bands) > 1 else ()


def from_rows(
    rows: pd.DataFrame,
    target: Target,
    covariates: pd.DataFrame,
    *,
    methods: tuple[str, str] = ("reference", "predicted"),
) -> Measured:
    """Build a cohort from the volumes and scores of rows.csv.

    `methods` are the names for `reference_volume_mm3` and `volume_mm3`; the first is the reference.
    Further raters (`reference_volume_mm3@<rater>`) come after both. A method without any volume is
    left out. Cases that are not in `covariates` (index `case_id`) keep the subject of their rows,
    and have no covariates.

    Raises:
        DataError: a case has two values of one score, no label of the target is there, or a rater
        has the name of one of `methods`.
    """
    twice = rows[rows.duplicated(["case_id", "label", "metric"])]
    if len(twice):
        first = twice.iloc[0]
        raise DataError(
            f"{first['case_id']}: found two rows of {first['metric']} for {first['label']}, wanted "
            "one; keep the rows of one run, and one row per case in the manifest"
        )
    if not set(rows["label"]) & set(target.label_names):
        there = ", ".join(sorted(set(rows["label"]))) or "none"
        raise DataError(
            f"rows: found scores of the labels {there}, wanted those of target {target.name} "
            f"({', '.join(target.label_names)}); name the target of these rows"
        )
    subjects = rows.drop_duplicates("case_id").set_index("case_id")["subject_id"]
    known = covariates.reindex(subjects.index)
    known = known.drop(columns="subject_id", errors="ignore").infer_objects()
    known.insert(0, "subject_id", subjects)
    raters = _raters(rows, methods)
    metrics = dict(zip(methods, ("reference_{}", "{}"), strict=True))
    metrics |= {name: f"reference_{{}}@{name}" for name in raters}
    volumes = {}
    for method, metric in metrics.items():
        wide = _wide(rows, metric.format("volume_mm3"))
        if wide.notna().any(axis=None):
            volumes[method] = with_regions(wide.reindex(subjects.index), target)
    means: dict[str, dict[str, pd.DataFrame]] = {}
    for contrast in target.units:
        for method, own in volumes.items():
            wide = _wide(rows, metrics[method].format(f"mean_{contrast}"))
            if wide.notna().any(axis=None):
                means.setdefault(contrast, {})[method] = means_with_regions(wide, own, target)
    return Measured(
        target,
        volumes,
        known,
        rows.reset_index(drop=True),
        reference=methods[0] if methods[0] in volumes else None,
        raters=tuple(name for name in raters if name in volumes),
        means=means,
    )


def _wide(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] == metric].pivot(index="case_id", columns="label", values="value")


def _raters(rows: pd.DataFrame, methods: tuple[str, str]) -> list[str]:
    """Names of further raters with volumes, in alphabetical order."""
    metrics = [name for name in rows["metric"].unique() if name.startswith(RATER_VOLUME)]
    raters = sorted(name.removeprefix(RATER_VOLUME) for name in metrics)
    if taken := [name for name in raters if name in (*methods, "", "all")]:
        raise DataError(
            f"rows: found a rater called {taken[0]!r}, and the methods {' and '.join(methods)}, "
            f"wanted another name; rename the column label_{taken[0]} of the manifest"
        )
    return raters


def _finite(table: pd.DataFrame) -> pd.DataFrame:
    """A table of numbers with NaN for infinite ones."""
    return table.astype(float).where(np.isfinite(table.astype(float)))


def band_name(low: int) -> str:
    """Return the name of the age band that begins with `low` years: `20-39`, `80+`."""
    after = [end for end in AGE_BANDS if end > low]
    return f"{low}-{after[0] - 1}" if after else f"{low}+"


def with_regions(volumes: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Return volumes in mm³ of the labels in the target's order and of its regions.

    A region is NaN where a label of it is. An infinite volume becomes NaN.
    """
    table = _finite(volumes.reindex(columns=list(target.label_names)))
    sums = {
        name: table[list(parts)].sum(axis=1, skipna=False) for name, parts in target.regions.items()
    }
    return table.assign(**sums)


def means_with_regions(means: pd.DataFrame, volumes: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Return means inside labels, and inside regions as means of their labels weighted by volume.

    `volumes` belong to the same masks; the result has their cases and columns. An empty label has
    weight 0; a region is NaN where the volume or mean of a label is unknown.
    """
    table = _finite(means.reindex(index=volumes.index, columns=list(target.label_names)))
    means_of_regions = {}
    for name, parts in target.regions.items():
        sizes, values = volumes[list(parts)], table[list(parts)]
        sums = (sizes * values.where(sizes != 0, 0.0)).sum(axis=1, skipna=False)
        total = sizes.sum(axis=1, skipna=False)
        means_of_regions[name] = sums / total.where(total > 0)
    return table.assign(**means_of_regions)
