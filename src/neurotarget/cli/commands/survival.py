"""`neurotarget survival`: model times to an event, and write a report."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import FILE, PLACE, Seed, read_arguments
from neurotarget.cli.configs.targets import load_target
from neurotarget.cli.settings import integer, listed, number
from neurotarget.cli.table_arguments import names_of, print_written
from neurotarget.problems import DataError
from neurotarget.stats.survival.survival_study import Settings
from neurotarget.studies.from_tables.written_tables import check_external
from neurotarget.studies.survival.make_survival import (
    Columns,
    Questions,
    make_survival,
)
from neurotarget.studies.survival.mask_survival import Masks, make_mask_survival

OF_RUNS = ("predicted", "reference")  # masks of the cases of runs


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    table: Annotated[Path, FILE] | None = None
    run: Annotated[tuple[Path, ...], PLACE] = ()
    manifest: Annotated[Path, PLACE] | None = None
    target: str | None = None
    masks: str = ""
    time: str = ""
    event: str = ""
    event_is: str = ""
    unit: Literal["days", "weeks", "months", "years"] = "days"
    id: str = ""
    where: str = ""
    clinical: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    sets: str = ""
    group: str = ""
    model: Literal["cox", "linear", "forest"] = "cox"
    months: Annotated[tuple[float, ...], listed(number(0, 600, above=True), rising=True)] = (
        6.0,
        12.0,
        24.0,
    )
    folds: Annotated[int, integer(0, 50)] = 5
    repeats: Annotated[int, integer(1, 100)] = 10
    matters: Annotated[float, number(0, 0.5)] = 0.02
    external: Annotated[Path, FILE] | None = None
    external_where: str = ""
    names: tuple[str, ...] = ()
    output: Path = Path("survival")
    seed: Seed = 0
    overwrite: bool = False
    trust: bool = False

    def __post_init__(self) -> None:
        """Check which arguments go together."""
        self._check_source()
        if self.folds == 1:
            raise DataError("folds: found 1, wanted 2 or more, or 0 to leave one person out")
        check_external(self.external, of_external=bool(self.names or self.external_where))

    def _check_source(self) -> None:
        """Check that there is one source of people, with the arguments that belong to it."""
        is_plain = not (self.run or self.manifest)  # a table alone
        claims = {
            ": found run= and manifest=, wanted one of them": self.run and self.manifest,
            ": found no people, wanted table=, run= or manifest=; `neurotarget survival help` "
            "shows how": is_plain and not self.table,
            " table=: masks= and target= belong to run= or manifest=; leave them out": is_plain
            and (self.masks or self.target),
            " table=: found no column of times; set time=<column>": is_plain and not self.time,
            " manifest=: found no target; set target=<name>": self.manifest and not self.target,
            " run=: a run has its own target; leave out target=": self.run and self.target,
            f" run=: found masks={self.masks}, wanted {' or '.join(OF_RUNS)}": self.run
            and self.masks not in ("", *OF_RUNS),
            f" manifest=: no such folder: masks={self.masks}; check the path": self.manifest
            and self.masks
            and not Path(self.masks).is_dir(),
        }
        if wrong := next((claim for claim, holds in claims.items() if holds), None):
            raise DataError(f"neurotarget survival{wrong}")


def run(argv: Sequence[str]) -> int:
    """Make one survival study and print its headlines; returns exit status 0.

    People come from a table, or from masks of runs or of a data set, to which the table adds
    columns. The recorded command leaves out `trust=`.

    Raises:
        DataError: an argument is invalid or does not go together with another, a column is absent,
            too few people or events remain, or the output is not neurotarget's.
    """
    (arguments,) = read_arguments("survival", argv, Arguments)
    argv = [argument for argument in argv if not argument.startswith("trust=")]  # never recorded
    settings = Settings(
        arguments.model,
        arguments.months,
        arguments.folds,
        arguments.repeats,
        arguments.matters,
        arguments.seed,
    )
    columns = Columns(
        time=arguments.time,
        event=arguments.event,
        event_is=arguments.event_is,
        unit=arguments.unit,
        case_id=arguments.id,
        where=arguments.where,
    )
    questions = Questions(
        clinical=arguments.clinical,
        image=arguments.image,
        sets=sets_of(arguments.sets),
        group=arguments.group,
        external=arguments.external,
        external_where=arguments.external_where,
        names=names_of(arguments.names),
        settings=settings,
    )
    command = shlex.join(["neurotarget", "survival", *argv])
    output = {"overwrite": arguments.overwrite, "command": command}
    if arguments.run or arguments.manifest:
        done = make_mask_survival(_masks(arguments), columns, questions, arguments.output, **output)
    else:
        done = make_survival(arguments.table, columns, questions, arguments.output, **output)
    print_written(done)
    return 0


def _masks(arguments: Arguments) -> Masks:
    if arguments.run:
        predicted = arguments.masks != "reference"
        return Masks(arguments.run, predicted=predicted, table=arguments.table)
    return Masks(
        manifest=arguments.manifest,
        target=load_target(arguments.target, trust=arguments.trust),
        folder=Path(arguments.masks) if arguments.masks else None,
        table=arguments.table,
    )


def sets_of(text: str) -> dict[str, tuple[str, ...]]:
    """Read sets of terms by name from a text `<name>: <term>,<term>; <name>: …`.

    Empty parts between semicolons are skipped; an empty text gives no set. A repeated name
    keeps its last terms.

    Raises:
        DataError: it has another form.
    """
    sets = {}
    for part in filter(str.strip, text.split(";")):
        name, colon, listed_terms = part.partition(":")
        terms = tuple(term.strip() for term in listed_terms.split(",") if term.strip())
        if not (name.strip() and colon and terms):
            wanted = "<name>: <term>,<term>; <name>: …"
            raise DataError(f"sets: got {part.strip()!r}, wanted {wanted}")
        sets[name.strip()] = terms
    return sets
