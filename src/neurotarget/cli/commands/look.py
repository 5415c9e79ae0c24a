"""`neurotarget look`: pages of the scans of a data set with their masks, and augmented patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, Seed, read_arguments
from neurotarget.cli.configs.targets import load_target, transforms
from neurotarget.process.exit_codes import print_problems
from neurotarget.studies.data_sets.look_at_data import look_at_data


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    source: Annotated[Path, Positional("a manifest or a data set"), PLACE]
    target: str
    output: Path = Path("look")
    augment: str = "default"
    cache: Path | None = None
    seed: Seed = 1
    overwrite: bool = False
    trust: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the pages, and print the problems of the data set; returns 2 if there are errors.

    Raises:
        DataError: an argument is invalid, or the data set cannot be read at all.
    """
    (arguments,) = read_arguments("look", argv, Arguments)
    target = load_target(arguments.target, source=arguments.source, trust=arguments.trust)
    looked = look_at_data(
        arguments.source,
        target,
        arguments.output,
        augmentation=transforms(arguments.augment),
        cache=arguments.cache,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
    )
    print_problems(looked.problems)
    print(f"scans    {looked.page}")
    if looked.patches is not None:
        print(f"patches  {looked.patches}")
    return 2 if any(one.level == "error" for one in looked.problems) else 0
