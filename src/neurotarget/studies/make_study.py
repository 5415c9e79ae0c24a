"""Make one study: apply the questions to a cohort, and write the results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurotarget.files.memory_limits import LESS_READ, LESS_SHOWN, within_memory
from neurotarget.files.ownership import claim
from neurotarget.files.writing import check_writable, expand_home
from neurotarget.hypothesis import Hypothesis, Matters
from neurotarget.levels import CodeBook, code_book
from neurotarget.problems import DataError
from neurotarget.quantity import VOLUME
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.studies.excluded_cases import read_exclusions, without_excluded
from neurotarget.studies.questions import (
    acceptable_of,
    refuse_codes,
    refuse_copies,
    with_acceptable,
    with_covariates,
    with_hypotheses,
    with_levels,
)
from neurotarget.studies.study_folder import write_study
from neurotarget.studies.study_inputs import Material, run_target
from neurotarget.types import Target


class Source(NamedTuple):
    """Input of a study.

    `read` takes the target of the user, or None for the source's own.
    """

    name: str  # for messages, such as masks=<folder>
    read: Callable[[Target | None], Material]
    run_folder: Path | None = None  # run folder that the study belongs to


class Questions(NamedTuple):
    """The user's questions, which add to or replace those of the target."""

    ask: str = ""  # hypotheses, separated by semicolons
    matters: str | None = None  # smallest effect of interest, such as "5 %" or "20 mm3"
    acceptable: str | Mapping[str, float] = ""  # limits of agreement, set before the data are seen
    levels: str | CodeBook = ""  # meaning of codes of covariates


def make_study(
    source: Source,
    *,
    target: Target | None = None,
    questions: Questions | None = None,
    covariates: pd.DataFrame | None = None,
    exclude: Path | str | None = None,
    output: Path | str | None = None,
    seed: int = 0,
    cases: int = 12,
    overwrite: bool = False,
    command: str = "",
) -> WrittenStudy:
    """Read a cohort, answer the questions, and write tables, figures and report.html.

    Args:
        source: the input.
        target: replaces the source's own target.
        questions: hypotheses and limits.
        covariates: further ones, indexed by case; they replace those of the same name.
        exclude: table of cases to leave out: those rated 3, or all if no column is named rating.
        output: folder to write into; by default the source's own, else study_<target>.
        seed: of the intervals.
        cases: number of cases that are shown as pictures.
        overwrite: whether files may be replaced that neurotarget did not write.
        command: the command line, for the page.

    Raises:
        DataError: something cannot be read or written, or the data cannot answer a question.
    """
    questions = questions or Questions()
    exclusions = None if exclude is None else read_exclusions(expand_home(exclude))
    material = questioned(source, target=target, questions=questions, covariates=covariates)
    if exclusions is not None:
        material = without_excluded(material, exclusions)
    facts = {**material.facts, **({"command": command} if command else {})}
    folder = _folder(output, source, material.measured.target)
    claim(folder, older=older_output, overwrite=overwrite)
    with within_memory(f"tables and pictures in {folder}", LESS_SHOWN):
        return write_study(material._replace(facts=facts), folder, seed=seed, cases=cases)


def questioned(
    source: Source,
    *,
    target: Target | None = None,
    questions: Questions,
    covariates: pd.DataFrame | None = None,
) -> Material:
    """Read a cohort and put the questions to it.

    Args:
        source: the input.
        target: replaces the source's own target.
        questions: hypotheses replace those of the target; limits and levels add to its own.
        covariates: further ones, indexed by case.

    Raises:
        DataError: something cannot be read, or the data cannot answer a question.
    """
    hypotheses = hypotheses_of(questions.ask)
    levels, limits = levels_of(questions.levels), questions.acceptable
    acceptable = acceptable_of(limits) if isinstance(limits, str) else limits
    with within_memory(source.name, LESS_READ):
        material = source.read(with_levels(target, levels))
    if covariates is not None:
        material = with_covariates(material, covariates)
    hypotheses = hypotheses or material.measured.target.hypotheses
    units = {name: one.unit for name, one in material.measured.target.quantities.items()}
    material = with_hypotheses(material, _with_interest(hypotheses, questions.matters, units))
    material = with_acceptable(material, acceptable)
    refuse_codes(material, levels)
    return refuse_copies(material)


def hypotheses_of(ask: str) -> list[Hypothesis]:
    """Parse hypotheses, separated by semicolons; each is named after what it tests.

    `ask` is text such as `volume ~ sex + age: F > M`; the name of a hypothesis is made of quantity,
    label and covariate, numbered where it is taken. "" gives none.

    Raises:
        DataError: a hypothesis cannot be parsed.
    """
    hypotheses: list[Hypothesis] = []
    for text in (part.strip() for part in ask.split(";")):
        if not text:
            continue
        try:
            parsed = Hypothesis.parse("ask", text)
            label = f"{parsed.label}_" if parsed.label else ""
            measure = f"{parsed.measure}_" if parsed.measure != VOLUME else ""
            name = f"{measure}{label}{parsed.covariate.replace('*', '_x_')}"
            taken = sum(item.name.startswith(name) for item in hypotheses)
            hypotheses.append(Hypothesis.parse(f"{name}_{taken + 1}" if taken else name, text))
        except ValueError as error:
            raise DataError(f"ask: {str(error).removeprefix('hypothesis ask: ')}") from error
    return hypotheses


def own_target(rows: Path, levels: CodeBook) -> Target | None:
    """Return the target of the run behind some rows, with a code book; None without a code book.

    `rows` is a run folder or the rows.csv in one. Without a code book the run's own target needs no
    change.

    Raises:
        DataError: the run has no target.
    """
    if not levels:
        return None
    return with_levels(run_target(rows if rows.is_dir() else rows.parent), levels)


def levels_of(levels: str | CodeBook) -> CodeBook:
    """Return the code book of covariates, parsed if it is text such as `sex: 0=M, 1=F`.

    Raises:
        DataError: the text cannot be parsed.
    """
    if not isinstance(levels, str):
        return levels
    try:
        return code_book(levels)
    except ValueError as error:
        raise DataError(f"levels: {error}") from error


def _with_interest(
    hypotheses: Sequence[Hypothesis], text: str | None, units: Mapping[str, str]
) -> list[Hypothesis]:
    """Hypotheses with this smallest effect of interest, unless they state one.

    `units` are those of the quantities; an effect in a unit applies to quantities with this unit.
    Percentages and effects in a unit apply to group differences only: slopes are per unit of a
    covariate.
    """
    if text is None:
        return list(hypotheses)
    try:
        matters = Matters.read("matters", text)
    except ValueError as error:
        raise DataError(str(error).removeprefix("hypothesis matters: ")) from error
    tested = {units[one.measure]: None for one in hypotheses if one.measure in units}
    tested = tested or dict.fromkeys(units.values())
    if matters.stated and matters.stated not in tested:
        wanted = " or ".join(unit or "no unit" for unit in tested)
        raise DataError(
            f"matters: got matters {text!r}, wanted the smallest effect of interest in {wanted}, "
            "in % of the reference's mean, or in d of its SD"
        )
    return [
        replace(one, matters=matters)
        if one.matters is None
        and (one.groups or matters.unit == "d")
        and matters.stated in ("", units.get(one.measure, matters.stated))
        else one
        for one in hypotheses
    ]


def _folder(output: Path | str | None, source: Source, target: Target) -> Path:
    folder = source.run_folder or Path(f"study_{target.name}")
    folder = folder if output is None else expand_home(output)
    check_writable(folder)
    return folder
