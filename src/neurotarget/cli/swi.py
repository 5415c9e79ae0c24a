"""`neurotarget swi …`: susceptibility-weighted images from magnitude and phase."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from neurotarget.cli.arguments import read_arguments
from neurotarget.cli.gre import ScanArguments, print_outcomes, scans_of
from neurotarget.physics.swi import SWI
from neurotarget.reconstruction.swi_images import make_swi
from neurotarget.runs.network.predictor import usable_device


@dataclass(frozen=True, kw_only=True)
class Arguments(ScanArguments):
    """Arguments of the command, to which those of the steps are added."""

    axis: Literal["auto", "0", "1", "2"] = "auto"


def run(argv: Sequence[str]) -> int:
    """Make the images of all scans; returns 2 if some failed, else 0.

    Raises:
        DataError: an argument is invalid, no scan can be read, or an output would replace an input.
    """
    asked, chain = read_arguments("swi", argv, Arguments, SWI)
    device = usable_device(asked.device)
    outcomes = make_swi(
        scans_of(asked),
        asked.output,
        chain=chain,
        axis=asked.axis,
        handedness=asked.handedness,
        phase_scale=asked.phase_scale,
        device=device,
        overwrite=asked.overwrite,
    )
    return print_outcomes(outcomes, asked.output, "swi")
