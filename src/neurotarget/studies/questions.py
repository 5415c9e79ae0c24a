"""Apply the user's questions to a cohort: hypotheses, code books, limits and covariates."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from neurotarget.data.tables.covariates import book_of
from neurotarget.hypothesis import WORD, Hypothesis
from neurotarget.levels import CodeBook, codes_of, level_key, spelt_as
from neurotarget.problems import DataError, some
from neurotarget.stats.cohort.copies import copied_people
from neurotarget.stats.cohort.subjects import written
from neurotarget.studies.study_inputs import Material, named
from neurotarget.target_relations import ACCEPTABLE, LIMITS
from neurotarget.types import Target


def with_levels(target: Target | None, levels: CodeBook) -> Target | None:
    """Return the target with these code books, which override its file's; None stays None."""
    return target and replace(target, levels={**target.levels, **levels})


def acceptable_of(text: str) -> dict[str, float]:
    """Parse `limits_percent=15, dice_margin=0.05`; keys are those of a target's `acceptable`.

    Limits of agreement are half widths, in % of the mean or in the unit that ends the key.

    Raises:
        DataError: a key is unknown or repeated, or its value is no number above 0.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    limits = {key.strip(): _positive(value) for key, _, value in pairs}
    unknown = {key for key in limits if not _is_limit(key)} - {*ACCEPTABLE}
    if len(limits) < len(pairs) or unknown or not all(limits.values()):
        raise DataError(
            f"acceptable: found {text.strip()!r}, wanted each of {', '.join(ACCEPTABLE)} at most "
            "once, with a number above 0, such as limits_percent=15, dice_margin=0.05"
        )
    if len(both := [key for key in limits if _is_limit(key)]) > 1:
        raise DataError(
            f"acceptable: found both {' and '.join(both)}, wanted the limits in one unit; leave "
            "one out"
        )
    return limits


def with_acceptable(material: Material, acceptable: Mapping[str, float]) -> Material:
    """Return the cohort with these limits; those of its target are kept where none are given.

    `acceptable` has the keys of `types.ACCEPTABLE`; limits in the one unit replace limits in
    another.
    """
    measured = material.measured
    known = measured.target.acceptable
    if any(map(_is_limit, acceptable)):  # the target's limit may be in the other unit
        known = {key: value for key, value in known.items() if not _is_limit(key)}
    target = replace(measured.target, acceptable={**known, **acceptable})
    return material._replace(measured=replace(measured, target=target))


def _is_limit(key: str) -> bool:
    """Return whether a key is a half width of limits of agreement, in a unit or in %."""
    return key.startswith(f"{LIMITS}_")


def _positive(text: str) -> float:
    """Parse a finite number above 0; otherwise return 0."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0


def with_hypotheses(material: Material, hypotheses: Sequence[Hypothesis]) -> Material:
    """Return the cohort with other hypotheses, in the spelling of its columns and categories.

    Raises:
        DataError: a hypothesis has an unknown label, or the target refuses it.
    """
    measured = material.measured
    for item in hypotheses:
        measure = measured.target.quantities.get(item.measure, measured.measure)
        known = list(measure.parts)
        if item.label and item.label not in known:
            raise DataError(f"ask: no label {item.label}; known are {', '.join(known)}")
    spelled = tuple(_spelled(item, measured.covariates) for item in hypotheses)
    try:
        target = replace(measured.target, hypotheses=spelled)
    except ValueError as error:
        raise DataError(f"ask: {error}") from error
    return material._replace(measured=replace(measured, target=target))


def with_covariates(material: Material, table: pd.DataFrame) -> Material:
    """Return the cohort with further covariates, which replace those with the same name.

    `table` is indexed by `case_id`; cases that are missing in it have no value, and cases that are
    not in the cohort are counted in a note.

    Raises:
        DataError: a case is repeated, or no case is in the cohort.
    """
    known = material.measured.covariates
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"covariates: found the case {twice} twice, wanted one row per case")
    if not set(table.index) & set(known.index):
        raise DataError(
            f"covariates: found none of the cohort's cases (such as {known.index[0]}) among "
            f"{', '.join(map(str, table.index[:3]))} …, wanted the same case_id; correct the column"
        )
    more = table.drop(columns="subject_id", errors="ignore").reindex(known.index)
    joined = pd.concat([known.drop(columns=[*more], errors="ignore"), more], axis=1)
    spare = sorted(map(str, set(table.index) - set(known.index)))
    spare_notes = (
        (named(spare, "of the covariates are not in the cohort", "case"),) if spare else ()
    )
    measured = replace(material.measured, covariates=joined)
    return material._replace(measured=measured, notes=(*material.notes, *spare_notes))


def refuse_codes(material: Material, levels: CodeBook) -> None:
    """Refuse named groups of a numeric covariate that has no code book.

    Which number stands for which group cannot be guessed, and a wrong guess inverts the effect.

    Args:
        material: cohort with its hypotheses.
        levels: code books that the user gave.

    Raises:
        DataError: a hypothesis compares named groups of a column of codes, or `levels` has an
            unknown column.
    """
    covariates = material.measured.covariates
    for name in levels:
        if not any(codes_of(column, {name: levels[name]}) for column in covariates):
            raise DataError(
                f"levels: found no column {name} (only {some(covariates.columns[1:])}), wanted the "
                "name of a covariate"
            )
    for item in material.measured.target.hypotheses:
        values = covariates.get(item.covariate, pd.Series(dtype=object)).dropna()
        if not item.groups or not len(values) or not pd.api.types.is_numeric_dtype(values):
            continue
        codes = [written(value) for value in sorted(values.unique())]
        if {*item.groups} <= {*codes}:
            continue
        pairs = ", ".join(
            f"{code}={group}"
            for code, group in zip(codes, sorted(item.groups, reverse=True), strict=False)
        )
        raise DataError(
            f"{item.covariate}: found the codes {some(codes)} in {len(values)} cases, wanted "
            f"{' and '.join(item.groups)}, which hypothesis {item.name} compares; state which is "
            f'which, such as levels="{item.covariate}: {pairs}" on the command line or '
            f"{book_of(item, codes)} in the target"
        )


def refuse_copies(material: Material) -> Material:
    """Return the cohort with a note on people who may be in it twice; refuse certain copies.

    Raises:
        DataError: more pairs of different subjects agree in all values than chance explains.
    """
    copies = copied_people(material.measured)
    if not copies.pairs:
        return material
    listed = some(f"{first} and {second}" for first, second in copies.pairs)
    pairs = "1 pair" if len(copies.pairs) == 1 else f"{len(copies.pairs)} pairs"
    if copies.are_certain:
        raise DataError(
            f"cases: found {pairs} of different ids with all values equal ({listed}), wanted each "
            "person once; remove the copies, or give them one subject_id"
        )
    note = f"{pairs} of cases have equal values throughout ({listed}): look whether one is a copy."
    return material._replace(notes=(*material.notes, note))


def _spelled(hypothesis: Hypothesis, covariates: pd.DataFrame) -> Hypothesis:
    """The hypothesis with covariates and groups spelled as in the table."""
    columns = list(covariates.columns)
    ours = {name: spelt_as(name, columns) for name in hypothesis.variables if name not in columns}

    def renamed(term: str) -> str:
        """A term with its covariates as the table spells them."""
        return re.sub(WORD, lambda match: ours.get(match[0], match[0]), term)

    terms = tuple(map(renamed, hypothesis.adjust))
    spelled = replace(hypothesis, covariate=renamed(hypothesis.covariate), adjust=terms)
    if not spelled.groups or spelled.covariate not in covariates:
        return spelled
    there: dict[str, str] = {}
    for value in covariates[spelled.covariate].dropna().unique():
        there.setdefault(level_key(value, spelled.covariate), written(value))
    first, second = (
        there.get(level_key(group, spelled.covariate), group) for group in spelled.groups
    )
    return replace(spelled, groups=(first, second))
