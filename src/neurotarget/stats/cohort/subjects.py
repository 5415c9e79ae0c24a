"""Select the subjects for a hypothesis: complete values and the covariates that it needs.

One person counts once: several scans of a subject are averaged. Cases without a value or a
covariate are left out and counted.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from neurotarget.hypothesis import SPLINE, Hypothesis
from neurotarget.levels import level_key
from neurotarget.quantity import noun_of, plural_of

# in columns with these names, numbers are categories
CHANGE = "their subjects change"  # part of a reason: a covariate changes between visits
AGE, SEX = ("age", "age_years"), ("sex", "gender")  # names of columns, in upper or lower case
CATEGORIES = frozenset({"sex", "gender", "group", "diagnosis", "site", "scanner", "rater"})


class NotEstimableError(Exception):
    """An effect cannot be estimated; the text goes into the column `reason`."""


class Cohort(NamedTuple):
    """Complete values (one column per method) and covariates of the same subjects.

    Covariates are floats, or text for categories. `n_dropped` counts the cases left out. `note`
    states how many cases are left out because their subjects change category.
    """

    values: pd.DataFrame
    covariates: pd.DataFrame
    n_dropped: int
    note: str = ""


def gather(
    hypothesis: Hypothesis,
    values: pd.DataFrame,
    covariates: pd.DataFrame,
    *,
    numbers: Iterable[str] = (),
) -> Cohort:
    """Return the subjects that have every value and every covariate of the hypothesis.

    Both tables are indexed by case; `covariates` may have a column `subject_id`. `numbers` names
    further covariates that are needed. Covariates that hold text, or are named in `CATEGORIES`, are
    categories. Where the hypothesis compares two groups, cases of other groups are ignored.

    Raises:
        NotEstimableError: a covariate is absent, unknown in all cases, or not a number where the
            model needs a number.
    """
    names = tuple(dict.fromkeys((*hypothesis.variables, *numbers)))
    if absent := [name for name in names if name not in covariates]:
        raise NotEstimableError(f"no covariate {', '.join(absent)}")
    known = covariates[[name for name in covariates if name in {*names, "subject_id"}]]
    known = known if known.index.equals(values.index) else known.reindex(values.index)
    quantities = {*numbers, *_quantities(hypothesis)}
    typed = {
        name: _typed(
            known[name],
            is_number=name in quantities,
            groups=hypothesis.groups if name == hypothesis.covariate else None,
        )
        for name in names
    }
    terms = pd.DataFrame(typed, index=values.index)
    if hypothesis.groups:
        is_concerned = concerned(hypothesis, terms)
        values, terms = values[is_concerned], terms[is_concerned]
    whole = _known(values, terms, quantity(hypothesis))
    subjects = known["subject_id"] if "subject_id" in known else known.index.to_series()
    steady = Cohort(values[whole].astype(float), terms[whole], int((~whole).sum()))
    return _per_subject(steady, subjects.loc[terms.index[whole]])


def concerned(hypothesis: Hypothesis, covariates: pd.DataFrame) -> ndarray:
    """Return True for cases that belong to a hypothesis, False for cases of a third group.

    Cases of an unknown group belong to it; they are counted as incomplete later.
    """
    if not hypothesis.groups or hypothesis.covariate not in covariates:
        return np.ones(len(covariates), dtype=bool)
    values, keys = covariates[hypothesis.covariate], [key(name) for name in hypothesis.groups]
    return (values.isna() | values.map(key, na_action="ignore").isin(keys)).to_numpy()


def quantity(hypothesis: Hypothesis) -> str:
    """Return the name of the tested quantity: `volume`, `mean of qsm`."""
    return noun_of(hypothesis.measure)


def quantities(hypothesis: Hypothesis) -> str:
    """Return the plural of the tested quantity: `volumes`, `means of qsm`."""
    return plural_of(hypothesis.measure)


def key(value: object) -> str:
    """Return the normalised name of a category, for comparisons: 1 equals 1.0, f equals F.

    `written` returns the name for tables and texts.
    """
    return written(value).casefold()


def written(value: object) -> str:
    """Return a category as text for tables: 1.0 as 1, and long numbers with all digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return str(value).strip()
    return f"{value:.15g}"  # fewer digits could make two long numbers equal


def varying(hypothesis: Hypothesis, covariates: pd.DataFrame) -> Hypothesis:
    """Return the hypothesis without terms that do not vary among the subjects.

    A spline or an interaction is left out if one of its covariates does not vary. The tested
    covariate stays.
    """
    fixed = {name for name in covariates if covariates[name].dropna().nunique() == 1}
    kept = [
        term
        for term in hypothesis.adjust
        if not {*SPLINE.sub(r"\1", term).replace(" ", "").split("*")} & fixed
    ]
    return replace(hypothesis, adjust=tuple(kept))


def other_groups(hypothesis: Hypothesis, covariates: pd.DataFrame) -> str:
    """Return a sentence on the cases of other groups that a comparison leaves out, or ""."""
    if not hypothesis.groups or hypothesis.covariate not in covariates:
        return ""
    name = hypothesis.covariate
    values = covariates[name].dropna().map(written)
    compared = {level_key(group, name) for group in hypothesis.groups}
    others = values[~values.map(lambda value: level_key(value, name)).isin(compared)]
    if not len(others):
        return ""
    counts = ", ".join(f"{value} {n}" for value, n in others.value_counts().items())
    return (
        f"{len(others)} of {len(covariates)} cases have another {name} than "
        f"{' and '.join(hypothesis.groups)} ({counts}); {hypothesis.name} leaves them out."
    )


def levels(values: pd.Series) -> list[str]:
    """Return the categories in alphabetical order, ignoring upper and lower case.

    The first category is the baseline of a model.
    """
    return sorted(values.unique(), key=str.casefold)


def is_category(values: pd.Series) -> bool:
    """Return True if a covariate of a cohort holds categories; `gather` makes numbers floats."""
    return values.dtype == object


def _known(values: pd.DataFrame, terms: pd.DataFrame, what: str) -> Bool[ndarray, " N"]:
    """Return True for cases with all values and terms; an error names those that no case has."""
    lacks, unknown = values.isna().to_numpy(), terms.isna().to_numpy()
    if len(terms) and lacks.all(axis=0).any():
        raise NotEstimableError(f"no case has a {what}")
    if len(terms) and (never := terms.columns[unknown.all(axis=0)].tolist()):
        raise NotEstimableError(f"no case has a value of {', '.join(map(str, never))}")
    return ~(lacks.any(axis=1) | unknown.any(axis=1))


def _quantities(hypothesis: Hypothesis) -> set[str]:
    """Covariates that the model uses as numbers: the tested slope's, and those of splines."""
    curved = (SPLINE.fullmatch(term) for term in hypothesis.adjust)
    names = {match[1] for match in curved if match}
    if hypothesis.covariate and hypothesis.groups is None and "*" not in hypothesis.covariate:
        names.add(hypothesis.covariate)
    return names


def _typed(values: pd.Series, *, is_number: bool, groups: tuple[str, str] | None) -> pd.Series:
    """Return a covariate as floats, or as text for categories, spelt as in `groups`."""
    is_named = groups is not None or str(values.name).casefold() in CATEGORIES
    if values.dtype == float and not is_named and not np.isinf(values.to_numpy()).any():
        return values
    present = values.dropna()
    numbers = pd.to_numeric(present, errors="coerce")
    wrong = numbers.isna() | ~np.isfinite(numbers.astype(float))
    if is_number and wrong.any():
        raise NotEstimableError(f"{values.name} is not a number (such as {present[wrong].iloc[0]})")
    if is_number or not (is_named or wrong.any()):
        return numbers.astype(float).reindex(values.index)
    keys = [level_key(value, str(values.name)) for value in present]
    shown = {level_key(group, str(values.name)): group for group in groups or ()}
    for one, value in zip(keys, present, strict=True):
        shown.setdefault(one, written(value))  # the first spelling in the table
    named = pd.Series([shown[one] for one in keys], present.index, dtype=object)
    return named.reindex(values.index)


def _per_subject(cohort: Cohort, subjects: pd.Series) -> Cohort:
    """Average the scans of each subject; subjects who change category are dropped and counted."""
    if subjects.is_unique:
        return cohort
    people = subjects.to_numpy()
    terms = cohort.covariates.groupby(people)
    named = [name for name in cohort.covariates if is_category(cohort.covariates[name])]
    steady = (terms[named].nunique() == 1).all(axis=1) if named else terms.size() > 0
    averaged = pd.DataFrame(
        {
            name: terms[name].first() if name in named else terms[name].mean()
            for name in cohort.covariates
        },
        index=steady.index,
    )
    values = cohort.values.groupby(people).mean()
    lost = int(terms.size()[~steady].sum())
    changed = [name for name in named if (terms[name].nunique() > 1).any()]
    note = f"{lost} cases left out: {CHANGE} {', '.join(changed)}" if lost else ""
    return Cohort(values[steady], averaged[steady], cohort.n_dropped + lost, note)
