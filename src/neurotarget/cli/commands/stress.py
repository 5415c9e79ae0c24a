"""`neurotarget stress`: how often a network fails on scans that are worse than usual."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import PLACE, Seed, read_arguments
from neurotarget.studies.stress import stress_run
from neurotarget.synthesis.distortions import DISTORTIONS


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    run: str
    data: Annotated[Path, PLACE]
    output: Path
    conditions: tuple[str, ...] = tuple(DISTORTIONS)
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Distort, segment and score the scans, and print the failures of each condition; returns 0."""
    (arguments,) = read_arguments("stress", argv, Arguments)
    table = stress_run(
        arguments.run,
        arguments.data,
        arguments.output,
        conditions=arguments.conditions,
        seed=arguments.seed,
        device=arguments.device,
        overwrite=arguments.overwrite,
    )
    for row in table.to_dict("records"):
        failed = f"{100 * row['failed_labels']:.1f} % of labels failed"
        cases = f"in {row['n_failed']} of {row['n']} cases"
        print(f"{row['condition']:<14}mean Dice {row['dice']:.3f}, {failed}, {cases}")
    print(f"table   {arguments.output / 'stress.tsv'}\nfigure  {arguments.output / 'stress.png'}")
    return 0
