"""`neurotarget qsm …`: susceptibility maps in ppm from magnitude and phase."""

from collections.abc import Sequence
from dataclasses import replace

from neurotarget.cli.arguments import read_arguments
from neurotarget.cli.gre import ScanArguments, print_outcomes, scans_of
from neurotarget.physics.qsm import QSM
from neurotarget.reconstruction.qsm_maps import check_options, make_qsm
from neurotarget.runs.network.predictor import usable_device


def run(argv: Sequence[str]) -> int:
    """Make the maps of all scans; returns 2 if some failed, else 0.

    Raises:
        DataError: an argument is invalid, no scan can be read, or an output would replace an input.
    """
    asked, chain = read_arguments("qsm", argv, ScanArguments, QSM)
    device = usable_device(asked.device)
    chain = replace(chain, handedness=asked.handedness)
    check_options(chain)
    outcomes = make_qsm(
        scans_of(asked),
        asked.output,
        chain=chain,
        phase_scale=asked.phase_scale,
        device=device,
        overwrite=asked.overwrite,
    )
    return print_outcomes(outcomes, asked.output, "qsm")
