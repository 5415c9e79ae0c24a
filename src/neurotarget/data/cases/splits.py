"""Assignment of cases to training, validation and held-out sets, per subject, never per case.

There are two held-out sets. `test` are cases from the sites (or scanners, studies …) that the
training uses. `external` are cases from other sites, which are never used for training,
validation or folds. With `fold_by`, the cases of the left-out site are `external`, not `test`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from neurotarget.problems import DataError, Problem, error, nearest, some
from neurotarget.types import Case, Covariate, Manifest

Split = Literal["train", "val", "test", "external"]
Strata = Mapping[str, tuple]  # value of each subject to sort by
HELD_OUT = ("test", "external")  # predicted and scored after the training


def assign_splits(
    manifest: Manifest,
    *,
    fold: int,
    n_folds: int,
    val_fraction: float,
    seed: int,
    external: Mapping[str, Covariate | Sequence[Covariate]] | None = None,
    fold_by: str | None = None,
    stratify: str | None = None,
) -> dict[str, Split]:
    """Assign a split to each case; return the splits by case_id.

    A case is external if the manifest marks it so, or if it has one of the values of `external`.
    Splits that the manifest gives to the other cases are kept, and a case without a split is for
    training; if none is for validation, fold `fold` of the manifest is, except its test cases. If
    the manifest gives folds but no splits, fold `fold` is the test set. If it gives neither, the
    subjects are distributed over `n_folds` folds, of which `fold` is the test set. Equal seeds give
    equal splits.

    Args:
        manifest: all cases.
        fold: number of the fold that is held out, from 0.
        n_folds: folds, where neither the manifest nor `fold_by` defines them.
        val_fraction: share of the training subjects for validation, at least one subject; not used
            if the manifest has a validation set.
        seed: of the random folds and validation sets.
        external: values by covariate, such as `{site: [c, d]}`.
        fold_by: covariate of which each value is a fold, in the order of the values. The cases of
            fold `fold` are external, and there are no test cases; `external` is ignored for that
            covariate.
        stratify: covariate whose values have similar shares, or whose numbers have similar
            distributions, in all random folds and validation sets; a subject counts with the
            values of all its cases.

    Raises:
        DataError: a subject is in two splits, folds or sites, a fold, covariate or value does not
            exist, there are too few subjects, or a split has no cases.
    """
    cases = manifest.cases
    if problems := split_conflicts(cases):
        raise DataError(problems)
    if not 0 < val_fraction < 1:
        raise DataError(f"data.val_fraction is {val_fraction}; give a share between 0 and 1")
    outside = {case.subject_id for case in cases if case.split == "external"}
    if external is not None:
        check_external(external)
        outside |= _unseen(cases, {key: external[key] for key in external if key != fold_by})
    inside = [case for case in cases if case.subject_id not in outside]
    if not inside:
        found = f"all {len(cases)} cases external, and nothing left to train on"
        raise DataError(error(found, "others too", "mark fewer of them", file=manifest.source))
    strata = None if stratify is None else _strata(inside, stratify)
    splits: dict[str, Split] = dict.fromkeys(outside, "external")
    if fold_by is not None:
        splits |= _left_out(inside, fold_by, fold)
    else:
        further = {"num_external": len(outside), "strata": strata}
        splits |= _splits_inside(inside, fold, n_folds, seed, **further)
    if "val" not in splits.values():
        rng = np.random.default_rng([seed, fold])
        splits |= _validation(splits, val_fraction, rng, strata)
    by_case = {case.case_id: splits[case.subject_id] for case in cases}
    wanted = ("train", "val") if "external" in by_case.values() else ("train", "val", "test")
    if empty := [split for split in wanted if split not in by_case.values()]:
        todo = f"mark cases as {' and '.join(empty)}, or give no splits and have them assigned"
        found = f"no {' and no '.join(empty)} case among {len(cases)}"
        raise DataError(error(found, "cases in each split", todo, file=manifest.source))
    return by_case


def split_conflicts(cases: Sequence[Case]) -> list[Problem]:
    """Return a problem for each subject whose cases are in several splits or folds.

    Cases without a split or fold cause no conflict.
    """
    problems = []
    for name in ("split", "fold"):
        places: dict[str, dict] = {}
        for case in cases:
            value = getattr(case, name)
            if value is not None:
                places.setdefault(case.subject_id, {}).setdefault(value, case.case_id)
        for subject, assigned in places.items():
            if len(assigned) > 1:
                listed = ", ".join(f"{case_id} in {value}" for value, case_id in assigned.items())
                text = f"subject {subject} in {len(assigned)} {name}s ({listed})"
                todo = f"give all cases of {subject} the same {name}"
                problems.append(error(text, f"one {name} per subject", todo))
    return problems


def _splits_inside(
    cases: Sequence[Case],
    fold: int,
    n_folds: int,
    seed: int,
    *,
    num_external: int,
    strata: Strata | None,
) -> dict[str, Split]:
    """Assign splits by subject: from the manifest's splits, its folds, or random folds."""
    if any(case.split is not None for case in cases):
        return _given(cases, fold)
    if any(case.fold is not None for case in cases):
        return _by_fold(cases, fold)
    further = {"num_external": num_external, "strata": strata}
    return _random_folds(cases, fold, n_folds, seed, **further)


def _given(cases: Sequence[Case], fold: int) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for case in cases:  # a split given in one row of a subject applies to all its rows
        if case.split is not None or case.subject_id not in splits:
            splits[case.subject_id] = case.split or "train"
    if "val" not in splits.values():
        held = {case.subject_id for case in cases if case.fold == fold}
        splits |= {
            name: "val" for name, split in splits.items() if name in held and split != "test"
        }
    return splits


def _by_fold(cases: Sequence[Case], fold: int) -> dict[str, Split]:
    folds = {case.fold for case in cases} - {None}
    if fold not in folds:
        found = f"the folds {', '.join(map(str, sorted(folds)))}"
        raise DataError(error(found, f"fold {fold}", "set data.fold to one of them"))
    held = {case.subject_id for case in cases if case.fold == fold}
    return {case.subject_id: "test" if case.subject_id in held else "train" for case in cases}


def _random_folds(
    cases: Sequence[Case],
    fold: int,
    n_folds: int,
    seed: int,
    *,
    num_external: int,
    strata: Strata | None,
) -> dict[str, Split]:
    subjects = sorted({case.subject_id for case in cases})
    if not 0 <= fold < n_folds or n_folds < 2:
        found = f"data.fold={fold} of data.n_folds={n_folds}"
        raise DataError(error(found, "0 ≤ fold < n_folds and two folds", "correct the settings"))
    if len(subjects) < max(n_folds, 3):
        todo = "set data.n_folds lower, or add subjects"
        wanted = f"at least {max(n_folds, 3)} for {n_folds} folds"
        others = f" besides {num_external} external ones" if num_external else ""
        found = f"{len(subjects)} subjects{others}"
        raise DataError(error(found, wanted, todo))
    order = _shuffled(subjects, np.random.default_rng(seed), strata)
    held = set(order[fold::n_folds])
    return {subject: "test" if subject in held else "train" for subject in subjects}


def _strata(cases: Sequence[Case], name: str) -> Strata:
    """Return sortable values of a covariate by subject; missing values come last.

    Raises:
        DataError: no case has the covariate.
    """
    there = list(dict.fromkeys(known for case in cases for known in case.covariates))
    if name not in there:
        close = nearest(name, there)
        todo = f"did you mean {close}?" if close else "correct data.stratify, or add the column"
        raise DataError(error(f"data.stratify: no covariate {name}", f"one of {some(there)}", todo))
    found: dict[str, set[tuple]] = {}
    for case in cases:
        value = case.covariates.get(name)
        is_number = isinstance(value, int | float)
        key = (2, 0.0, "") if value is None else (1, 0.0, _written(value).casefold())
        found.setdefault(case.subject_id, set()).add((0, value, "") if is_number else key)
    return {subject: tuple(sorted(values)) for subject, values in found.items()}


def _shuffled(
    subjects: Sequence[str], rng: np.random.Generator, strata: Strata | None
) -> list[str]:
    """Order the subjects at random; with strata, one stratum after the other."""
    order = [subjects[index] for index in rng.permutation(len(subjects))]
    return order if strata is None else sorted(order, key=strata.__getitem__)


def check_external(external: object) -> None:
    """Refuse, before data are read, a value of `external` that is no mapping of covariates.

    Raises:
        DataError: the value is no mapping.
    """
    if not isinstance(external, Mapping):
        wanted, todo = "values by covariate", "write it as data.external={site: [c, d]}"
        raise DataError(error(f"data.external={external}", wanted, todo))


def _unseen(
    cases: Sequence[Case], external: Mapping[str, Covariate | Sequence[Covariate]]
) -> set[str]:
    """Return the subjects with one of the values."""
    unseen_subjects: set[str] = set()
    for name, wanted in external.items():
        if wanted is None:  # removes a covariate that an experiment sets
            continue
        of_case = _values(cases, name, "data.external")
        known = {value.casefold(): value for value in of_case.values()}
        several = not isinstance(wanted, str) and isinstance(wanted, Sequence)
        requested = [_written(value) for value in (wanted if several else [wanted])]
        if not requested:
            todo = "name one, or set data.external=null"
            raise DataError(error(f"data.external: no value of {name}", "one or more", todo))
        if strange := [value for value in requested if value.casefold() not in known]:
            close = nearest(strange[0], known.values())
            todo = f"did you mean {close}?" if close else "correct data.external"
            there = f"no case with {name} {', '.join(strange)}"
            raise DataError(error(there, f"one of {some(_sorted(known.values()))}", todo))
        sought = {value.casefold() for value in requested}
        is_unseen = {case: value.casefold() in sought for case, value in of_case.items()}
        if problems := _across(cases, is_unseen, of_case, name):
            raise DataError(problems)
        unseen_subjects |= {case.subject_id for case in cases if is_unseen[case.case_id]}
    return unseen_subjects


def _left_out(cases: Sequence[Case], name: str, fold: int) -> dict[str, Split]:
    """Make the cases of site number `fold` external, and all other cases training cases."""
    if any(case.split is not None for case in cases):
        todo = "remove the column split, or data.fold_by"
        raise DataError(error("splits in the manifest", f"folds by {name} alone", todo))
    of_case = _values(cases, name, "data.fold_by")
    known = {value.casefold(): value for value in of_case.values()}
    sites = _sorted(known.values())
    if len(sites) < 2:
        found = f"{name} {sites[0]} in all {len(cases)} cases, and nothing left to train on"
        raise DataError(error(found, "two values or more", "leave data.fold_by out"))
    if not 0 <= fold < len(sites):
        listed = some(f"{number}: {site}" for number, site in enumerate(sites))
        found = f"data.fold={fold} of {len(sites)} folds by {name}"
        raise DataError(error(found, f"one of {listed}", "set data.fold to one of them"))
    site_of = {case: value.casefold() for case, value in of_case.items()}
    if problems := _across(cases, site_of, of_case, name):
        raise DataError(problems)
    held = sites[fold].casefold()
    return {
        case.subject_id: "external" if site_of[case.case_id] == held else "train" for case in cases
    }


def _values(cases: Sequence[Case], name: str, key: str) -> dict[str, str]:
    """Return the values of a covariate as text, by case_id.

    Raises:
        DataError: the covariate does not exist, or a case has no value.
    """
    there = list(dict.fromkeys(known for case in cases for known in case.covariates))
    if name not in there:
        close = nearest(name, there)
        todo = f"did you mean {close}?" if close else f"correct {key}, or add the column"
        raise DataError(error(f"{key}: no covariate {name}", f"one of {some(there)}", todo))
    if without := [case.case_id for case in cases if case.covariates.get(name) is None]:
        found = f"no {name} of {some(without)}, which may thus have been trained on"
        todo = "fill it in, or leave these cases out"
        raise DataError(error(found, f"a {name} for every case, by {key}", todo))
    return {case.case_id: _written(case.covariates[name]) for case in cases}


def _across(
    cases: Sequence[Case], sides: Mapping[str, str | bool], of_case: Mapping[str, str], name: str
) -> list[Problem]:
    """Return a problem for each subject whose cases are on different `sides` (by case_id)."""
    places: dict[str, dict[str | bool, Case]] = {}
    for case in cases:
        places.setdefault(case.subject_id, {}).setdefault(sides[case.case_id], case)
    problems = []
    for subject, assigned in places.items():
        if len(assigned) > 1:
            listed = ", ".join(
                f"{one.case_id} in {of_case[one.case_id]}" for one in assigned.values()
            )
            text = f"subject {subject} on both sides of an unseen {name} ({listed})"
            todo = f"leave out the cases of {subject} on one side, or a subject is no longer unseen"
            problems.append(error(text, f"one side of {name} per subject", todo))
    return problems


def _written(value: Covariate) -> str:
    """Write a value as text, 1.0 as 1, since tables and configs may differ in this."""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value).strip()


def _sorted(names: Iterable[str]) -> list[str]:
    """Sort names alphabetically, numbers first and by size."""

    def place(name: str) -> tuple[bool, float, str]:
        """Sorting key of a name: numbers by size, then texts without regard to case."""
        is_number = name.removeprefix("-").replace(".", "", 1).isdecimal()
        return not is_number, float(name) if is_number else 0.0, name.casefold()

    return sorted(names, key=place)


def _validation(
    splits: Mapping[str, Split],
    val_fraction: float,
    rng: np.random.Generator,
    strata: Strata | None,
) -> dict[str, Split]:
    subjects = sorted(subject for subject, split in splits.items() if split == "train")
    if len(subjects) < 2:
        return {}
    number = min(max(round(val_fraction * len(subjects)), 1), len(subjects) - 1)
    order = _shuffled(subjects, rng, strata)
    if strata is not None:  # evenly from one end of the strata to the other
        order = [order[place] for place in _evenly(number, len(order))]
    return dict.fromkeys(order[:number], "val")


def _evenly(number: int, count: int) -> list[int]:
    """Select `number` positions of a list of `count` items, at equal distances."""
    return [int((place + 0.5) * count / number) for place in range(number)]
