"""`neurotarget swi …`: susceptibility-weighted images from magnitude and phase."""

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
from neurotarget.physics.swi import SWI
from neurotarget.problems import DataError
from neurotarget.reconstruction.swi_images import AXES, make_swi
from neurotarget.runs.network.predictor import usable_device

WORDS = (*SCAN_WORDS, *chain_words(SWI), "axis")

Words = Mapping[str, str]


def run(words: Words) -> int:
    """Make the images of all scans; returns 2 if some failed, else 0.

    Raises:
        DataError: an argument is invalid, no scan can be read, or an output would replace an input.
    """
    output, overwrite = output_of(words), flag(words, "overwrite")
    device = usable_device(words.get("device", "auto"))
    reading, axis = reading_of(words), words.get("axis", "auto")
    if axis not in AXES:
        raise DataError(f"axis: got {axis!r}, wanted auto, 0, 1 or 2")
    chain = chain_of(SWI, words)
    outcomes = make_swi(
        scans_of(words),
        output,
        chain=chain,
        axis=axis,
        handedness=reading.handedness,
        phase_scale=reading.phase_scale,
        device=device,
        overwrite=overwrite,
    )
    return print_outcomes(outcomes, output, "swi")
