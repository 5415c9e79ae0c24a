"""`neurotarget fuse-series …`: join the networks of several series of the same exams."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import Positional, Seed, read_arguments
from neurotarget.comparison.series_fusion import fuse_runs, print_scores


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    places: Annotated[tuple[Path, ...], Positional("a multirun folder or runs")]
    output: Path | None = None
    overwrite: bool = False
    seed: Seed = 0


def run(argv: Sequence[str]) -> int:
    """Fuse runs of several series and print the AUROC of each score; returns exit status 0.

    Raises:
        DataError: an argument is invalid, or no outcome has runs of two series.
    """
    (arguments,) = read_arguments("fuse-series", argv, Arguments)
    print_scores(fuse_runs(**asdict(arguments)))
    return 0
