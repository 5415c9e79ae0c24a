"""What a study asks of its volumes: group differences and slopes, with a verdict.

One person counts once: several scans of a subject are averaged first. Cases that lack a volume
or a covariate of the model are left out and counted. What cannot be estimated says why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy import ndarray
from scipy.stats import t, ttest_ind
from statsmodels.regression.linear_model import OLS

from neurotarget.stats.interval import LEVEL
from neurotarget.types import Hypothesis

SUPPORTED = "supported"
OPPOSITE = "opposite"
NOT_SUPPORTED = "not supported"
NOT_ENOUGH = "not enough data"
FEWEST = 3  # subjects a group and degrees of freedom left, below which nothing is said
POWER = 0.8
VOLUME = ""  # the column of volumes: no covariate has this name
# named so, numbers are names of groups and no quantities
CATEGORIES = frozenset({"sex", "gender", "group", "diagnosis", "site", "scanner", "rater"})


@dataclass(frozen=True, slots=True)
class Effect:
    """One hypothesis put to one set of volumes; NaN where it could not be estimated.

    `n` subjects were used and `n_dropped` cases lacked a value. `detectable` is the smallest
    effect that this precision would find with 80 % power. `reason` says why nothing could be
    estimated, or what the model had to leave out.
    """

    name: str
    estimate: float
    low: float
    high: float
    p: float
    n: int
    n_dropped: int
    unit: str
    verdict: str
    detectable: float = math.nan
    reason: str = ""


class _Fit(NamedTuple):
    estimate: float
    error: float  # standard error
    freedom: float
    p: float
    left_out: tuple[str, ...] = ()


class _NotEstimableError(Exception):
    """Why an effect cannot be estimated; its text goes into `Effect.reason`."""


def estimate_effect(
    hypothesis: Hypothesis, volumes: pd.Series, covariates: pd.DataFrame, *, unit: str = "mm3"
) -> Effect:
    """Estimate an effect on volumes with its 95 % interval and say whether it is there.

    Both tables are indexed by case; `covariates` may have a column `subject_id`. A group
    difference without other terms is Welch's, everything else ordinary least squares, in which
    text and the names in `CATEGORIES` are categories and other numbers are linear. `unit` is
    that of the volumes.

    Source: Welch 1947, doi:10.1093/biomet/34.1-2.28.

    Raises:
        ValueError: a case comes twice in one of the tables.
    """
    _refuse_twins(volumes.index, covariates.index)
    unit = unit if hypothesis.groups else f"{unit}/{_unit_of(hypothesis.covariate)}"
    table, dropped = pd.DataFrame(), 0
    try:
        table, dropped = _complete(hypothesis, volumes, covariates)
        fit = _fit(hypothesis, table)
    except _NotEstimableError as reason:
        nothing = (math.nan,) * 4
        return Effect(
            hypothesis.name, *nothing, len(table), dropped, unit, NOT_ENOUGH, reason=str(reason)
        )
    half = float(t.ppf((1 + LEVEL) / 2, fit.freedom)) * fit.error
    low, high = fit.estimate - half, fit.estimate + half
    return Effect(
        hypothesis.name,
        fit.estimate,
        low,
        high,
        fit.p,
        len(table),
        dropped,
        unit,
        _verdict(low, high, hypothesis.sign),
        detectable=half + float(t.ppf(POWER, fit.freedom)) * fit.error,
        reason="; ".join(f"{name} left out: it does not vary" for name in fit.left_out),
    )


def recovered(effect: Effect, planted_value: float) -> bool:
    """Whether the true value of a generated cohort lies in the effect's interval."""
    return bool(effect.low <= planted_value <= effect.high)


def claim(hypothesis: Hypothesis) -> str:
    """What a hypothesis expects, in a few words: `F > M`, `age: negative`."""
    if hypothesis.groups:
        first, second = hypothesis.groups
        return f"{first} {('<', '!=', '>')[hypothesis.sign + 1]} {second}"
    return f"{hypothesis.covariate}: {('negative', 'any slope', 'positive')[hypothesis.sign + 1]}"


def _refuse_twins(*indexes: pd.Index) -> None:
    for index in indexes:
        if index.has_duplicates:
            raise ValueError(
                f"estimate_effect: got the case {index[index.duplicated()][0]} twice, wanted one "
                "row a case; give every scan a case_id of its own and its person's subject_id"
            )


def _unit_of(covariate: str) -> str:
    return "year" if covariate.casefold() in ("age", "age_years") else covariate


def _verdict(low: float, high: float, sign: int) -> str:
    if low <= 0 <= high:
        return NOT_SUPPORTED
    found = 1 if low > 0 else -1
    return SUPPORTED if sign in (0, found) else OPPOSITE


def _complete(
    hypothesis: Hypothesis, volumes: pd.Series, covariates: pd.DataFrame
) -> tuple[pd.DataFrame, int]:
    """Volume and terms of each subject that has them all, and the number of cases dropped."""
    terms = list(dict.fromkeys((hypothesis.covariate, *hypothesis.adjust)))
    if absent := [term for term in terms if term not in covariates]:
        raise _NotEstimableError(f"no covariate {', '.join(absent)}")
    known = covariates.reindex(volumes.index)
    columns = {term: _typed(known[term], term, hypothesis) for term in terms}
    table = pd.DataFrame({VOLUME: volumes.astype(float), **columns})
    if hypothesis.groups:  # cases of a third group are none of its business
        asked = table[hypothesis.covariate]
        table = table[asked.isna() | asked.isin(_keys(hypothesis))]
    whole = table.dropna()
    subjects = known["subject_id"] if "subject_id" in known else known.index.to_series()
    averaged, unclear = _per_subject(whole, subjects.loc[whole.index])
    return averaged, len(table) - len(whole) + unclear


def _typed(values: pd.Series, term: str, hypothesis: Hypothesis) -> pd.Series:
    """A covariate as floats, or as text where it names categories."""
    present = values.dropna()
    numbers = pd.to_numeric(present, errors="coerce")
    is_group = term == hypothesis.covariate and hypothesis.groups is not None
    is_slope = term == hypothesis.covariate and not is_group
    if is_slope and numbers.isna().any():
        raise _NotEstimableError(
            f"{term} is not a number (such as {present[numbers.isna()].iloc[0]})"
        )
    if is_slope or not (is_group or term.casefold() in CATEGORIES or numbers.isna().any()):
        return numbers.astype(float).reindex(values.index)
    return present.map(_key).astype(object).reindex(values.index)


def _key(value: object) -> str:
    """A group's name, however it is written: 1 and 1.0, f and F are one."""
    text = f"{value:g}" if isinstance(value, int | float | np.number) else str(value)
    return text.strip().casefold()


def _keys(hypothesis: Hypothesis) -> list[str]:
    return [_key(name) for name in hypothesis.groups or ()]


def _per_subject(table: pd.DataFrame, subjects: pd.Series) -> tuple[pd.DataFrame, int]:
    """Means over the scans of each subject; who changes category is dropped, cases counted."""
    if subjects.is_unique:
        return table, 0
    grouped = table.groupby(subjects.to_numpy())
    names = [name for name in table if table[name].dtype == object]
    steady = (grouped[names].nunique() == 1).all(axis=1) if names else grouped.size() > 0
    means = grouped.mean(numeric_only=True)
    averaged = pd.DataFrame(
        {name: grouped[name].first() if name in names else means[name] for name in table}
    )
    return averaged[steady], int(grouped.size()[~steady].sum())


def _fit(hypothesis: Hypothesis, table: pd.DataFrame) -> _Fit:
    tested = table[hypothesis.covariate]
    if hypothesis.groups:
        first, second = (tested == key for key in _keys(hypothesis))
        for name, group in zip(hypothesis.groups, (first, second), strict=True):
            if group.sum() < FEWEST:
                raise _NotEstimableError(
                    f"{int(group.sum())} subjects with {hypothesis.covariate} {name}, "
                    f"wanted {FEWEST} or more"
                )
        tested = first.astype(float)
    elif len(table) < FEWEST:
        raise _NotEstimableError(f"{len(table)} subjects, wanted more")
    volumes = table[VOLUME].to_numpy()
    if np.ptp(volumes) == 0:
        raise _NotEstimableError("the volumes do not vary")
    if hypothesis.groups and not hypothesis.adjust:
        return _welch(volumes, tested.to_numpy() == 1)
    return _least_squares(volumes, tested.to_numpy(), table[list(hypothesis.adjust)])


def _welch(volumes: ndarray, first: ndarray) -> _Fit:
    a, b = volumes[first], volumes[~first]
    variances = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if not sum(variances):
        raise _NotEstimableError("the volumes do not vary within the groups")
    test = ttest_ind(a, b, equal_var=False)
    error = math.sqrt(sum(variances))
    return _Fit(float(a.mean() - b.mean()), error, float(test.df), float(test.pvalue))


def _least_squares(volumes: ndarray, tested: ndarray, adjust: pd.DataFrame) -> _Fit:
    if np.ptp(tested) == 0:
        raise _NotEstimableError("the covariate does not vary")
    left_out = tuple(name for name in adjust if adjust[name].nunique() < 2)
    others = _design(adjust.drop(columns=list(left_out)))
    design = np.column_stack([(tested - tested.mean()) / tested.std(), others])
    if np.linalg.matrix_rank(design) == np.linalg.matrix_rank(others):
        raise _NotEstimableError(f"it cannot be told apart from {', '.join(adjust)}")
    model = OLS(volumes, design)
    if model.df_resid < FEWEST:
        raise _NotEstimableError(
            f"{len(volumes)} subjects for {int(model.rank)} terms leave too few degrees of freedom"
        )
    fit = model.fit()
    estimate, error = float(fit.params[0]), float(fit.bse[0])
    if not error:
        raise _NotEstimableError("the volumes do not vary about the model")
    scale = float(tested.std())
    return _Fit(
        estimate / scale, error / scale, float(fit.df_resid), float(fit.pvalues[0]), left_out
    )


def _design(adjust: pd.DataFrame) -> ndarray:
    """Constant and other terms; numbers in units of their SD, categories against the first."""
    columns: list[Sequence] = [np.ones(len(adjust))]
    for name in adjust:
        values = adjust[name]
        if values.dtype == object:
            columns += [(values == other).astype(float) for other in sorted(set(values))[1:]]
        else:
            columns.append((values - values.mean()) / values.std(ddof=0))
    return np.column_stack(columns)
