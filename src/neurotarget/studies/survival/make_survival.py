"""Survival studies from tables: read the people, compare models, and write the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from neurotarget.data.tables.follow_up import FollowUp, read_follow_up
from neurotarget.data.tables.model_terms import (
    Design,
    Term,
    design,
    missing_terms,
    parse_terms,
)
from neurotarget.data.tables.table_ids import required_column
from neurotarget.data.tables.text_table import is_missing
from neurotarget.files.ownership import claim
from neurotarget.files.writing import check_writable
from neurotarget.levels import level
from neurotarget.problems import DataError, error, some
from neurotarget.report.survival.survival_page import survival_figures, survival_html
from neurotarget.report.survival.survival_sentences import (
    answer,
    cohort_sentence,
    median_sentence,
    optimism_sentence,
    reading_notes,
    transport_sentence,
)
from neurotarget.stats.survival.survival_arms import Cohort
from neurotarget.stats.survival.survival_study import (
    BOTH,
    CLINICAL,
    IMAGE,
    Settings,
    SurvivalStudy,
    analyse_survival,
)
from neurotarget.studies.from_tables.written_tables import (
    OVERLAP,
    WrittenTables,
    in_both,
    reasons_of,
    write_tables,
)
from neurotarget.studies.study_folder import software

FEWEST_PEOPLE, FEWEST_EVENTS = 10, 5
MOST_GROUPS = 4  # in a figure of curves


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Columns of a table of people, as `read_follow_up` takes them.

    `event_is` is the value of `event` that means the event; `where` selects rows, such as
    `cohort=1`.
    """

    time: str
    event: str = ""
    event_is: str = ""
    unit: str = "days"
    case_id: str = ""
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Sets of terms, a grouping of curves, and another cohort with its names of columns.

    `sets` are further sets of terms by name, each compared with the clinical ones. `names` maps
    columns or terms of the first table to those of the other.
    """

    clinical: Sequence[str] = ()
    image: Sequence[str] = ()
    sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group: str = ""
    external: Path | None = None
    external_where: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)


WrittenSurvival = WrittenTables[SurvivalStudy]


class _Material(NamedTuple):
    people: FollowUp
    cohort: Cohort
    filled: dict[str, int]
    note: str = ""


def make_survival(
    table: Path,
    columns: Columns,
    questions: Questions,
    output: Path,
    *,
    overwrite: bool = False,
    command: str = "",
    title: str = "Survival",
    notes: Sequence[str] = (),
) -> WrittenSurvival:
    """Read people and terms, fit and compare models, and write tables, figures and report.html.

    Args:
        table: one row per person.
        columns: of time, event and id in it.
        questions: terms, groups and another cohort.
        output: folder to write into.
        overwrite: whether files that neurotarget did not write may be replaced.
        command: the command line, for the page.
        title: of the page.
        notes: about the table, printed with those of the study.

    Raises:
        DataError: a table cannot be used, or too few people or events are left.
    """
    check_writable(output)
    people = read_follow_up(table, **vars(columns))
    sets = _sets(people, questions)
    here = _material(people, sets, {})
    group = _group(here.people, questions.group)
    there = _external(questions, columns, sets, here) if questions.external else None
    other = there.cohort if there else None
    claim(output, overwrite=overwrite)
    study = analyse_survival(here.cohort, questions.settings, group=group, other=other)
    left_out = {table.name: reasons_of(here.people)}
    if there:
        left_out[Path(there.people.file).name] = reasons_of(there.people)
    notes = [
        *notes,
        *reading_notes(
            [*here.people.problems, *(there.people.problems if there else ())],
            here.filled | (there.filled if there else {}),
        ),
    ]
    notes += [there.note] if there and there.note else []
    facts = {"table": str(table), **({"command": command} if command else {}),
             "seed": str(questions.settings.seed), "software": software()}  # fmt: skip
    return _write(study, output, left_out, notes, facts, title)


def _sets(people: FollowUp, questions: Questions) -> dict[str, tuple[Term, ...]]:
    """Terms of each set; both together, as the last, if there are clinical and image terms.

    Raises:
        DataError: there is no term, a column is absent, or a set has a name that is taken.
    """
    if taken := sorted({CLINICAL, IMAGE, BOTH} & {*questions.sets}):
        raise DataError(error(f"a set of terms called {taken[0]}", "another name", "rename it"))
    if questions.sets and not questions.clinical:
        found = f"the sets {', '.join(questions.sets)} and no clinical term to compare them with"
        raise DataError(error(found, "clinical=", "set clinical=age", file=people.file))
    named = {CLINICAL: questions.clinical, **questions.sets, IMAGE: questions.image}
    sets = {name: parse_terms(texts, people.rows, people.file)
            for name, texts in named.items() if texts}  # fmt: skip
    if not sets:
        todo = f"set clinical=age,… or image=…; the table has {some(people.rows[0], 12)}"
        raise DataError(error("no term", "clinical= or image=", todo, file=people.file))
    if {CLINICAL, IMAGE} <= {*sets}:
        sets[BOTH] = tuple(dict.fromkeys([*sets[CLINICAL], *sets[IMAGE]]))
    return sets


def _material(
    people: FollowUp, sets: Mapping[str, tuple[Term, ...]], names: Mapping[str, str]
) -> _Material:
    """People with every term of every set, so that all models are of the same people.

    Raises:
        DataError: too few people or events are left.
    """
    terms = tuple(dict.fromkeys(term for each in sets.values() for term in each))
    made = design(terms, people.rows, names, people.file)
    people = people.without(missing_terms(made, people.case_ids))
    if people.n < FEWEST_PEOPLE or people.event.sum() < FEWEST_EVENTS:
        found = f"{people.n} people with {int(people.event.sum())} events"
        wanted = f"at least {FEWEST_PEOPLE} people and {FEWEST_EVENTS} events"
        reasons = "; ".join(f"{why}: {count}" for why, count in reasons_of(people).items())
        todo = f"left out were {reasons}" if reasons else "give a larger table"
        raise DataError(error(found, wanted, todo, file=people.file))
    whole: Design = design(terms, people.rows, names, people.file)
    place = {term: number for number, term in enumerate(terms)}
    cohort = Cohort(
        people.case_ids,
        people.days,
        people.event,
        {name: ([term.name for term in each], whole.values[:, [place[term] for term in each]])
         for name, each in sets.items()},
    )  # fmt: skip
    return _Material(people, cohort, whole.filled)


def _external(
    questions: Questions,
    columns: Columns,
    sets: Mapping[str, tuple[Term, ...]],
    here: _Material,
) -> _Material:
    """The other cohort, with its names of columns; people of the first one are left out.

    Without terms of images, only the clinical terms are applied to it.
    """
    known = questions.names
    people = read_follow_up(
        questions.external,
        time=known.get(columns.time, columns.time),
        event=known.get(columns.event, columns.event),
        event_is=columns.event_is,
        unit=columns.unit,
        case_id=known.get(columns.case_id, columns.case_id),
        where=questions.external_where,
    )
    twice = in_both(here.people.case_ids, people.case_ids)
    people = people.without(dict.fromkeys(twice, OVERLAP))
    try:
        return _material(people, sets, known)
    except DataError as wrong:
        if CLINICAL not in sets or len(sets) == 1:
            raise
        made = _material(people, {CLINICAL: sets[CLINICAL]}, known)
        return made._replace(
            note=f"Only the clinical terms are applied to the other cohort: {wrong}"
        )


def _group(people: FollowUp, name: str) -> tuple[Integer[ndarray, " N"], list[str]] | None:
    """Number of each person's group, and the names of the groups, the largest first.

    Raises:
        DataError: there is no such column, or it has too many groups or one.
    """
    if not name:
        return None
    column = required_column(people.rows[0], name, people.file, "group= among the columns")
    texts = [
        "unknown" if is_missing(row[column]) else level(row[column], column) for row in people.rows
    ]
    names = sorted(set(texts), key=lambda one: (-texts.count(one), one))
    if not 2 <= len(names) <= MOST_GROUPS:
        found = f"{len(names)} different values in {column}"
        raise DataError(error(found, f"2 to {MOST_GROUPS} groups", "choose another group=",
                              file=people.file))  # fmt: skip
    return np.array([names.index(text) for text in texts]), names


def _write(
    study: SurvivalStudy,
    output: Path,
    left_out: Mapping[str, Mapping[str, int]],
    notes: list[str],
    facts: Mapping[str, str],
    title: str,
) -> WrittenSurvival:
    """Write the tables, the figures and the page, and return the headlines."""
    page, folder, pictures = write_tables(
        output,
        "survival",
        study.tables,
        survival_figures(study),
        left_out,
        lambda shown: survival_html(study, shown, left_out, title=title, notes=notes, facts=facts),
    )
    sentences = [
        cohort_sentence(study, next(iter(left_out.values()), {})),
        median_sentence(study),
        answer(study),
        optimism_sentence(study),
        transport_sentence(study),
    ]
    return WrittenSurvival(study, page, folder, [one for one in sentences if one],
                           [*study.notes, *notes], pictures)  # fmt: skip
