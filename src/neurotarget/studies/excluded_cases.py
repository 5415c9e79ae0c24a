"""Cases that a list excludes from a study, such as those rated 3 on the page of predictions."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.tables.table_ids import find_column, find_ids
from neurotarget.data.tables.text_table import is_missing, read_text_table
from neurotarget.problems import DataError, Problem, error, refuse_errors
from neurotarget.studies.study_inputs import Material, named

RATING = "rating"
RATINGS = ("1", "2", "3")  # good, doubtful, exclude
EXCLUDED = "3"


class Exclusions(NamedTuple):
    """Ids of cases to leave out, each once, and the name of the file that lists them."""

    case_ids: tuple[str, ...]
    source: str


def read_exclusions(path: Path) -> Exclusions:
    """Read a table with a column case_id: cases rated 3, or all if it has no column rating.

    Raises:
        DataError: there is no such column, or a rating is not 1, 2, 3 or n/a; all are listed.
    """
    table = read_text_table(path, ids=[RATING])
    refuse_errors(table.problems)
    column, rating = find_ids(table.columns), find_column(table.columns, [RATING])
    if column is None:
        todo = "name the cases in a column case_id"
        raise DataError(
            error(f"the columns {', '.join(table.columns)}", "case_id", todo, file=path)
        )
    if rating is None:
        return Exclusions(_unique(row[column] for row in table.rows), path.name)
    problems: list[Problem] = [
        error(
            f"the rating {row[rating]} in line {line}",
            f"{', '.join(RATINGS)} or n/a",
            "correct it",
            case_id=row[column],
            file=path,
        )
        for row, line in zip(table.rows, table.lines, strict=True)
        if row[rating] not in RATINGS and not is_missing(row[rating])
    ]
    refuse_errors(problems)
    return Exclusions(
        _unique(row[column] for row in table.rows if row[rating] == EXCLUDED), path.name
    )


def without_excluded(material: Material, exclusions: Exclusions) -> Material:
    """The cohort without these cases, with a note on them, and one on ids that it does not have.

    Raises:
        DataError: no case is left.
    """
    there = material.measured.covariates.index
    own = [case_id for case_id in exclusions.case_ids if case_id in there]
    strange = [case_id for case_id in exclusions.case_ids if case_id not in there]
    if own and len(own) == len(there):
        raise DataError(
            f"{exclusions.source}: found all {len(own)} cases excluded, wanted one to study; take "
            "cases out of the list"
        )
    notes = list(material.notes)
    if own:
        notes.append(named(own, f"left out by {exclusions.source}", "case"))
    if strange:
        notes.append(named(strange, f"of {exclusions.source} not in this study", "case"))
    kept = {name: case for name, case in material.cases.items() if name not in own}
    return material._replace(
        measured=material.measured.without(own),
        cases=kept,
        notes=tuple(notes),
        n_excluded=len(own),
    )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if not is_missing(name)))
