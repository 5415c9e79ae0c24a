"""Susceptibility-weighted images of many scans, with the content of their JSON files."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from neurotarget.maps.gre import GRE
from neurotarget.maps.gre_bids import Scans
from neurotarget.physics.phase import UNDETERMINED
from neurotarget.physics.qsm import QSM
from neurotarget.physics.swi import SWI, SWIResult
from neurotarget.problems import DataError
from neurotarget.reconstruction.maps_folder import (
    Map,
    Outcome,
    Work,
    make_all,
    plain_number,
    plain_values,
)
from neurotarget.reconstruction.maps_report import write_report
from neurotarget.reconstruction.qsm_maps import acquisition_facts, reconstructed, sign_notes
from neurotarget.report.figures.map_pictures import Window
from neurotarget.runs.network.predictor import usable_device

SUFFIXES = ("swi", "minIP", "desc-filtered_phase")
AXES = {"auto": None, "0": 0, "1": 1, "2": 2}
DARKENED = 0.5  # share of the magnitude at or below which a voxel counts as darkened
SIGNAL = 0.1  # share of the brightest voxel; a voxel with less is air or bone


class Sign(NamedTuple):
    """Sign of phase that makes paramagnetic tissue positive, and the source of the sign as text.

    `sign` is the factor 1 or -1 for the stored phase; `notes` are sentences that ask the user to
    check the sign.
    """

    sign: int
    text: str
    notes: Sequence[str] = ()


def make_swi(
    scans: Scans,
    output: Path,
    *,
    chain: SWI | None = None,
    axis: str = "auto",
    handedness: str | int = "auto",
    phase_scale: str = "auto",
    device: str = "auto",
    overwrite: bool = False,
) -> list[Outcome]:
    """Write susceptibility-weighted images of scans into a folder, and the page swi.html over them.

    Args:
        scans: gradient-echo scans with magnitude and phase.
        output: folder for the images; finished scans are kept.
        chain: steps from phase to the image; by default those of `SWI`.
        axis: voxel axis across the slices, "0" to "2", or "auto".
        handedness: factor of the phase that makes paramagnetic tissue positive, 1 or -1, or "auto".
        phase_scale: unit of stored phase: auto, radians, range, or radians per stored unit.
        device: device that computes the images.
        overwrite: make the images of finished scans again, and replace files of other programs.

    Raises:
        DataError: an option is invalid, no scan can be read, or an output would replace an input.
    """
    if axis not in AXES:
        raise DataError(f"axis: got {axis!r}, wanted auto, 0, 1 or 2")
    chain, device = chain or SWI(), usable_device(device)
    settings = {**dataclasses.asdict(chain), "handedness": handedness, "axis": axis}

    def make(gre: GRE) -> list[Map]:
        """Images of one scan, the susceptibility-weighted image first."""
        sign = sign_of(gre, handedness, device)
        return maps_of(gre, chain, sign, axis=AXES[axis], device=device)

    work = Work("swi", SUFFIXES, settings, phase_scale, make)
    outcomes = make_all(scans, work, output, overwrite=overwrite)
    write_report(outcomes, output, work, window_of=grey_window, unit="", device=device)
    return outcomes


def sign_of(gre: GRE, handedness: str | int, device: str) -> Sign:
    """Sign of phase as given, or as a susceptibility map of this scan shows it.

    Iron-rich nuclei and veins make a map of the right sign skewed to positive values. If no map can
    be computed, or the map does not show the sign, phase is taken as stored and a note states this.

    Args:
        gre: the scan.
        handedness: 1, -1 or auto.
        device: device that computes the map.
    """
    if handedness != "auto":
        return Sign(int(handedness), f"{int(handedness):+d} as given")
    try:
        facts = reconstructed(gre, QSM(), device).facts
    except DataError as error:
        text = f"{UNDETERMINED}; taken as stored"
        return Sign(1, text, [f"sign of phase {text}: no susceptibility map ({error})"])
    sign, text = int(facts["handedness"]), str(facts["handedness_found"])
    return Sign(sign, text, sign_notes(sign, text))


def weighted(gre: GRE, chain: SWI, sign: Sign, *, axis: int, device: str) -> SWIResult:
    """Susceptibility-weighted image of one scan, with this sign of phase.

    `axis` is the voxel axis across the slices: phase is filtered within slices, and the minimum
    intensity projection runs along the axis.

    Raises:
        DataError: numbers of the scan are not usable.
    """
    return dataclasses.replace(chain, handedness=sign.sign).make(
        gre.magnitude,
        gre.phase_rad,
        gre.te_s,
        spacing_mm=gre.spacing_mm,
        axis=axis,
        mask=gre.mask,
        device=device,
    )


def maps_of(
    gre: GRE, chain: SWI, sign: Sign, *, axis: int | None = None, device: str = "cpu"
) -> list[Map]:
    """Images of one scan with the content of their JSON files, the weighted image first.

    Args:
        gre: the scan.
        chain: settings; `sign` replaces their handedness.
        sign: sign of the phase.
        axis: voxel axis across the slices; None takes the axis of `slice_axis`.
        device: device that computes the images.

    Returns:
        Weighted image, minimum intensity projection, and filtered phase in radians.
    """
    axis = slice_axis(gre) if axis is None else axis
    images = weighted(gre, chain, sign, axis=axis, device=device)
    about = {
        "Description": "susceptibility-weighted image",
        "Units": "arbitrary",
        **acquisition_facts(gre),
        "Handedness": sign.text,
        "SliceAxis": axis,
        "Method": plain_values(images.facts),
        "Statistics": statistics(gre, images),
        "Notes": list(sign.notes),
    }
    slab = {"Units": "arbitrary", "Description": f"minimum over {chain.mip_mm:g} mm"}
    phase = {"Units": "rad", "Description": "high-pass filtered phase, paramagnetic positive"}
    arrays = (images.swi, images.mip, images.filtered_phase)
    return [Map(*one) for one in zip(SUFFIXES, arrays, (about, slab, phase), strict=True)]


def slice_axis(gre: GRE) -> int:
    """Voxel axis across the slices: that of the header, else of the largest voxel side, else k.

    A side counts as the largest if it exceeds the other two by more than 5 %.
    """
    stated = gre.header.get_dim_info()[2]
    if stated is not None:
        return int(stated)
    thickest = int(np.argmax(gre.spacing_mm))
    others = [side for axis, side in enumerate(gre.spacing_mm) if axis != thickest]
    return thickest if gre.spacing_mm[thickest] > 1.05 * max(others) else 2


def statistics(gre: GRE, images: SWIResult) -> dict[str, float | None]:
    """Share of the voxels with signal that the phase mask darkens to half or less.

    Returns:
        `darkened_share` in [0, 1]; 0 if no voxel has signal.
    """
    first = gre.magnitude[0]
    tissue = first > SIGNAL * np.percentile(first, 99)
    darkened = (images.phase_mask <= DARKENED) & tissue
    return {"darkened_share": plain_number(darkened.sum() / max(int(tissue.sum()), 1), 5)}


def grey_window(array: ndarray, mask: ndarray | None = None) -> Window:
    """Grey window from 0 to the 99th percentile of the voxels in a mask, or of those above 0.

    Without such a voxel the window is 0 to 1.
    """
    values = array[mask] if mask is not None else array[array > 0]
    return 0.0, float(np.percentile(values, 99)) if values.size else 1.0
