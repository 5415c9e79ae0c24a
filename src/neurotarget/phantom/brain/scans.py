"""Scans generated from label maps: grey values of `synthesis`, partial volume, shading, noise."""

import numpy as np
import torch
from jaxtyping import Int16, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.phantom.gland.scanner import scanned
from neurotarget.phantom.scanner import Site
from neurotarget.synthesis.label_map import to_codes
from neurotarget.synthesis.look import Look, draw_greys
from neurotarget.synthesis.render import Sample, draw_image
from neurotarget.synthesis.tissues import known_tissues

BLUR_MM = 0.45  # SD of the smoothing that mixes tissues at their borders
USUAL = {  # a scanner without faults: less varied than the scans that networks train on
    "spread": (0.01, 0.02),
    "mottle": (0.0, 0.02),
    "head_mottle": (0.05, 0.2),
    "stripped": 0.0,
    "defaced": 0.0,
    "dark_outside": 1.0,
}


def simulate_scan(
    ids: Integer[ndarray, "I J K"],
    spacing_mm: tuple[float, float, float],
    sequence: str,
    *,
    site: Site,
    rng: np.random.Generator,
) -> Int16[ndarray, "I J K"]:
    """Generate a scan on the grid of a label map; the brain's brightest tissue is at `white`.

    Args:
        ids: FreeSurfer's and SynthSeg's ids.
        spacing_mm: sides of a voxel.
        sequence: one of `synthesis.tissues.SEQUENCES`, or `free` for any contrast.
        site: brightness, shading and noise of the scanner.
        rng: of grey values, shading and noise.

    Raises:
        DataError: the map has ids whose tissue is unknown.
    """
    codes = to_codes(ids)
    greys = draw_greys(Look(contrasts={sequence: 1.0}, **USUAL), rng)
    tissue = known_tissues().tissue_of_code
    tables = [torch.from_numpy(part[tissue]).float() for part in greys[:3]]
    nothing = torch.zeros(0)
    sample = Sample(
        region=torch.zeros(0, 0, 0),
        positions=torch.zeros(3, 0, 0, 0),
        mean=tables[0],
        spread=tables[1],
        mottle=tables[2],
        kept=nothing,
        strip_level=0.0,
        face_plane=None,
        gain=(1.0, 0.0),
        seed=int(rng.integers(2**31)),
    )
    image = draw_image(torch.from_numpy(codes), sample).numpy()
    sigma = [BLUR_MM / side for side in spacing_mm]
    return scanned(ndimage.gaussian_filter(image, sigma, truncate=3), site, rng)
