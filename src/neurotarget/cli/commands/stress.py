"""`neurotarget stress`: measure how often a network fails on distorted scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import PLACE, Seed, read_arguments
from neurotarget.studies.stress import stress_run
from neurotarget.synthesis.distortions import DISTORTIONS


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        run: a run folder, an exported file, or the name of a network of this package.
        data: manifest or data set, with label maps.
        output: folder for distorted scans, masks, the table and the figure.
        conditions: distortions; the undistorted scans always come first.
        seed: seed of noise, movements and rotations.
    """

    run: str
    data: Annotated[Path, PLACE]
    output: Path
    conditions: tuple[str, ...] = tuple(DISTORTIONS)
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Distort, segment and score the scans, and print the failures of each condition; returns 0.

    Raises:
        DataError: an argument or condition is invalid, the network does not fit the data, or the
            output is not neurotarget's.
    """
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
