"""Survival studies of people whose masks were measured: the terms become a table of their own."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from neurotarget.files.ownership import claim
from neurotarget.files.writing import check_writable
from neurotarget.outcome import Outcome
from neurotarget.problems import DataError, error
from neurotarget.studies.from_tables.further_columns import with_columns
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
    """Source of the masks that are measured: runs, or a data set with its target.

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

    Args:
        masks: source of the masks.
        columns: of time and event; without a time, those of the target's outcome.
        questions: terms, groups and another cohort.
        output: folder to write into; the table is people.tsv in it.
        overwrite: whether files that neurotarget did not write may be replaced.
        command: the command line, for the page.
        title: of the page.

    Raises:
        DataError: masks or tables cannot be read, or too few people are left.
    """
    check_writable(output)
    columns = of_outcome(columns, _outcome(masks))
    found = _measured(masks)
    table = (
        found.table
        if masks.table is None
        else with_columns(found.table, masks.table, columns.case_id)
    )
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

    A column that is named by the user takes precedence; `outcome` is of the kind time_to_event.

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
    """Questions with the terms of masks as image terms, unless some are chosen.

    With clinical terms, volumes and position are further sets, so that the gain of each is seen.
    """
    if questions.image:
        return questions
    parts = {VOLUMES: found.volumes, POSITION: (found.distance,) if found.distance else ()}
    sets = dict(questions.sets)
    if questions.clinical and not sets and all(parts.values()):
        sets = {f"clinical and {name}": (*questions.clinical, *terms)
                for name, terms in parts.items()}  # fmt: skip
    return replace(questions, image=tuple(term for each in parts.values() for term in each),
                   sets=sets)  # fmt: skip


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
