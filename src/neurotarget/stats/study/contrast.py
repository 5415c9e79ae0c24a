"""Two-group contrasts and values adjusted for age, sex and intracranial volume.

One person counts once: several scans of a subject are averaged, and subjects who change group are
left out.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.tables.table_ids import find_column
from neurotarget.quantity import VOLUME, one_of, plural_of
from neurotarget.stats.cohort.head_size import CONTROLS, find_tiv
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import AGE, SEX, key, written
from neurotarget.stats.core.discrimination import NONE, ROUNDING, Slopes
from neurotarget.stats.core.interval import FEWEST

KNOWN = 0.5  # least share of subjects with a covariate for an adjustment
GROUPS = ("group", "diagnosis", "dx")


class Contrast(NamedTuple):
    """Two groups of subjects, a before b."""

    covariate: str
    group_a: str
    group_b: str


class Groups(NamedTuple):
    """The subjects of a contrast and the terms that their values are adjusted for."""

    contrast: Contrast
    is_a: pd.Series  # one row per subject of either group
    terms: pd.DataFrame  # numbers, one row per subject; NaN where unknown
    names: tuple[str, ...]  # covariate of each column of terms
    lacking: tuple[str, ...]  # covariates that some subjects lack
    remarks: tuple[str, ...]  # covariates that are left out, with the reason
    is_absent: bool = False  # True if the cohort lacks the contrast's covariate
    measure: str = VOLUME  # name of the quantity


class Sample(NamedTuple):
    """Adjusted values of the subjects with all needed values, by method."""

    a: Float[ndarray, "A M"]
    b: Float[ndarray, "B M"]
    slopes: Slopes
    adjusted_for: str
    note: str  # subjects left out, or ""
    reason: str  # reason for a missing estimate, or ""


def contrasts(measured: Measured) -> tuple[Contrast, ...]:
    """Return the two-group contrasts of a cohort: those in hypotheses, then the diagnosis.

    A column `group`, `diagnosis` or `dx` outside the hypotheses is a contrast if it has two values;
    controls are the second group. Sex is used where there is no other contrast. Contrasts that
    differ only in the order of their groups count once, in the order of the first hypothesis.
    """
    table = measured.covariates
    listed: list[Contrast] = []
    for hypothesis in measured.target.hypotheses:
        if hypothesis.groups:
            contrast = Contrast(hypothesis.covariate, *hypothesis.groups)
            known = {_same(other) for other in listed}
            listed += [contrast] if _same(contrast) not in known else []
    covered = {key(contrast.covariate) for contrast in listed}
    for name in table.columns:
        if key(name) in GROUPS and key(name) not in covered and (pair := _two_values(table[name])):
            listed.append(Contrast(str(name), *pair))
    sex = find_column(table.columns, SEX)
    if not listed and sex and (pair := _two_values(table[sex])):
        listed.append(Contrast(sex, *pair))
    return tuple(listed)


def per_subject(measured: Measured, table: pd.DataFrame) -> pd.DataFrame:
    """Return mean values over the cases of each subject, one row per subject.

    A mean leaves out missing values; it is NaN where all cases lack the value.
    """
    return table.groupby(measured.subjects.to_numpy()).mean()


def adjusted_sample(groups: Groups, table: pd.DataFrame) -> Sample:
    """Return adjusted values (one column per method) of the subjects with all needed values.

    The residual method gives V − b · (x − mean x). b is fitted on the controls if a group has a
    name of `CONTROLS`, else on all subjects within groups, so that b does not contain the group
    difference. Terms that do not vary are left out.

    Source: Sanfilipo et al. 2004, doi:10.1016/j.neuroimage.2004.03.037.
    """
    there = table.reindex(groups.is_a.index).notna().all(axis=1)
    known = groups.terms.notna().all(axis=1)
    is_a = groups.is_a[there & known]
    values, first = table.loc[is_a.index].to_numpy(dtype=float), is_a.to_numpy(dtype=bool)
    reason = _why_not(groups, first, values)
    if len(there) and not there.any():
        reason = f"no subject of these groups has {one_of(groups.measure)}"
    slopes, adjusted_for = NONE, ""
    if not reason:
        values, slopes, adjusted_for = _adjusted(values, groups, is_a)
        adjusted_for = "; ".join((adjusted_for, *groups.remarks))
    lost = int((there & ~known).sum())
    note = f"{lost} subjects without {' or '.join(groups.lacking)} left out" if lost else ""
    reason = f"{reason}; {note}" if reason and note else reason
    return Sample(values[first], values[~first], slopes, adjusted_for, note, reason)


def _why_not(groups: Groups, first: ndarray, values: ndarray) -> str:
    covariate, *names = groups.contrast
    if groups.is_absent:
        return f"no covariate {covariate}"
    for name, count in zip(names, (first.sum(), (~first).sum()), strict=True):
        if count < FEWEST:
            return f"{count} subjects with {covariate} {name}, wanted {FEWEST} or more"
    is_flat = (np.ptp(values, axis=0) == 0).any()
    return f"the {plural_of(groups.measure)} do not vary" if is_flat else ""


def _adjusted(values: ndarray, groups: Groups, is_a: pd.Series) -> tuple[ndarray, Slopes, str]:
    """Return adjusted values, the cost of the slopes, and a text on covariates and subjects."""
    first, terms = is_a.to_numpy(dtype=bool), groups.terms.loc[is_a.index].to_numpy(dtype=float)
    names = tuple(dict.fromkeys(groups.names))
    for fitted, whom in _fitted_on(groups.contrast, first):
        about = _centred(terms, first, fitted)
        varies = about.std(axis=0) > ROUNDING * np.abs(terms).max(axis=0, initial=0)
        if varies.any() and fitted.sum() - 2 - varies.sum() >= FEWEST:
            used = {name for name, does in zip(groups.names, varies, strict=True) if does}
            left = "".join(
                f"; {name} left out: it does not vary" for name in names if name not in used
            )
            listed = ", ".join(name for name in names if name in used)
            values, slopes = _residuals(values, terms[:, varies], first, fitted)
            return values, slopes, f"{listed} (fitted on {whom}){left}"
    few = f": {len(first)} subjects are too few for {', '.join(names)}" if names else ""
    return values, NONE, f"nothing{few}"


def _residuals(
    values: ndarray, terms: ndarray, first: ndarray, fitted: ndarray
) -> tuple[ndarray, Slopes]:
    """Values at the mean of the terms, by slopes within the groups of `fitted`."""
    terms = (terms - terms.mean(axis=0)) / terms.std(axis=0)
    about = _centred(terms, first, fitted)
    inverse = np.linalg.pinv(about.T @ about, rcond=ROUNDING, hermitian=True)
    slopes = inverse @ about.T @ _centred(values, first, fitted)
    difference = terms[first].mean(axis=0) - terms[~first].mean(axis=0)
    share = np.linalg.matrix_rank(about) / fitted.sum()  # lost degrees of freedom per subject
    lost_a, lost_b = (float(share * (group & fitted).sum()) for group in (first, ~first))
    return values - terms @ slopes, Slopes(lost_a, lost_b, float(difference @ inverse @ difference))


def _fitted_on(contrast: Contrast, first: ndarray) -> Iterator[tuple[ndarray, str]]:
    """Yield subjects to fit the slopes on and a text that names them, the best choice first."""
    if contrast.covariate.casefold() not in SEX:
        for name, members in ((contrast.group_a, first), (contrast.group_b, ~first)):
            if key(name) in CONTROLS:
                yield members, f"the controls, {contrast.covariate} {name}"
    yield np.ones(len(first), dtype=bool), "all subjects, within the groups"


def _centred(table: ndarray, first: ndarray, fitted: ndarray) -> ndarray:
    """Rows of `fitted` minus the mean of their group."""
    table = table.copy()
    for group in (first & fitted, ~first & fitted):
        if group.any():
            table[group] -= table[group].mean(axis=0)
    return table[fitted]


def groups_of(measured: Measured, contrast: Contrast) -> Groups:
    """Return the subjects of both groups, with their age, sex and, for volumes, TIV where known.

    Covariates that less than half of the subjects have are left out, and so is the contrast's own
    covariate. Subjects whose group changes between visits are in neither group. A cohort without
    the contrast's covariate gives empty groups with `is_absent`.
    """
    table, subjects = measured.covariates, measured.subjects
    name = find_column(table.columns, (contrast.covariate,))
    if name is None:
        nobody = pd.Series(dtype=bool)
        nothing = pd.DataFrame(index=nobody.index)
        return Groups(contrast, nobody, nothing, (), (), (), True, measured.main.name)
    keys = _categories(table[name], subjects)
    is_a = (keys == key(contrast.group_a))[keys.isin([key(group) for group in contrast[1:]])]
    columns, names, lacking, remarks = {}, [], [], []
    sex = find_column(table.columns, SEX)
    tiv = find_tiv(table.columns) if measured.main.name == VOLUME else None
    for column_name in (find_column(table.columns, AGE), sex, tiv):
        if column_name is None or column_name == name:
            continue
        terms = _terms(table[column_name], subjects, column_name == sex).reindex(is_a.index)
        known = int(terms.notna().all(axis=1).sum())
        if known < KNOWN * len(is_a) or not terms.shape[1]:
            remarks.append(f"{column_name} left out: {known} of {len(is_a)} subjects have it")
            continue
        lacking += [column_name] if known < len(is_a) else []
        for _, column in terms.items():
            columns[len(names)] = column
            names.append(column_name)
    numbers = pd.DataFrame(columns, index=is_a.index)
    texts = (tuple(names), tuple(lacking), tuple(remarks))
    return Groups(contrast, is_a, numbers, *texts, measure=measured.main.name)


def _terms(values: pd.Series, subjects: pd.Series, is_category: bool) -> pd.DataFrame:
    """Return a covariate as numbers per subject: its mean, or indicators of all levels but one."""
    if not is_category:
        numbers = pd.to_numeric(values, errors="coerce").astype(float)
        numbers = numbers.where(np.isfinite(numbers))
        return numbers.groupby(subjects.to_numpy()).mean().to_frame()
    keys = _categories(values, subjects)
    levels = sorted(set(keys))
    return pd.DataFrame(
        {level: keys == level for level in levels[: max(len(levels) - 1, 1)]}, dtype=float
    )


def _categories(values: pd.Series, subjects: pd.Series) -> pd.Series:
    """Group of each subject; subjects without a group, or who change it, are left out."""
    keys = values.dropna().map(key)
    grouped = keys.groupby(subjects.loc[keys.index].to_numpy())
    return grouped.first()[grouped.nunique() == 1]


def _two_values(values: pd.Series) -> tuple[str, str] | None:
    """The two groups of a column, controls second; None for another number of groups."""
    named = {key(value): written(value) for value in values.dropna()}
    if len(named) != 2:
        return None
    first, second = sorted(named, key=lambda name: (name in CONTROLS, name))
    return named[first], named[second]


def _same(contrast: Contrast) -> tuple:
    """Return a key that is equal for contrasts that differ in order or spelling only."""
    return key(contrast.covariate), frozenset(key(group) for group in contrast[1:])
