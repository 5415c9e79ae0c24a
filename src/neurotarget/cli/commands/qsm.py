"""`neurotarget qsm …`: susceptibility maps in ppm from magnitude and phase."""

from collections.abc import Sequence
from dataclasses import replace

from neurotarget.cli.arguments import read_arguments
from neurotarget.cli.gre_arguments import ScanArguments, files_of, print_outcomes
from neurotarget.physics.qsm import QSM
from neurotarget.reconstruction.qsm_maps import check_options, make_qsm
from neurotarget.runs.network.predictor import usable_device


def run(argv: Sequence[str]) -> int:
    """Make the maps of all scans; returns 2 if some failed, else 0.

    Raises:
        DataError: an argument is invalid, no scan can be read, or an output would replace an input.
    """
    arguments, chain = read_arguments("qsm", argv, ScanArguments, QSM)
    device = usable_device(arguments.device)
    chain = replace(chain, handedness=arguments.handedness)
    check_options(chain)
    outcomes = make_qsm(
        files_of(arguments).scans(),
        arguments.output,
        chain=chain,
        phase_scale=arguments.phase_scale,
        device=device,
        overwrite=arguments.overwrite,
    )
    return print_outcomes(outcomes, arguments.output, "qsm")
