"""`neurotarget swi …`: susceptibility-weighted images from magnitude and phase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from neurotarget.cli.arguments import read_arguments
from neurotarget.cli.gre_arguments import ScanArguments, files_of, print_outcomes
from neurotarget.physics.swi import SWI
from neurotarget.reconstruction.swi_images import make_swi
from neurotarget.runs.network.predictor import usable_device


@dataclass(frozen=True, kw_only=True)
class Arguments(ScanArguments):
    """Arguments of the command, to which those of the steps are added.

    Attributes:
        axis: voxel axis across the slices, along which minima are projected; `auto` reads it from
            the header.
    """

    axis: Literal["auto", "0", "1", "2"] = "auto"


def run(argv: Sequence[str]) -> int:
    """Make the images of all scans; returns 2 if some failed, else 0.

    Raises:
        DataError: an argument is invalid, no scan can be read, or an output would replace an input.
    """
    arguments, chain = read_arguments("swi", argv, Arguments, SWI)
    device = usable_device(arguments.device)
    outcomes = make_swi(
        files_of(arguments).scans(),
        arguments.output,
        chain=chain,
        axis=arguments.axis,
        handedness=arguments.handedness,
        phase_scale=arguments.phase_scale,
        device=device,
        overwrite=arguments.overwrite,
    )
    return print_outcomes(outcomes, arguments.output, "swi")
