"""Susceptibility maps in ppm of many scans, with the content of their JSON files."""

import dataclasses
import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from neurotarget.maps.gre import GRE
from neurotarget.maps.gre_bids import Scans
from neurotarget.physics.background import pdf, sharp, vsharp
from neurotarget.physics.dipole import GAMMA_HZ_PER_T
from neurotarget.physics.inversion import invert_l2, invert_tkd, invert_tv
from neurotarget.physics.phase import UNDETERMINED
from neurotarget.physics.qsm import LOOK, QSM, Reconstruction
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
from neurotarget.report.figures.map_pictures import Window
from neurotarget.runs.network.predictor import usable_device

SUFFIXES = ("Chimap", "desc-brain_mask", "desc-chi_mask", "desc-local_fieldmap")
STEPS = {
    "background": {"vsharp": vsharp, "sharp": sharp, "pdf": pdf},
    "inversion": {"l2": invert_l2, "tkd": invert_tkd, "tv": invert_tv},
}
WHOLE = {"most"}  # options that are whole numbers
MAY_BE_0 = {"ridge", "margin_mm", "correct"}
HANDED = {"magnitude", "weight", "changes", "radii_mm"}  # parameters that users cannot set
WINDOW_PPM: Window = (-0.1, 0.2)  # of pictures; deep nuclei are near 0.15, veins near 0.2


def make_qsm(
    scans: Scans,
    output: Path,
    *,
    chain: QSM | None = None,
    phase_scale: str = "auto",
    device: str = "auto",
    overwrite: bool = False,
) -> list[Outcome]:
    """Write susceptibility maps of scans into a folder, and the page qsm.html over them.

    Args:
        scans: gradient-echo scans with magnitude and phase.
        output: folder for the maps; finished scans are kept.
        chain: steps from phase to susceptibility; by default those of `QSM`.
        phase_scale: unit of stored phase: auto, radians, range, or radians per stored unit.
        device: device that computes the maps.
        overwrite: make the maps of finished scans again, and replace files of other programs.

    Raises:
        DataError: an option is invalid, no scan can be read, or an output would replace an input.
    """
    chain, device = chain or QSM(), usable_device(device)
    check_options(chain)

    def make(gre: GRE) -> list[Map]:
        """Maps of one scan, susceptibility first."""
        return maps_of(gre, reconstructed(gre, chain, device), chain)

    work = Work("qsm", SUFFIXES, dataclasses.asdict(chain), phase_scale, make)
    outcomes = make_all(scans, work, output, overwrite=overwrite)
    write_report(outcomes, output, work, window_of=_window_ppm, unit="ppm", device=device)
    return outcomes


def _window_ppm(*_: object) -> Window:
    return WINDOW_PPM


def check_options(chain: QSM) -> None:
    """Refuse options that the chosen steps do not have, and numbers outside their range.

    Raises:
        DataError: an option is unknown (the message lists the known options) or its number is
            invalid.
    """
    for step, functions in STEPS.items():
        chosen = getattr(chain, step)
        parameters = inspect.signature(functions[chosen]).parameters.values()
        known = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY} - HANDED
        for name in set(getattr(chain, f"{step}_options")) - known:
            raise DataError(
                f"{step}_options: {chosen} has no {name}; known are {', '.join(sorted(known))}"
            )
        for name, value in getattr(chain, f"{step}_options").items():
            wanted = "a whole number above 0" if name in WHOLE else "a number above 0"
            is_fit = math.isfinite(value) and (value > 0 or (value == 0 and name in MAY_BE_0))
            if not is_fit or (name in WHOLE and value != int(value)):
                raise DataError(f"{step}_options: found {name}:{value:g}, wanted {wanted}")


def reconstructed(gre: GRE, chain: QSM, device: str) -> Reconstruction:
    """Susceptibility of one scan in ppm; a scan without a brain mask gets one from its magnitude.

    Raises:
        DataError: numbers of the scan are not usable, or the brain mask is empty.
    """
    return chain.reconstruct(
        gre.magnitude,
        gre.phase_rad,
        gre.te_s,
        field_t=gre.field_t,
        spacing_mm=gre.spacing_mm,
        b0=gre.b0,
        mask=gre.mask,
        device=device,
    )


def maps_of(gre: GRE, result: Reconstruction, chain: QSM) -> list[Map]:
    """Maps of one scan with the content of their JSON files, susceptibility first.

    Returns:
        Susceptibility in ppm, brain mask, mask where χ is known, and local field in Hz.
    """
    hz = result.local_field_ppm * np.float32(GAMMA_HZ_PER_T * gre.field_t * 1e-6)
    brain, left = (mask.astype(np.uint8) for mask in (result.brain_mask, result.mask))
    about = (
        about_chi(gre, result, chain),
        {"Type": "Brain"},
        {"Type": "Brain", "Description": "where χ is known"},
        {"Units": "Hz", "Description": "field of sources inside the brain"},
    )
    arrays = (result.chi_ppm, brain, left, hz)
    return [Map(*one) for one in zip(SUFFIXES, arrays, about, strict=True)]


def about_chi(gre: GRE, result: Reconstruction, chain: QSM) -> dict[str, Any]:
    """Content of the JSON of a susceptibility map: units, acquisition, every step, statistics.

    `Handedness` states the given sign and the sign that the data show, so a reader sees a
    contradiction. `Method` holds the settings of `chain` and the facts of the result.
    """
    finding = str(result.facts.get("handedness_found", ""))
    if chain.handedness != "auto":
        finding = f"{chain.handedness:+d} as given; by the data: {finding}"
    return {
        "Description": "quantitative susceptibility map",
        "Units": "ppm",
        **acquisition_facts(gre),
        "Handedness": finding,
        "Reference": chain.reference,
        "Method": plain_values({**dataclasses.asdict(chain), **result.facts}),
        "Statistics": statistics(result.chi_ppm, result.mask, result.brain_mask),
        "Notes": notes_of(result, chain),
    }


def notes_of(result: Reconstruction, chain: QSM) -> list[str]:
    """Notes for the user if the sign of phase was inverted, is unknown or contradicts the argument.

    Args:
        result: result whose facts hold the sign that the data show.
        chain: settings whose `handedness` is the argument.
    """
    finding = str(result.facts.get("handedness_found", ""))
    if chain.handedness == "auto":
        return sign_notes(int(result.facts["handedness"]), finding)
    if LOOK not in finding:
        return []
    return [f"sign of phase: {chain.handedness:+d} as given; by the data: {finding}"]


def sign_notes(sign: int, finding: str) -> list[str]:
    """Notes on the sign of phase from the data: it was inverted, or could not be determined.

    Args:
        sign: 1 or -1, the factor that was applied to the phase.
        finding: sentence of `neurotarget.physics.phase.handedness`.
    """
    if finding.startswith(UNDETERMINED):
        return [f"sign of phase {finding}; set handedness=1 or -1 if it is known"]
    if sign == -1:
        return [f"the sign of the phase was inverted: {finding}; set handedness=1 if that is wrong"]
    return []


def acquisition_facts(gre: GRE) -> dict[str, Any]:
    """Facts about the acquisition for the JSON file of a map.

    `EchoTime` in s and `MagneticFieldStrength` in T are keys of BIDS. BIDS has no key for
    `B0Direction` along the voxel axes, `PhaseScale` and `BrainMask`.
    """
    return {
        "EchoTime": list(gre.te_s),
        "MagneticFieldStrength": gre.field_t,
        "B0Direction": [round(part, 6) for part in gre.b0],
        "PhaseScale": gre.phase_scale,
        "BrainMask": "made from the magnitude" if gre.mask is None else "given",
    }


def statistics(chi_ppm: ndarray, mask: ndarray, brain: ndarray) -> dict[str, float | None]:
    """Mean and SD of a map inside its mask, and the share of the brain that the mask covers.

    Returns:
        `mean_ppm` and `sd_ppm`, None for an empty mask, and `mask_left` in [0, 1].
    """
    inside = chi_ppm[mask]
    if not inside.size:
        return {"mean_ppm": None, "sd_ppm": None, "mask_left": 0.0}
    return {
        "mean_ppm": plain_number(inside.mean()),
        "sd_ppm": plain_number(inside.std()),
        "mask_left": plain_number(mask.sum() / max(int(brain.sum()), 1), 4),
    }
