"""`neurotarget qsm …`: susceptibility maps in ppm from magnitude and phase."""

from collections.abc import Mapping

from neurotarget.cli.flags import flag
from neurotarget.cli.gre import WORDS as SCAN_WORDS
from neurotarget.cli.gre import (
    chain_of,
    chain_words,
    output_of,
    print_outcomes,
    reading_of,
    scans_of,
)
from neurotarget.physics.qsm import QSM
from neurotarget.reconstruction.qsm_maps import check_options, make_qsm
from neurotarget.runs.network.predictor import usable_device

WORDS = (*SCAN_WORDS, *chain_words(QSM))

Words = Mapping[str, str]


def run(words: Words) -> int:
    """Make the maps of all scans; returns 2 if some failed, else 0.

    Raises:
        DataError: an argument is invalid, no scan can be read, or an output would replace an input.
    """
    output, overwrite = output_of(words), flag(words, "overwrite")
    device = usable_device(words.get("device", "auto"))
    reading = reading_of(words)
    chain = chain_of(QSM, words, handedness=reading.handedness)
    check_options(chain)
    outcomes = make_qsm(
        scans_of(words),
        output,
        chain=chain,
        phase_scale=reading.phase_scale,
        device=device,
        overwrite=overwrite,
    )
    return print_outcomes(outcomes, output, "qsm")
