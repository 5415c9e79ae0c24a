"""The study's tables of values, agreement of methods, and scores of masks.

Every table has rows for each label and region in each stratum. An unknown number is NaN, with the
cause in `reason`. Intervals are 95 % intervals over people, and `interval` names their kind:
Student's t with (number of people − 1) degrees of freedom for means, and the choice of
`agreement.agreement_intervals` for agreement. Strata of fewer than ten people have values without
intervals.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from neurotarget.metrics.metric_units import is_own, name_in
from neurotarget.quantity import SIZES
from neurotarget.size_units import AREAS, PIXELS, VOLUMES
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.learning import failed_by_label
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.core.interval import FEWEST, mean_interval
from neurotarget.stats.core.resample import ROUNDING, codes
from neurotarget.stats.tables.agreement import (
    NONE,
    Statistic,
    T,
    agreement_intervals,
    agreement_values,
)

Cases = Float[ndarray, " N"]
Codes = Integer[ndarray, " N"]

OWN = "own"  # the unit of the quantity itself
AGREEMENT_UNITS = {
    "pearson_r": "",
    "spearman_rho": "",
    "icc_a1": "",
    "icc_a1_fixed": "",
    "icc_c1": "",
    "ccc": "",
    "bias": OWN,
    "bias_percent": "%",
    "sd_difference": OWN,
    "lower_limit": OWN,
    "upper_limit": OWN,
    "proportional_slope": "",
    "slope_on_reference": "",
    "reference_slope": "",
    "reference_intercept": OWN,
}
SCORE_UNITS = {
    "dice": "",
    "precision": "",
    "recall": "",
    "hd95_mm": "mm",
    "assd_mm": "mm",
    "surface_dice": "",
    "volume_similarity": "",
}
OF_REGIONS = ("brats_dice", "brats_hd95_mm", "lesion_dice", "lesion_hd95_mm")
ALL_SCORES = {
    name_in(name, units): units.length if unit == "mm" else unit
    for units in (PIXELS, AREAS, VOLUMES)
    for name, unit in SCORE_UNITS.items()
}  # with the names that they have for pictures
OUTCOME_SCORES = ("correct", "log_loss", "brier", "error", "error_abs")  # units are in the rows
LARGEST = dict.fromkeys(("dice", "precision", "recall", "surface_dice"), 1.0)
LARGEST |= dict.fromkeys(("volume_similarity", "area_similarity"), 1.0)
LARGEST |= {"correct": 1.0, "brats_dice": 1.0, "lesion_dice": 1.0}
NEVER_BELOW_0 = (*ALL_SCORES, *OF_REGIONS, "correct", "log_loss", "brier", "error_abs")
ALL_LABELS = "mean"  # the row of the mean Dice of each case over its labels
PLACE = ["label", "stratum", "level"]
MEAN = ["mean", "low", "high", "interval", "sd", "median"]
ICCS = ("icc_a1", "icc_a1_fixed", "icc_c1")
COUNTS = ["unit", "n", "n_subjects", "n_missing", "reason"]
VALUE_COLUMNS = ["method", *PLACE, *MEAN, "minimum", "maximum", "unit", "n", "n_missing", "reason"]
AGREEMENT_COLUMNS = ["first", "second", *PLACE, "statistic", "value", "low", "high", "interval"]
AGREEMENT_COLUMNS += COUNTS
SCORE_COLUMNS = [*PLACE, "metric", *MEAN, "q1", "q3", "unit", "n", "n_nan", "n_failed", "reason"]
FEWEST_OF_STRATUM = 10  # fewest people in a stratum for an interval

NO_VALUE = "no case has a value"
NO_SCORES = "no scores"
NO_ERROR = "too few people or too little spread for an interval"
FEW_IN_STRATUM = "fewer than 10 people: no interval"


class Part(NamedTuple):
    """A stratum as positions of its cases in the cohort, and the subject of each."""

    names: dict[str, str]
    cases: Integer[ndarray, " N"]
    subjects: Codes

    def too_few(self, n: int, n_subjects: int) -> str:
        """Return why there is no interval, or "" with enough cases and people.

        Args:
            n: cases with a value.
            n_subjects: people of these cases.
        """
        if n < FEWEST:
            return "fewer than 3 cases" if n else NO_VALUE
        if n_subjects < FEWEST:
            return "all cases are of one subject" if n_subjects == 1 else "fewer than 3 subjects"
        is_small = self.names["stratum"] != "all" and n_subjects < FEWEST_OF_STRATUM
        return FEW_IN_STRATUM if is_small else ""


def values_table(measured: Measured) -> pd.DataFrame:
    """Return the mean of the main quantity by label and method, with its spread.

    One row per stratum, method and label or region, in the unit of the quantity. Cases without a
    value are counted in `n_missing`.
    """
    rows = []
    for part in _parts(measured):
        for method, table in measured.values.items():
            for label in measured.labels:
                values = table[label].to_numpy(dtype=float)[part.cases]
                known = np.isfinite(values)
                values = values[known]
                rows.append(
                    {"method": method, "label": label, **part.names}
                    | _mean(values, part, known, NO_VALUE)
                    | {
                        "minimum": values.min() if len(values) else math.nan,
                        "maximum": values.max() if len(values) else math.nan,
                        "unit": measured.main.unit,
                        "n_missing": len(known) - len(values),
                    }
                )
    return pd.DataFrame(rows, columns=VALUE_COLUMNS)


def agreement_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return the agreement of each pair of methods in the main quantity, second − first.

    `bias_percent` is the mean of the differences in % of the mean of both (0 where both are 0).
    Only volumes and areas have it, since the zero of other quantities, such as susceptibility, is a
    convention. With three methods or more, rows with `all` as both methods hold the ICCs over all
    of them. The interval of `icc_a1` treats the methods as a random factor, as is usual;
    `icc_a1_fixed` is the same number with the interval for these methods only. `reference_slope`
    and `reference_intercept` are those of the second method on the first. See
    `resample.pair_statistics` for formulas and sources.
    """
    groups = [(first, second, (first, second)) for first, second in measured.pairs]
    if len(measured.methods) > 2:
        groups.append(("all", "all", measured.methods))
    rows = []
    for part in _parts(measured):
        for first, second, methods in groups:
            for label in measured.labels:
                columns = [measured.values[method][label].to_numpy(float) for method in methods]
                names = {"first": first, "second": second, "label": label, **part.names}
                statistics = _agreement(np.stack(columns, axis=1)[part.cases], methods, part, seed)
                rows += [names | row for row in statistics]
    table = pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)
    table = table if measured.main.name in SIZES else table[table["statistic"] != "bias_percent"]
    unit = table["unit"].replace(OWN, measured.main.unit)
    return table.assign(unit=unit).reset_index(drop=True)


def pair_rows(
    agreement: pd.DataFrame, first: str, second: str, label: str | None = None
) -> pd.DataFrame:
    """Return the rows of two methods over all cases, of one label unless it is None.

    The two methods have to be given in the table's order; exchanged, they have no rows.
    """
    rows = agreement[(agreement["first"] == first) & (agreement["second"] == second)]
    rows = rows[rows["stratum"] == "all"]
    return rows if label is None else rows[rows["label"] == label]


def statistic_columns(rows: pd.DataFrame, columns: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return value, low and high of statistics of one label, in columns of these names.

    Args:
        rows: rows of `agreement_table` of one pair and label.
        columns: for each statistic, names for its value, low and high; low and high are optional.

    Returns:
        The numbers by column; NaN where a statistic has no row.
    """
    by_name = rows.set_index("statistic")[["value", "low", "high"]]
    return {
        column: value
        for name, names in columns.items()
        for column, value in zip(names, by_name.reindex([name]).iloc[0].tolist(), strict=False)
    }


def scores_table(measured: Measured) -> pd.DataFrame:
    """Return the mean of every score of the masks with its spread.

    A missing or empty mask has Dice 0. Its distances are NaN, since it has no surface; NaN scores
    are left out and counted in `n_nan`. `n_failed` counts cases that failed in the label (for
    `mean`, in any label). Intervals are clipped to the score's range, except those of the user's
    own metrics. A region has rows if it was scored. A case without a prediction has no scores of
    outcomes. With several labels, `mean` is the mean Dice of each case over its labels.
    """
    own = measured.target.size_units
    units = {name: ALL_SCORES[name] for name in (name_in(one, own) for one in SCORE_UNITS)}
    units |= _units(measured.scores, OF_REGIONS)
    units |= own_units(measured.scores) | _units(measured.scores, OUTCOME_SCORES)
    values, rated = _score_columns(measured, units)
    failed = _failed(measured, values)
    rows = []
    for part in _parts(measured):
        for label, metric in values:
            here = values[label, metric].to_numpy()[part.cases]
            known = np.isfinite(here)
            n_rated = int(rated[label, metric].to_numpy()[part.cases].sum())
            nothing = NO_VALUE if n_rated else NO_SCORES
            rows.append(
                {"label": label, **part.names, "metric": metric, "unit": units[metric]}
                | _mean(here[known], part, known, nothing, metric)
                | {
                    "n_nan": n_rated - int(known.sum()),
                    "n_failed": int(failed[label].to_numpy()[part.cases].sum()),
                }
            )
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def _parts(measured: Measured) -> Iterator[Part]:
    index, (subjects, _) = measured.covariates.index, codes(measured.subjects)
    for stratum, level, case_ids in measured.strata():
        cases = index.get_indexer(case_ids)
        yield Part({"stratum": stratum, "level": level}, cases, subjects[cases])


def _mean(
    values: Cases, part: Part, known: Bool[ndarray, " M"], nothing: str, metric: str = ""
) -> dict[str, float | str]:
    """Mean with its interval, SD, median and quartiles; `nothing` is the reason without values."""
    n = len(values)
    names = ("mean", "low", "high", "sd", "median", "q1", "q3")
    if not n:
        return dict.fromkeys(names, math.nan) | {"interval": NONE, "n": 0, "reason": nothing}
    subject, n_subjects = codes(part.subjects[known])
    mean, low, high = float(values.mean()), math.nan, math.nan
    reason = part.too_few(n, n_subjects)
    if not reason:
        low, high = mean_interval(values, subject, n_subjects)
        low = max(low, 0.0) if metric in NEVER_BELOW_0 else low
        high = min(high, LARGEST.get(metric, math.inf))
    sd = float(values.std(ddof=1)) if n > 1 else math.nan
    middle = np.quantile(values, [0.5, 0.25, 0.75]).tolist()
    numbers = dict(zip(names, (mean, low, high, sd, *middle), strict=True))
    return numbers | {"interval": NONE if reason else T, "n": n, "reason": reason}


def _agreement(
    table: Float[ndarray, "N K"], methods: Sequence[str], part: Part, seed: int
) -> list[dict]:
    """Rows of one label in one stratum: all statistics for two methods, only ICCs for more."""
    known = np.isfinite(table).all(axis=1)
    table, (subject, n_subjects) = table[known], codes(part.subjects[known])
    n, too_few = len(table), part.too_few(int(known.sum()), n_subjects)
    statistics: dict[str, Statistic] = {}
    if n >= FEWEST and too_few:
        statistics = agreement_values(table, subject, n_subjects)
    elif n >= FEWEST:
        statistics = agreement_intervals(table, subject, n_subjects, seed=seed)
    flat = [
        name
        for name, column in zip(methods, table.T, strict=True)
        if not n or np.ptp(column) <= ROUNDING * np.abs(column).max()
    ]
    if flat and statistics and len(methods) == 2:  # 0 in every sample, so the interval has no width
        statistics |= dict.fromkeys(ICCS, Statistic(math.nan))
    counts = {"n": n, "n_subjects": n_subjects, "n_missing": len(known) - n}
    return [
        {"statistic": name, "unit": AGREEMENT_UNITS[name]}
        | statistics.get(name, Statistic(math.nan))._asdict()
        | {"reason": _reason(statistics.get(name), too_few, flat)}
        | counts
        for name in (AGREEMENT_UNITS if len(methods) == 2 else ICCS)
    ]


def _reason(statistic: Statistic | None, too_few: str, flat: Sequence[str]) -> str:
    """Reason why a value of a statistic is NaN."""
    if statistic is None:
        return too_few
    if math.isnan(statistic.value):
        return f"no spread in {' and '.join(flat) or 'the mean of both'}"
    return too_few or (NO_ERROR if math.isnan(statistic.low) else "")


def _failed(measured: Measured, values: pd.DataFrame) -> pd.DataFrame:
    """Return whether each case (row) failed in each label, or in any label of a region (column)."""
    failed = failed_by_label(failed_masks(measured.scores), measured)
    if ALL_LABELS not in failed:
        failed[ALL_LABELS] = failed[list(measured.target.label_names)].any(axis=1)
    for outcome in measured.target.outcomes:
        failed[outcome.name] = failed.get(outcome.labels[0], False)
    return failed[list(dict.fromkeys(values.columns.get_level_values(0)))]


def own_units(rows: pd.DataFrame) -> dict[str, str]:
    """Metrics of the user's own in rows, with their units; empty without any."""
    names = rows["metric"].unique() if "metric" in rows else ()
    return _units(rows, [name for name in names if is_own(name)])


def _units(rows: pd.DataFrame, metrics: Sequence[str]) -> dict[str, str]:
    """Units of those of the metrics that the rows have."""
    own = rows[rows["metric"].isin(metrics)] if "metric" in rows else rows[:0]
    return dict(zip(own["metric"], own["unit"], strict=True)) if len(own) else {}


def _score_columns(
    measured: Measured, units: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values, and whether each exists; rows are cases, columns are pairs (label, metric)."""
    labels, rows = measured.target.label_names, measured.scores
    rows = rows[rows["metric"].isin(units)].astype({"value": float})
    named = (*labels, *(name for name in measured.target.all_regions if name in set(rows["label"])))
    of_outcomes = [name for name in units if name in OUTCOME_SCORES]
    there = set(zip(rows["label"], rows["metric"], strict=True))
    columns = [
        (label, name)
        for label in named
        for name in units
        if name not in (*of_outcomes, *OF_REGIONS) or (label, name) in there
    ]
    columns += [(one.name, name) for one in measured.target.outcomes for name in of_outcomes]
    columns = pd.MultiIndex.from_tuples(columns, names=["label", "metric"])
    values, rated = (
        table.pivot(index="case_id", columns=["label", "metric"], values="value").reindex(
            index=measured.covariates.index, columns=columns
        )
        for table in (rows, rows.assign(value=1.0))
    )
    rated = rated.notna()
    if len(labels) > 1 and ALL_LABELS not in labels:
        dice = [(label, "dice") for label in labels]
        values[ALL_LABELS, "dice"] = values[dice].mean(axis=1)
        rated[ALL_LABELS, "dice"] = rated[dice].any(axis=1)
    return values, rated
