"""`neurotarget swi …`: susceptibility-weighted images from magnitude and phase."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from neurotarget.cli.flags import flag
from neurotarget.cli.gre import SCANS_HELP, chain_of, chain_words, output_of, reading_of, scans_of
from neurotarget.cli.gre import WORDS as SCAN_WORDS
from neurotarget.cli.gre_folder import Map, Work, make_all, plain_number, plain_values
from neurotarget.cli.gre_report import finish_folder
from neurotarget.cli.qsm import reconstructed, said_of, sign_notes
from neurotarget.maps.gre import GRE
from neurotarget.physics.qsm import QSM
from neurotarget.physics.swi import SWI, SWIResult
from neurotarget.problems import DataError
from neurotarget.report.figures.map_pictures import Window
from neurotarget.runs.network.predictor import usable_device

HELP = f"""neurotarget swi: susceptibility-weighted images, from magnitude and phase

  neurotarget swi <BIDS folder> output=<folder>
  neurotarget swi magnitude=<files> phase=<files> te_ms=<times> field_t=<T> output=<folder>

{SCANS_HELP}
  high_pass=homodyne   or unwrap, which is safer where the field is steep
  window_vox=64        of the homodyne filter     high_pass_mm=4  of the other one
  phase_mask=positive  or negative, triangular, tanh
  mask_power=4         how often the phase mask is multiplied
  mip_mm=14            thickness of the minimum-intensity projection
  axis=auto            across the slices: 0, 1 or 2 along the voxel axes; else from the header

Beside each <scan>_swi lie the projection <scan>_minIP, the filtered phase in radians, and a JSON
that says how all was made; swi.html shows them. handedness=auto takes the time of a
susceptibility map. A finished scan is kept.
"""
WORDS = (*SCAN_WORDS, *chain_words(SWI), "axis")
SUFFIXES = ("swi", "minIP", "desc-filtered_phase")
AXES = {"auto": None, "0": 0, "1": 1, "2": 2}
DARKENED = 0.5  # of its magnitude is left in a voxel that counts as darkened
SIGNAL = 0.1  # of the brightest: a voxel with less is air or bone

Words = Mapping[str, str]


class Sign(NamedTuple):
    """Which sign of phase is paramagnetic, and how that is known."""

    sign: int
    words: str
    notes: Sequence[str] = ()


def run(words: Words) -> int:
    """Make the images of all scans; 0, or 2 where some failed.

    Raises:
        DataError: a word is unfit, no scan can be read, or an output would replace an input.
    """
    output, overwrite = output_of(words), flag(words, "overwrite")
    device = usable_device(words.get("device", "auto"))
    reading, axis = reading_of(words), words.get("axis", "auto")
    if axis not in AXES:
        raise DataError(f"axis: got {axis!r}, wanted auto, 0, 1 or 2")
    chain = chain_of(SWI, words)
    scans = scans_of(words)
    settings = {
        **dataclasses.asdict(chain),
        "handedness": reading.handedness,
        "axis": axis,
    }

    def make(gre: GRE) -> list[Map]:
        sign = sign_of(gre, reading.handedness, device)
        return maps_of(gre, chain, sign, axis=AXES[axis], device=device)

    work = Work("swi", SUFFIXES, settings, reading.phase_scale, make)
    outcomes = make_all(scans, work, output, overwrite=overwrite)
    facts = {key: str(value) for key, value in settings.items() if value != {}}
    return finish_folder(
        outcomes,
        output,
        kind="swi",
        window_of=bright_window,
        unit="",
        facts=facts | {"device": device},
    )


def sign_of(gre: GRE, asked: str | int, device: str) -> Sign:
    """The sign of phase as said, or as a susceptibility map of this scan tells it."""
    if asked != "auto":
        return Sign(int(asked), f"{int(asked):+d} as said")
    try:
        facts = reconstructed(gre, QSM(), device).facts
    except DataError as error:
        words = "not told by the data; taken as stored"
        return Sign(1, words, [f"sign of phase {words}: no susceptibility map ({error})"])
    words = str(facts["handedness_found"])
    sign = int(facts["handedness"])
    return Sign(sign, words, sign_notes(sign, words))


def maps_of(
    gre: GRE, chain: SWI, sign: Sign, *, axis: int | None = None, device: str = "cpu"
) -> list[Map]:
    """Images of one scan with what their JSON says, the susceptibility-weighted one first."""
    axis = slice_axis(gre) if axis is None else axis
    turned = dataclasses.replace(chain, handedness=sign.sign)
    found = turned.make(
        gre.magnitude,
        gre.phase_rad,
        gre.te_s,
        spacing_mm=gre.spacing_mm,
        axis=axis,
        mask=gre.mask,
        device=device,
    )
    about = {
        "Description": "susceptibility-weighted image",
        "Units": "arbitrary",
        **said_of(gre),
        "Handedness": sign.words,
        "SliceAxis": axis,
        "Method": plain_values(found.facts),
        "Statistics": statistics(gre, found),
        "Notes": list(sign.notes),
    }
    slab = {"Units": "arbitrary", "Description": f"minimum over {chain.mip_mm:g} mm"}
    phase = {"Units": "rad", "Description": "high-pass filtered phase, paramagnetic positive"}
    arrays = (found.swi, found.mip, found.filtered_phase)
    return [Map(*one) for one in zip(SUFFIXES, arrays, (about, slab, phase), strict=True)]


def slice_axis(gre: GRE) -> int:
    """Voxel axis across the slices: the header's, else that of the largest voxel side, else k."""
    stated = gre.header.get_dim_info()[2]
    if stated is not None:
        return int(stated)
    thickest = int(np.argmax(gre.spacing_mm))
    others = [side for axis, side in enumerate(gre.spacing_mm) if axis != thickest]
    return thickest if gre.spacing_mm[thickest] > 1.05 * max(others) else 2


def statistics(gre: GRE, found: SWIResult) -> dict[str, float | None]:
    """Share of the voxels with signal that the phase mask darkens to half or less."""
    first = gre.magnitude[0]
    tissue = first > SIGNAL * np.percentile(first, 99)
    darkened = (found.phase_mask <= DARKENED) & tissue
    return {"darkened_share": plain_number(darkened.sum() / max(int(tissue.sum()), 1), 5)}


def bright_window(array: ndarray, mask: ndarray | None = None) -> Window:
    """Black at 0 and white where the brightest hundredth begins."""
    values = array[mask] if mask is not None else array[array > 0]
    return 0.0, float(np.percentile(values, 99)) if values.size else 1.0
