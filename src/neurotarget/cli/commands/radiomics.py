"""`neurotarget radiomics`: model an outcome from a table of image features, and write a report."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli import settings
from neurotarget.cli.arguments import FILE, Seed, read_arguments
from neurotarget.cli.table_arguments import names_of, print_written
from neurotarget.stats.radiomics.radiomic_models import RadiomicModel
from neurotarget.studies.from_tables.radiomic_choices import (
    CHOICES,
    check_together,
    radiomic_settings,
)
from neurotarget.studies.from_tables.radiomic_question import Radiomics
from neurotarget.studies.from_tables.radiomics import make_radiomics
from neurotarget.studies.from_tables.written_tables import check_external


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    table: Annotated[Path, FILE]
    outcome: str
    number: bool = False
    time: str = ""
    unit: Literal["days", "weeks", "months", "years"] = "days"
    id: str = ""
    where: str = ""
    clinical: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    site: str = ""
    combat: bool = True
    by_site: bool = False
    model: RadiomicModel | None = None
    select: Literal["univariate", "mrmr", "lasso", "none"] = "univariate"
    features: Annotated[int, settings.integer(1, 1000)] = 10
    correlation: Annotated[float, settings.number(0, 1, above=True)] = 0.9
    balance: bool = False
    folds: Annotated[int, settings.integer(2, 50)] = 5
    repeats: Annotated[int, settings.integer(1, 100)] = 10
    permutations: Annotated[int, settings.integer(0, 10_000)] = 100
    matters: Annotated[float, settings.number(0, 0.5)] = 0.02
    second: Annotated[Path, FILE] | None = None
    stable: Annotated[float, settings.number(0, 1)] = 0.75
    external: Annotated[Path, FILE] | None = None
    external_where: str = ""
    names: tuple[str, ...] = ()
    output: Path = Path("radiomics")
    seed: Seed = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check which arguments go together."""
        check_together(
            time=self.time,
            number=self.number,
            model=self.model,
            site=self.site,
            by_site=self.by_site,
        )
        check_external(self.external, of_external=bool(self.names or self.external_where))


def run(argv: Sequence[str]) -> int:
    """Make one radiomics study and print its headlines; returns exit status 0.

    Raises:
        DataError: an argument is invalid or does not go together with another, the table lacks a
            column, too few people remain, or the output is not neurotarget's.
    """
    (given,) = read_arguments("radiomics", argv, Arguments)
    done = make_radiomics(
        given.table,
        Radiomics(
            outcome=given.outcome,
            is_number=given.number,
            time=given.time,
            unit=given.unit,
            case_id=given.id,
            where=given.where,
            clinical=given.clinical,
            image=given.image,
            site=given.site,
            second=(given.second,) if given.second else (),
            stable=given.stable,
            external=given.external,
            external_where=given.external_where,
            names=names_of(given.names),
        ),
        radiomic_settings(**{name: getattr(given, name) for name in CHOICES}),
        given.output,
        overwrite=given.overwrite,
        command=shlex.join(["neurotarget", "radiomics", *argv]),
    )
    print_written(done)
    return 0
