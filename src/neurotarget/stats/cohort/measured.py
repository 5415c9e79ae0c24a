"""Input of a study: quantities by one or more methods, scores, and covariates."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.problems import DataError
from neurotarget.quantity import (
    PROBABILITY,
    SIZES,
    VOLUME,
    Measure,
    contrast_of,
    is_of_masks,
    noun_of,
    plural_of,
    with_unit,
)
from neurotarget.stats.cohort.subjects import written
from neurotarget.types import Target

AGE_BANDS = (0, 20, 40, 60, 80)  # years; lower ends of the bands, the last one is open
CATEGORICAL = ("sex", "site", "group", "scanner")  # strata in addition to age, if they are known
PARTS = {"test": "internal", "external": "external"}  # part by split; other splits have no part
INTERNAL, EXTERNAL = PARTS.values()


class Stratum(NamedTuple):
    """A subgroup of the cohort with its own rows in tables."""

    stratum: str  # all, or the covariate
    level: str  # all, or its value
    case_ids: pd.Index


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity of the cases of a cohort, such as the volume, by several methods.

    `tables` maps each method or rater to a table in `unit`, with one row per case (index `case_id`)
    and one column per label, then per region of the target (`Target.all_regions`). Missing values
    are NaN.
    """

    name: str  # one of `Target.quantities`
    unit: str  # "" for a ratio
    tables: Mapping[str, pd.DataFrame]

    @property
    def noun(self) -> str:
        """Singular in a sentence: `volume`, `mean of qsm`, `value`, `probability`."""
        return noun_of(self.name)

    @property
    def plural(self) -> str:
        """Plural in a sentence: `volumes`, `probabilities`."""
        return plural_of(self.name)

    @property
    def table_name(self) -> str:
        """Name of the table of means of this quantity: `volumes`."""
        return self.plural.replace(" ", "_")

    @property
    def is_probability(self) -> bool:
        """True for a probability, whose reference is 0 or 1 instead of a measurement."""
        return self.name == PROBABILITY

    @property
    def is_of_masks(self) -> bool:
        """True if the quantity is measured from masks."""
        return is_of_masks(self.name)

    def column(self, name: str) -> str:
        """Return a column name with this unit, such as `bias_mm3`; for a ratio, `name` itself."""
        return with_unit(name, self.unit)


@dataclass(frozen=True, slots=True)
class Measured:
    """Quantities of the cases of a cohort, with their scores and covariates.

    `quantities` are by name. The first is the main quantity: a table of a study is about it unless
    the table says otherwise. Its tables have the rows of `covariates`, whose first column is
    `subject_id`. `reference` names the method that counts as truth, which is the first method; it
    is None if no method does. `scores` are the rows of rows.csv that score one method against the
    reference; empty if only values are known. `raters` names the methods that are further raters
    of the same scans; they are the last methods.
    """

    target: Target
    quantities: Mapping[str, Quantity]
    covariates: pd.DataFrame
    scores: pd.DataFrame
    reference: str | None = None
    raters: tuple[str, ...] = ()

    @property
    def main(self) -> Quantity:
        """The main quantity: the first one, without tables where nothing was measured."""
        if self.quantities:
            return next(iter(self.quantities.values()))
        first = next(iter(self.target.quantities.values()))
        return Quantity(first.name, first.unit, {})

    @property
    def values(self) -> Mapping[str, pd.DataFrame]:
        """Tables of the main quantity, by method."""
        return self.main.tables

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods or raters, the reference first."""
        return tuple(self.values)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All pairs of methods; the reference is first in its pairs."""
        return tuple(combinations(self.values, 2))

    @property
    def automatic(self) -> tuple[str, ...]:
        """Methods other than the reference and the raters, such as a network."""
        return tuple(one for one in self.methods if one not in (self.reference, *self.raters))

    @property
    def network(self) -> str | None:
        """Method whose masks are scored; None where people made all masks."""
        return next(iter(self.automatic), None)

    @property
    def measure(self) -> Measure:
        """Labels and regions of the main quantity."""
        return self.measure_of(self.main.name)

    def measure_of(self, name: str) -> Measure:
        """Return labels and regions of a quantity, from the target, else from the columns."""
        if known := self.target.quantities.get(name):
            return known
        quantity = self.quantities[name]
        columns = [tuple(table.columns) for table in quantity.tables.values()]
        return Measure(name, quantity.unit, name, columns[0] if columns else ())

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels and regions of the main quantity."""
        return tuple(self.measure.parts)

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
        """Return the values of the tested quantity by method, NaN for methods without any.

        Tables have one row per case and one column per label and region, in `unit_of(hypothesis)`.
        """
        if hypothesis.measure == self.main.name:
            return self.values
        known = self.quantities.get(hypothesis.measure)
        tables = known.tables if known else {}
        nothing = pd.DataFrame(math.nan, self.covariates.index, list(self.labels_of(hypothesis)))
        return {method: tables.get(method, nothing) for method in self.methods}

    def labels_of(self, hypothesis: Hypothesis) -> tuple[str, ...]:
        """Return the labels and regions of the quantity that a hypothesis tests."""
        return tuple(self.measure_of(hypothesis.measure).parts)

    def unit_of(self, hypothesis: Hypothesis) -> str:
        """Return the unit of the values that a hypothesis tests."""
        return self.measure_of(hypothesis.measure).unit

    def only(self, name: str) -> "Measured":
        """Return the cohort with this quantity alone, and all scores and covariates."""
        return replace(self, quantities={name: self.quantities[name]})

    def without(self, case_ids: Sequence[str]) -> "Measured":
        """Return the cohort without these cases in values, scores and covariates."""
        left_out = list(case_ids)
        quantities = {
            name: replace(
                one,
                tables={
                    method: table.drop(index=left_out, errors="ignore")
                    for method, table in one.tables.items()
                },
            )
            for name, one in self.quantities.items()
        }
        scores = self.scores
        if "case_id" in scores:
            scores = scores[~scores["case_id"].isin(left_out)].reset_index(drop=True)
        covariates = self.covariates.drop(index=left_out, errors="ignore")
        return replace(self, quantities=quantities, covariates=covariates, scores=scores)

    def with_values(self, tables: Mapping[str, pd.DataFrame]) -> "Measured":
        """Return the cohort with other tables of the main quantity; other quantities stay."""
        main = replace(self.main, tables=tables)
        return replace(self, quantities={**self.quantities, main.name: main})

    def strata(self) -> Iterator[Stratum]:
        """Yield the whole cohort, then each part, sex, site, group, scanner and age band in it.

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


def of_volumes(tables: Mapping[str, pd.DataFrame]) -> dict[str, Quantity]:
    """Return the quantities of a cohort with volumes alone; `tables` in mm³ are by method."""
    return {VOLUME: Quantity(VOLUME, "mm3", tables)}


def from_rows(
    rows: pd.DataFrame,
    target: Target,
    covariates: pd.DataFrame,
    *,
    methods: tuple[str, str] = ("reference", "predicted"),
) -> Measured:
    """Build a cohort from the values and scores of rows.csv.

    `methods` are the names of the reference (metric `reference_volume_mm3`) and of the prediction
    (`volume_mm3`). Further raters (`reference_volume_mm3@<rater>`) come after both. A method
    without a value of the main quantity is left out, and so is a further quantity without values.
    Cases that are not in `covariates` (index `case_id`) keep the subject of their rows, and have no
    covariates.

    Raises:
        DataError: a case has two values of one score, the rows have no label of the target, or a
            rater has the name of one of `methods`.
    """
    _refuse_others(rows, target)
    subjects = rows.drop_duplicates("case_id").set_index("case_id")["subject_id"]
    known = covariates.reindex(subjects.index)
    known = known.drop(columns="subject_id", errors="ignore").infer_objects()
    known.insert(0, "subject_id", subjects)
    measures = list(target.quantities.values())
    raters = _raters(rows, methods, measures[0])
    metrics = dict(zip(methods, ("reference_{}", "{}"), strict=True))
    metrics |= {name: f"reference_{{}}@{name}" for name in raters}
    main, *others = measures
    first = {
        method: quantity_table(wide.reindex(subjects.index), main, target)
        for method, wide in _tables(rows, main, metrics).items()
    }
    quantities = {main.name: Quantity(main.name, main.unit, first)}
    for measure in others:
        tables = {
            method: quantity_table(wide, measure, target, first[method])
            for method, wide in _tables(rows, measure, metrics).items()
            if method in first
        }
        if tables:
            quantities[measure.name] = Quantity(measure.name, measure.unit, tables)
    return Measured(
        target,
        quantities,
        known,
        rows.reset_index(drop=True),
        reference=methods[0] if methods[0] in first else None,
        raters=tuple(name for name in raters if name in first),
    )


def _refuse_others(rows: pd.DataFrame, target: Target) -> None:
    """Refuse rows that mix two runs or belong to another target."""
    twice = rows[rows.duplicated(["case_id", "label", "metric"])]
    if len(twice):
        first = twice.iloc[0]
        raise DataError(
            f"{first['case_id']}: found two rows of {first['metric']} for {first['label']}, wanted "
            "one; keep the rows of one run, and one row per case in the manifest"
        )
    named = (*target.label_names, *target.outcome_labels)
    if not set(rows["label"]) & set(named):
        there = ", ".join(sorted(set(rows["label"]))) or "none"
        raise DataError(
            f"rows: found scores of the labels {there}, wanted those of target {target.name} "
            f"({', '.join(named)}); set the target that these rows belong to"
        )


def _tables(
    rows: pd.DataFrame, measure: Measure, metrics: Mapping[str, str]
) -> dict[str, pd.DataFrame]:
    """Return the values of a quantity's labels by method, without methods that have no value."""
    tables = {method: _wide(rows, metric.format(measure.metric), measure.labels)
              for method, metric in metrics.items()}  # fmt: skip
    return {method: table for method, table in tables.items() if table.notna().any(axis=None)}


def _wide(rows: pd.DataFrame, metric: str, labels: Sequence[str]) -> pd.DataFrame:
    own = rows[(rows["metric"] == metric) & rows["label"].isin(labels)]
    return own.pivot(index="case_id", columns="label", values="value")


def _raters(rows: pd.DataFrame, methods: tuple[str, str], measure: Measure) -> list[str]:
    """Names of further raters with values, in alphabetical order."""
    beginning = f"reference_{measure.metric}@"
    metrics = [name for name in rows["metric"].unique() if name.startswith(beginning)]
    raters = sorted(name.removeprefix(beginning) for name in metrics)
    if taken := [name for name in raters if name in (*methods, "", "all")]:
        raise DataError(
            f"rows: found a rater called {taken[0]!r}, and the methods {' and '.join(methods)}, "
            f"wanted another name; rename the column label_{taken[0]} of the manifest"
        )
    return raters


def _finite(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of numbers with NaN in place of infinite values."""
    return table.astype(float).where(np.isfinite(table.astype(float)))


def band_name(low: int) -> str:
    """Return the name of the age band that begins with `low` years: `20-39`, `80+`."""
    after = [end for end in AGE_BANDS if end > low]
    return f"{low}-{after[0] - 1}" if after else f"{low}+"


def quantity_table(
    wide: pd.DataFrame, measure: Measure, target: Target, sizes: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the values of a quantity's labels in order, and of its regions.

    The size of a region is the sum over its labels. The mean of a region is weighted by `sizes`,
    the volumes of the same masks. Other quantities have no regions. An infinite value becomes NaN.
    """
    if measure.name in SIZES:
        return with_regions(wide, target)
    if contrast_of(measure.name) and sizes is not None:
        return means_with_regions(wide, sizes, target)
    table = _finite(wide.reindex(columns=list(measure.labels)))
    return table if sizes is None else table.reindex(sizes.index)


def with_regions(volumes: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Return volumes in mm³ of the labels in the target's order and of its regions.

    A region is NaN where one of its labels is NaN. An infinite volume becomes NaN.
    """
    table = _finite(volumes.reindex(columns=list(target.label_names)))
    sums = {
        name: table[list(parts)].sum(axis=1, skipna=False)
        for name, parts in target.all_regions.items()
    }
    return table.assign(**sums)


def means_with_regions(means: pd.DataFrame, volumes: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Return means inside labels, and inside regions as means of their labels weighted by volume.

    `volumes` belong to the same masks; the result has their cases and columns. An empty label has
    weight 0; a region is NaN where the volume or mean of a label is unknown.
    """
    table = _finite(means.reindex(index=volumes.index, columns=list(target.label_names)))
    means_of_regions = {}
    for name, parts in target.all_regions.items():
        sizes, values = volumes[list(parts)], table[list(parts)]
        sums = (sizes * values.where(sizes != 0, 0.0)).sum(axis=1, skipna=False)
        total = sizes.sum(axis=1, skipna=False)
        means_of_regions[name] = sums / total.where(total > 0)
    return table.assign(**means_of_regions)
