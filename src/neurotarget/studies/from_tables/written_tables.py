"""Parts of all studies of people in tables: people who are left out, and the written folder."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import pandas as pd

from neurotarget.data.tables.follow_up import FollowUp, counted_reasons
from neurotarget.data.tables.known_outcomes import OutcomeRows
from neurotarget.files.writing import remove, write_text
from neurotarget.problems import DataError
from neurotarget.report.figures.named_figures import NamedFigure
from neurotarget.report.sections.plain_page import PageFigure
from neurotarget.studies.study_folder import saved_figures, write_tsv

Study = TypeVar("Study")
OVERLAP = "also in the cohort that the models were fitted to"


class WrittenTables(NamedTuple, Generic[Study]):
    """A study with the paths of its page, tables and figures, and its headlines.

    `tables` is the folder of the TSV files, `figures` are PNG files by name; `headlines` and
    `notes` are sentences for the terminal.
    """

    study: Study
    page: Path
    tables: Path  # folder
    headlines: list[str]
    notes: list[str]
    figures: dict[str, Path]


def reasons_of(people: FollowUp | OutcomeRows) -> dict[str, int]:
    """Count the people left out for each reason, the most frequent reason first."""
    return counted_reasons([one.reason for one in people.left_out])


def in_both(here: Collection[str], there: Collection[str]) -> set[str]:
    """Ids of people who are in both tables; rows without an id are ignored.

    A person in both would be predicted by a model that was fitted to this person.
    """
    return {name for name in {*here} & {*there} if not name.startswith("row ")}


def check_external(external: object, *, of_external: bool) -> None:
    """Refuse arguments of another cohort without the cohort.

    Raises:
        DataError: there is no other cohort.
    """
    if of_external and external is None:
        raise DataError("names= and external_where= belong to external=; set it, or leave them out")


def write_tables(
    output: Path,
    name: str,
    tables: Mapping[str, pd.DataFrame],
    figures: Iterable[NamedFigure],
    left_out: Mapping[str, Mapping[str, int]],
    html: Callable[[Sequence[PageFigure]], str],
) -> tuple[Path, Path, dict[str, Path]]:
    """Write the tables and figures to the folder `name`, and last the page, `report.html`.

    Those of an earlier study are removed.

    Args:
        output: folder of the study, claimed by the caller.
        name: of the folder for tables and figures.
        tables: by name; those without a column are not written.
        figures: with their captions.
        left_out: counts of people by reason, for each table that was read.
        html: returns the page with the figures.

    Returns:
        Paths of the page, of the folder, and of the figures by name.
    """
    page, folder = output / "report.html", output / name
    for old in (page, *folder.glob("*.tsv"), *folder.glob("figures/*.[sp][vn]g")):
        remove(old)
    reasons = [{"table": table, "reason": why, "n": count}
               for table, counts in left_out.items() for why, count in counts.items()]  # fmt: skip
    listed = {"left_out": pd.DataFrame(reasons, columns=["table", "reason", "n"])}
    for stem, table in {**tables, **listed}.items():
        if len(table.columns):
            write_tsv(table, folder / f"{stem}.tsv")
    shown, pictures = saved_figures(figures, folder / "figures")
    write_text(page, html(shown))
    return page, folder, pictures
