"""`neurotarget survival`: times to an event in a table, models of them, and a report."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import FILE, Seed, read_arguments
from neurotarget.cli.settings import integer, listed, number
from neurotarget.problems import DataError
from neurotarget.stats.survival.survival_study import Settings
from neurotarget.studies.survival import Columns, Questions, WrittenSurvival, make_survival


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    table: Annotated[Path, FILE]
    time: str
    event: str = ""
    event_is: str = ""
    unit: Literal["days", "weeks", "months", "years"] = "days"
    id: str = ""
    where: str = ""
    clinical: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
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

    def __post_init__(self) -> None:
        """Check which arguments go together."""
        if self.folds == 1:
            raise DataError("folds: found 1, wanted 2 or more, or 0 to leave one person out")
        if (self.names or self.external_where) and self.external is None:
            raise DataError(
                "neurotarget survival: names= and external_where= belong to external=; set it, or "
                "leave them out"
            )


def run(argv: Sequence[str]) -> int:
    """Make one survival study and print its headlines; returns exit status 0."""
    (arguments,) = read_arguments("survival", argv, Arguments)
    settings = Settings(
        arguments.model,
        arguments.months,
        arguments.folds,
        arguments.repeats,
        arguments.matters,
        arguments.seed,
    )
    done = make_survival(
        arguments.table,
        Columns(
            time=arguments.time,
            event=arguments.event,
            event_is=arguments.event_is,
            unit=arguments.unit,
            case_id=arguments.id,
            where=arguments.where,
        ),
        Questions(
            clinical=arguments.clinical,
            image=arguments.image,
            group=arguments.group,
            external=arguments.external,
            external_where=arguments.external_where,
            names=names_of(arguments.names),
            settings=settings,
        ),
        arguments.output,
        overwrite=arguments.overwrite,
        command=shlex.join(["neurotarget", "survival", *argv]),
    )
    print_survival(done)
    return 0


def names_of(pairs: Sequence[str]) -> dict[str, str]:
    """Names of columns or terms in the other table, from texts `<here>:<there>`.

    Raises:
        DataError: a text has another form.
    """
    names = {}
    for text in pairs:
        here, colon, there = text.partition(":")
        if not (here.strip() and colon):
            raise DataError(f"names: got {text!r}, wanted <column here>:<column there>")
        names[here.strip()] = there.strip()
    return names


def print_survival(done: WrittenSurvival) -> None:
    """Print the headlines of a survival study and the paths of its files."""
    for line in done.headlines:
        print(line)
    for note in done.notes:
        print(f"  note: {note}")
    print(f"\nreport  {done.page}\ntables  {done.page.parent / 'survival'}")
