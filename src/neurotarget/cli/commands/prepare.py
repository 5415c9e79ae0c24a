"""`neurotarget prepare`: prepare all cases for training ahead of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.cli.configs.targets import load_target
from neurotarget.cli.settings import integer
from neurotarget.process.exit_codes import print_problems
from neurotarget.studies.data_sets.prepare_cases import prepare_cases


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        cache: folder for prepared cases; None takes `cache/<target>`, where a training looks.
        workers: number of cases that are prepared in parallel.
    """

    source: Annotated[Path, Positional("a manifest or a data set"), PLACE]
    target: str
    trust: bool = False
    cache: Path | None = None
    workers: Annotated[int, integer(1, 1024)] = 2


def run(argv: Sequence[str]) -> int:
    """Prepare every case, print the problems of the data and the folder of the cases; returns 0.

    Cases that are prepared already are kept, so that a stopped command continues.

    Raises:
        DataError: an argument is invalid, or the data have errors; the error lists all of them.
    """
    (arguments,) = read_arguments("prepare", argv, Arguments)
    target = load_target(arguments.target, source=arguments.source, trust=arguments.trust)
    made = prepare_cases(arguments.source, target, arguments.cache, workers=arguments.workers)
    print_problems(made.problems)
    print(f"{len(made.folders)} cases are prepared in {made.cache}")
    return 0
