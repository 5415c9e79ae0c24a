"""Survival studies of people whose masks were measured: the terms become a table of their own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurotarget.data.tables.table_ids import find_column, find_ids
from neurotarget.data.tables.text_table import is_missing, read_text_table
from neurotarget.files.ownership import claim
from neurotarget.files.writing import check_writable
from neurotarget.outcome import Outcome
from neurotarget.problems import DataError, error, refuse_errors, some
from neurotarget.studies.study_folder import write_tsv
from neurotarget.studies.study_inputs import run_target
from neurotarget.studies.survival.make_survival import (
    Columns,
    Questions,
    WrittenSurvival,
    make_survival,
)
from neurotarget.studies.survival.mask_terms import MaskTerms, terms_of_masks, terms_of_runs
from neurotarget.types import Target

PEOPLE = "people.tsv"
VOLUMES, POSITION = "volumes", "distance"  # sets of terms of masks


class Masks(NamedTuple):
    """Whose masks are measured: those of runs, or of a data set with its target.

    `predicted` chooses between the masks of runs and the reference masks of the same cases. With
    runs, `target` only gives the outcome.
    `folder` holds other masks of a data set's cases. `table` has further columns by case.
    """

    runs: tuple[Path, ...] = ()
    predicted: bool = True
    manifest: Path | None = None
    target: Target | None = None
    folder: Path | None = None
    table: Path | None = None


def make_mask_survival(
    masks: Masks,
    columns: Columns,
    questions: Questions,
    output: Path,
    *,
    overwrite: bool = False,
    command: str = "",
    title: str = "Survival",
) -> WrittenSurvival:
    """Measure masks, write the table of people, and make the survival study of it.

    Without image terms, the volume of each label and the distance of all labels from the centre of
    the brain are taken; clinical terms alone and with each of these two are then compared as well.

    Raises:
        DataError: masks or tables cannot be read, or too few people are left.
    """
    check_writable(output)
    columns = of_outcome(columns, _outcome(masks))
    found = _measured(masks)
    table = found.table if masks.table is None else with_columns(found.table, masks.table, columns)
    claim(output, overwrite=overwrite)
    write_tsv(table, output / PEOPLE)
    return make_survival(
        output / PEOPLE,
        replace(columns, case_id="case_id"),
        with_mask_terms(questions, found),
        output,
        overwrite=overwrite,
        command=command,
        title=title,
        notes=found.notes,
    )


def of_outcome(columns: Columns, outcome: Outcome | None) -> Columns:
    """Columns of time and event; without a time, those of the target's outcome.

    Raises:
        DataError: neither is known.
    """
    if columns.time:
        return columns
    if outcome is None:
        todo = "set time=<column of days>, or give the target an outcome of kind time_to_event"
        raise DataError(error("no column of times", "time=", todo))
    unit = outcome.unit or columns.unit
    return replace(columns, time=outcome.column, event=columns.event or outcome.event, unit=unit)


def with_mask_terms(questions: Questions, found: MaskTerms) -> Questions:
    """Questions with the terms of masks, unless some are chosen."""
    if questions.image:
        return questions
    parts = {VOLUMES: found.volumes, POSITION: (found.distance,) if found.distance else ()}
    sets = dict(questions.sets)
    if questions.clinical and not sets and all(parts.values()):
        sets = {f"clinical and {name}": (*questions.clinical, *terms)
                for name, terms in parts.items()}  # fmt: skip
    return replace(questions, image=tuple(term for each in parts.values() for term in each),
                   sets=sets)  # fmt: skip


def with_columns(people: pd.DataFrame, path: Path, columns: Columns) -> pd.DataFrame:
    """Add the columns of a table with one row per case; those of the masks' data set come first.

    Raises:
        DataError: the table has no ids, several rows of a case, or none of the cases.
    """
    read = read_text_table(path, ids=[columns.case_id] if columns.case_id else [])
    refuse_errors(read.problems)
    wanted = columns.case_id
    named = find_column(read.columns, [wanted]) if wanted else find_ids(read.columns)
    named = named or ("" if wanted else _matching(read.columns, read.rows, people))
    if not named:
        todo = f"set id=<column>; the table has {some(read.columns)}"
        raise DataError(error("no column of case ids", "one", todo, file=path))
    ids = [row[named] for row in read.rows]
    known = set(people["case_id"])
    if not known & set(ids):
        found = f"none of the cases (such as {people['case_id'].iloc[0]}) in {named}"
        raise DataError(error(found, "the ids of the masks", "set id=<column>", file=path))
    if twice := sorted({one for one in ids if ids.count(one) > 1} & known):
        found = f"several rows of {some(twice)}"
        raise DataError(error(found, "one row per case", "keep one of them", file=path))
    further = pd.DataFrame(read.rows, index=ids).loc[lambda table: table.index.isin(known)]
    own = {name.casefold() for name in people}
    further = further[[name for name in further if name.casefold() not in own]]
    further = further.map(lambda text: None if is_missing(text) else text)
    return people.join(further, on="case_id")


def _matching(columns: Sequence[str], rows: Sequence[dict[str, str]], people: pd.DataFrame) -> str:
    """The column that holds most ids of the cases; "" if none holds one."""
    known = set(people["case_id"])
    counts = {name: sum(row[name] in known for row in rows) for name in columns}
    best = max(counts, key=counts.get, default="")
    return best if counts.get(best) else ""


def _measured(masks: Masks) -> MaskTerms:
    if masks.runs:
        return terms_of_runs(masks.runs, predicted=masks.predicted)
    return terms_of_masks(masks.manifest, masks.target, masks.folder)


def _outcome(masks: Masks) -> Outcome | None:
    """The time to an event of `masks.target`, else of the first run's target."""
    targets = [masks.target] if masks.target else []
    targets += [run_target(run if run.is_dir() else run.parent) for run in masks.runs[:1]]
    outcomes = [outcome for target in targets for outcome in target.outcomes]
    return next((one for one in outcomes if one.kind == "time_to_event"), None)
