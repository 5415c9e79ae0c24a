"""`neurotarget radiomics`: image features and an outcome in a table, models of them, a report."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import FILE, Seed, read_arguments
from neurotarget.cli.settings import integer, number
from neurotarget.cli.table_arguments import check_external, names_of, print_written
from neurotarget.problems import DataError
from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.radiomics_study import RadiomicSettings
from neurotarget.studies.from_tables.radiomics import Radiomics, make_radiomics


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    table: Annotated[Path, FILE]
    outcome: str
    time: str = ""
    unit: Literal["days", "weeks", "months", "years"] = "days"
    id: str = ""
    where: str = ""
    clinical: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    site: str = ""
    combat: bool = True
    by_site: bool = False
    model: Literal["logistic", "elastic_net", "svm", "forest", "boosting", "cox"] | None = None
    select: Literal["univariate", "mrmr", "lasso", "none"] = "univariate"
    features: Annotated[int, integer(1, 1000)] = 10
    correlation: Annotated[float, number(0, 1, above=True)] = 0.9
    balance: bool = False
    folds: Annotated[int, integer(2, 50)] = 5
    repeats: Annotated[int, integer(1, 100)] = 10
    permutations: Annotated[int, integer(0, 10_000)] = 100
    matters: Annotated[float, number(0, 0.5)] = 0.02
    external: Annotated[Path, FILE] | None = None
    external_where: str = ""
    names: tuple[str, ...] = ()
    output: Path = Path("radiomics")
    seed: Seed = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check which arguments go together."""
        check_together(
            time=self.time, model=self.model, site=self.site, by_site=self.by_site,
        )  # fmt: skip
        check_external(self.external, of_external=bool(self.names or self.external_where))


def check_together(*, time: str, model: str | None, site: str, by_site: bool) -> None:
    """Refuse arguments that do not go together.

    Raises:
        DataError: model and time contradict each other, or by_site has no site.
    """
    if model == "cox" and not time:
        raise DataError("model: found cox, wanted time=<column>; it predicts times to an event")
    if time and model not in (None, "cox"):
        raise DataError(f"model: found {model}, wanted cox; times to an event have no classes")
    if by_site and not site:
        raise DataError("by_site: found no site, wanted site=<column>; name the column")


def run(argv: Sequence[str]) -> int:
    """Make one radiomics study and print its headlines; returns exit status 0."""
    (given,) = read_arguments("radiomics", argv, Arguments)
    done = make_radiomics(
        given.table,
        Radiomics(
            outcome=given.outcome,
            time=given.time,
            unit=given.unit,
            case_id=given.id,
            where=given.where,
            clinical=given.clinical,
            image=given.image,
            site=given.site,
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


CHOICES = (
    *("time", "site", "combat", "by_site", "model", "select", "features", "correlation", "balance"),
    *("folds", "repeats", "permutations", "matters", "seed"),
)


def radiomic_settings(
    *,
    time: str,
    site: str,
    combat: bool,
    by_site: bool,
    model: str | None,
    select: str,
    features: int,
    correlation: float,
    balance: bool,
    folds: int,
    repeats: int,
    permutations: int,
    matters: float,
    seed: int,
) -> RadiomicSettings:
    """Settings of a study from plain values; times are predicted by Cox's model."""
    chain = ChainSettings(
        model or ("cox" if time else "logistic"), select, features, correlation,
        combat and bool(site), balance, seed,
    )  # fmt: skip
    return RadiomicSettings(chain, folds, repeats, permutations, matters, by_site)
