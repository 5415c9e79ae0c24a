"""The study's tables of volumes, of the agreement of methods, and of scores of masks.

Every table has a row for each label and region and each stratum; a number that cannot be told is
NaN and its row says why in `reason`. Intervals are at 95 %, BCa over 2,000 draws of subjects. In
simulations of normal volumes they cover the truth in 93–95 % from 40 subjects on; with 8, the
bias in 90 % and the limits of agreement in 80 %: of few subjects they are too narrow.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.interval import FEWEST
from neurotarget.stats.measured import Measured
from neurotarget.stats.resample import (
    ROUNDING,
    all_methods,
    codes,
    ends,
    pair_means,
    pair_statistics,
    replicates,
    weighted_mean,
    weighted_spearman,
)
from neurotarget.types import DataError

Cases = Float[ndarray, " N"]
Codes = Integer[ndarray, " N"]

AGREEMENT_UNITS = {
    "pearson_r": "",
    "spearman_rho": "",
    "icc_a1": "",
    "icc_c1": "",
    "ccc": "",
    "bias": "mm3",
    "bias_percent": "%",
    "sd_difference": "mm3",
    "lower_limit": "mm3",
    "upper_limit": "mm3",
    "proportional_slope": "",
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
ALL_LABELS = "mean"  # the row of the mean Dice of each case over its labels
PLACE = ["label", "stratum", "level"]
MEAN = ["mean", "low", "high", "sd", "median"]
COUNTS = ["unit", "n", "n_subjects", "n_missing", "reason"]
VOLUME_COLUMNS = ["method", *PLACE, *MEAN, "minimum", "maximum", "unit", "n", "n_missing", "reason"]
AGREEMENT_COLUMNS = ["first", "second", *PLACE, "statistic", "value", "low", "high", *COUNTS]
SCORE_COLUMNS = [*PLACE, "metric", *MEAN, "q1", "q3", "unit", "n", "n_nan", "reason"]

NO_VALUE = "no case has a value"
NO_SCORES = "no scores"
NO_DRAWS = "half of the draws of subjects or more have no value"


class Part(NamedTuple):
    """A stratum as places of its cases in the cohort, and the subject of each."""

    names: dict[str, str]
    cases: Integer[ndarray, " N"]
    subjects: Codes


def volumes_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Mean volume of every label by every method, with its spread, in mm³."""
    rows = []
    for part in _parts(measured):
        for method, volumes in measured.volumes.items():
            for label in measured.labels:
                values = volumes[label].to_numpy(dtype=float)[part.cases]
                known = np.isfinite(values)
                values = values[known]
                rows.append(
                    {"method": method, "label": label, **part.names}
                    | _mean(values, part.subjects[known], seed, NO_VALUE)
                    | {
                        "minimum": values.min() if len(values) else math.nan,
                        "maximum": values.max() if len(values) else math.nan,
                        "unit": "mm3",
                        "n_missing": len(known) - len(values),
                    }
                )
    return pd.DataFrame(rows, columns=VOLUME_COLUMNS)


def agreement_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Agreement of every two methods in their volumes; differences are second − first.

    `bias_percent` is the mean of the differences in % of the mean of both (0 where both are 0).
    With three methods or more, rows `all`, `all` hold the ICCs over all of them. The intervals
    hold for these methods, so that of ICC(A,1) is narrower than the closed form's, which takes
    them for a sample of methods. Formulas and sources stand in `resample.pair_statistics`.
    """
    groups = [(first, second, (first, second)) for first, second in measured.pairs]
    if len(measured.methods) > 2:
        groups.append(("all", "all", measured.methods))
    rows = []
    for part in _parts(measured):
        for first, second, methods in groups:
            for label in measured.labels:
                columns = [measured.volumes[method][label].to_numpy(float) for method in methods]
                names = {"first": first, "second": second, "label": label, **part.names}
                found = _agreement(np.stack(columns, axis=1)[part.cases], methods, part, seed)
                rows += [names | row for row in found]
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


def scores_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Mean of every score of the masks with its spread; a lost mask counts with Dice 0.

    Scores that are NaN are left out and counted (`n_nan`). A region has rows where it was scored.
    Where there are several labels, `mean` is the mean Dice of each case over its labels.

    Raises:
        DataError: a case has two values of one score.
    """
    values, rated = _score_columns(measured)
    rows = []
    for part in _parts(measured):
        for label, metric in values:
            here = values[label, metric].to_numpy()[part.cases]
            known = np.isfinite(here)
            n_rated = int(rated[label, metric].to_numpy()[part.cases].sum())
            nothing = NO_VALUE if n_rated else NO_SCORES
            rows.append(
                {"label": label, **part.names, "metric": metric, "unit": SCORE_UNITS[metric]}
                | _mean(here[known], part.subjects[known], seed, nothing)
                | {"n_nan": n_rated - int(known.sum())}
            )
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def _parts(measured: Measured) -> Iterator[Part]:
    index, (subjects, _) = measured.covariates.index, codes(measured.subjects)
    for stratum, level, case_ids in measured.strata():
        cases = index.get_indexer(case_ids)
        yield Part({"stratum": stratum, "level": level}, cases, subjects[cases])


def _mean(values: Cases, subjects: Codes, seed: int, nothing: str) -> dict[str, float | str]:
    """Mean with its interval, SD, median and quartiles; `nothing` is the reason of no value."""
    n = len(values)
    names = ("mean", "low", "high", "sd", "median", "q1", "q3")
    if not n:
        return dict.fromkeys(names, math.nan) | {"n": 0, "reason": nothing}
    subject, n_subjects = codes(subjects)
    mean, low, high = float(values.mean()), math.nan, math.nan
    reason = _too_few(n, n_subjects)
    if not reason:
        low, high = ends(weighted_mean(replicates(n_subjects, seed), values, subject))
    sd = float(values.std(ddof=1)) if n > 1 else math.nan
    middle = np.quantile(values, [0.5, 0.25, 0.75]).tolist()
    numbers = dict(zip(names, (mean, low, high, sd, *middle), strict=True))
    return numbers | {"n": n, "reason": reason}


def _agreement(
    table: Float[ndarray, "N K"], methods: Sequence[str], part: Part, seed: int
) -> list[dict]:
    """Rows of one label in one stratum; two methods have all statistics, more have the ICCs."""
    known = np.isfinite(table).all(axis=1)
    table, (subject, n_subjects) = table[known], codes(part.subjects[known])
    n, too_few = len(table), _too_few(len(table), n_subjects)
    values = {}
    if n >= FEWEST:
        whole = np.ones((1, n_subjects))  # a value without an interval
        values = _statistics(whole if too_few else replicates(n_subjects, seed), table, subject)
    flat = [name for name, column in zip(methods, table.T, strict=True) if _is_flat(column)]
    if flat and values and len(methods) == 2:  # 0 in every draw, with an interval of no width
        values |= dict.fromkeys(("icc_a1", "icc_c1"), np.full(1, math.nan))
    counts = {"n": n, "n_subjects": n_subjects, "n_missing": len(known) - n}
    return [
        {"statistic": name, "unit": AGREEMENT_UNITS[name]}
        | _found(values.get(name), too_few, flat)
        | counts
        for name in (AGREEMENT_UNITS if len(methods) == 2 else ("icc_a1", "icc_c1"))
    ]


def _found(
    replicated: Float[ndarray, " R"] | None, too_few: str, flat: Sequence[str]
) -> dict[str, float | str]:
    """A statistic with its interval, and why something of it is NaN."""
    found = {"value": math.nan, "low": math.nan, "high": math.nan, "reason": too_few}
    if replicated is None:
        return found
    found["value"] = float(replicated[0])
    if math.isnan(replicated[0]):
        return found | {"reason": f"no spread in {' and '.join(flat) or 'the mean of both'}"}
    if too_few:
        return found
    low, high = ends(replicated)
    return found | {"low": low, "high": high, "reason": NO_DRAWS if math.isnan(low) else ""}


def _statistics(
    weights: Float[ndarray, "R S"], table: Float[ndarray, "N K"], subject: Codes
) -> dict[str, Float[ndarray, " R"]]:
    if table.shape[1] > 2:
        return all_methods(weights, table, subject)
    x, y = table.T
    ranks = {"spearman_rho": weighted_spearman(weights, x, y, subject)}
    return pair_statistics(pair_means(weights, x, y, subject)) | ranks


def _score_columns(measured: Measured) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values, and whether there is such a row: a row a case, a column (label, metric)."""
    labels, rows = measured.target.label_names, measured.scores
    rows = rows[rows["metric"].isin(SCORE_UNITS)].astype({"value": float})
    if len(twice := rows[rows.duplicated(["case_id", "label", "metric"])]):
        case_id, label, metric = twice.iloc[0][["case_id", "label", "metric"]]
        raise DataError(
            f"{case_id}: found two rows of {metric} for {label}, wanted one; "
            "keep the rows of one run, and one row per case in the manifest"
        )
    named = (*labels, *(name for name in measured.target.regions if name in set(rows["label"])))
    columns = pd.MultiIndex.from_product([named, SCORE_UNITS])
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


def _is_flat(values: Cases) -> bool:
    return not len(values) or bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def _too_few(n: int, n_subjects: int) -> str:
    """Why there is no interval, or "" where there are enough cases and subjects."""
    if n < FEWEST:
        return "fewer than 3 cases" if n else NO_VALUE
    if n_subjects < FEWEST:
        return "all cases are of one subject" if n_subjects == 1 else "fewer than 3 subjects"
    return ""
