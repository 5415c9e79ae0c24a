"""Skull-stripped scans of a head with a glioma, before and after contrast agent.

Relaxation times of the tumour's tissues at 3 T are round figures, chosen here: longer than those of
the brain, as measured in gliomas (Badve 2017, doi:10.3174/ajnr.A5035), and longest in necrosis. As
in the brain, they vary around these figures between people.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int16, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.phantom.gland.scanner import scanned
from neurotarget.phantom.scanner import Site
from neurotarget.phantom.tumour.glioma_growth import (
    EDEMA,
    ENHANCING,
    NON_ENHANCING,
    Grown,
    smooth_noise,
)
from neurotarget.synthesis.label_map import to_codes
from neurotarget.synthesis.tissues import BRAIN, FLUID, SEQUENCES, Relaxation, known_tissues

SCANS = {"flair": "flair", "t1": "spoiled", "t1ce": "spoiled", "t2": "t2"}  # sequence of each
AFTER_AGENT = "t1ce"
SOLID, NECROSIS = "solid", "necrosis"  # two tissues of label 1
TIMES: Mapping[str, tuple[float, float, float]] = {  # T1 and T2 in ms, proton density
    "edema": (1300.0, 135.0, 0.84),
    "enhancing": (1500.0, 125.0, 0.86),
    NECROSIS: (2300.0, 230.0, 0.95),
    SOLID: (1750.0, 165.0, 0.90),
}
PER_S = {"enhancing": 1.1, "choroid_plexus": 1.0, "vessel": 1.5, NECROSIS: 0.06}  # rise of 1 / T1
UPTAKE_SPREAD = 0.3  # SD of the log of that rise between people
DARK_FLUID = 0.45  # of the brightest tissue: FLAIR's inversion time suppresses fluid
BORDER_VOX = 0.45  # SD of the smoothing that mixes the tumour with tissue at its borders
MOTTLE = {NON_ENHANCING: 0.16, ENHANCING: 0.12, EDEMA: 0.07}  # SD of smooth changes, as shares
MOTTLE_MM, CLOSED_MM = 14.0, 6.0


class Head(NamedTuple):
    """A head with a tumour: ids on a grid finer than that of the tumour and of the scans."""

    ids: Integer[ndarray, "I J K"]
    tumour: Grown
    is_low_grade: bool


def scans_of(
    head: Head,
    site: Site,
    spacing_mm: Sequence[float],
    rng: np.random.Generator,
    core_shifts: Mapping[str, float],
) -> dict[str, Int16[ndarray, "i j k"]]:
    """Generate the four scans of BraTS of a head, each 0 outside the brain.

    Args:
        head: with its tumour.
        site: brightness, shading and noise of the scanner.
        spacing_mm: sides of a voxel of the scans.
        rng: of tissues, sequences and noise.
        core_shifts: added to the signal of the core by contrast, as shares of the brightest healthy
            tissue's.

    Returns:
        flair, t1, t1ce and t2 on the grid of the tumour.
    """
    codes = to_codes(head.ids)
    shape = head.tumour.labels.shape
    brain = brain_mask(codes, shape, spacing_mm) | (head.tumour.labels > 0)
    tissues = _tissues(rng)
    uptake = float(np.exp(rng.normal(0, UPTAKE_SPREAD)))
    seeds = {sequence: int(rng.integers(2**31)) for sequence in sorted(set(SCANS.values()))}
    mottle = smooth_noise(shape, MOTTLE_MM, spacing_mm, rng)
    scans = {}
    for name, sequence in SCANS.items():
        times = _with_agent(tissues, uptake) if name == AFTER_AGENT else tissues
        greys = _greys(sequence, times, np.random.default_rng(seeds[sequence]))
        image = _image(codes, greys, head, mottle, core_shifts.get(name, 0.0))
        image *= np.exp(rng.normal(0, 0.08))  # receivers differ in gain
        scan = scanned(image.astype(np.float32), site, rng)
        scans[name] = np.where(brain, np.maximum(scan, 1), 0).astype(np.int16)
    return scans


def brain_mask(
    codes: Integer[ndarray, "I J K"], shape: Sequence[int], spacing_mm: Sequence[float]
) -> Bool[ndarray, "i j k"]:
    """Compute the mask of the brain with the fluid in its sulci, on a coarser grid.

    Args:
        codes: tissues of the head.
        shape: sides of the coarser grid; the sides of `codes` are multiples of them.
        spacing_mm: sides of the coarser grid's voxels.
    """
    known = known_tissues()
    places = np.array(known.places)[known.tissue_of_code]
    names = np.array(known.names)[known.tissue_of_code]
    tissue = _averaged(((places == BRAIN) | (names == "ventricle"))[codes], shape) > 0.5
    skull_free = _averaged(np.isin(places, (BRAIN, FLUID))[codes], shape) > 0.5
    pad = int(np.ceil(CLOSED_MM / min(spacing_mm))) + 1
    padded = np.pad(tissue, pad)
    far = ndimage.distance_transform_edt(~padded, spacing_mm) <= CLOSED_MM
    closed = ndimage.distance_transform_edt(far, spacing_mm) > CLOSED_MM - 1.0
    closed = closed[pad:-pad, pad:-pad, pad:-pad]
    opened = ndimage.binary_opening(closed & skull_free)  # without nerves and vessels
    return ndimage.binary_fill_holes(opened)


def _averaged(fine: ndarray, shape: Sequence[int]) -> Float[ndarray, "i j k"]:
    """Compute means of blocks of voxels."""
    times = [a // b for a, b in zip(fine.shape, shape, strict=True)]
    blocks = [size for pair in zip(shape, times, strict=True) for size in pair]
    return fine.reshape(blocks).mean(axis=(1, 3, 5), dtype=np.float32)


def _tissues(rng: np.random.Generator) -> Relaxation:
    """Sample relaxation times of a person's tissues; tissues of the tumour come last."""
    added = np.array(list(TIMES.values())).T
    joined = (np.concatenate(pair) for pair in zip(known_tissues().relaxation, added, strict=True))
    return Relaxation(*(part * rng.normal(1, 0.06, len(part)).clip(0.8, 1.2) for part in joined))


def _names() -> list[str]:
    return [*known_tissues().names[1:], *TIMES]


def _with_agent(tissues: Relaxation, uptake: float) -> Relaxation:
    """Return relaxation times after contrast agent, which shortens T1 where it leaks or flows."""
    rise_per_ms = uptake / 1000 * np.array([PER_S.get(name, 0.0) for name in _names()])
    return tissues._replace(t1_ms=1 / (1 / tissues.t1_ms + rise_per_ms))


def _greys(sequence: str, tissues: Relaxation, rng: np.random.Generator) -> Float[ndarray, " T"]:
    """Return each tissue's mean grey value; the brighter of white matter and cortex has 1.

    The settings of FLAIR are sampled again until they suppress fluid. Equal random numbers give
    equal settings before and after contrast agent.
    """
    names = _names()
    usual = [names.index(name) for name in ("white_matter", "cerebral_cortex")]
    while True:
        signal = SEQUENCES[sequence](tissues, rng)
        signal = signal / signal[usual].max()
        if sequence != "flair" or signal[names.index("ventricle")] < DARK_FLUID:
            return np.concatenate([[0.0], signal]).clip(0.0, 3.0).astype(np.float32)


def _image(
    codes: Integer[ndarray, "I J K"],
    greys: Float[ndarray, " T"],
    head: Head,
    mottle: Float[ndarray, "i j k"],
    core_shift: float,
) -> Float[ndarray, "i j k"]:
    """Render healthy tissue, and replace it by the parts of the tumour."""
    labels, water = head.tumour
    image = _averaged(greys[known_tissues().tissue_of_code][codes], labels.shape)
    of_name = dict(zip(_names(), greys[1:], strict=True))
    looks = {
        EDEMA: of_name["edema"],
        NON_ENHANCING: of_name[SOLID if head.is_low_grade else NECROSIS],
        ENHANCING: of_name["enhancing"],
    }
    healthy, left = image, np.ones(labels.shape, dtype=np.float32)
    image = np.zeros_like(healthy)
    for label, grey in looks.items():
        share = (labels == label) * (water if label == EDEMA else np.float32(1))
        share = ndimage.gaussian_filter(share.astype(np.float32), BORDER_VOX)
        shift = 0.0 if label == EDEMA else core_shift
        image += share * (grey * (1 + MOTTLE[label] * mottle) + shift)
        left -= share
    return np.maximum(image + left * healthy, 0)
