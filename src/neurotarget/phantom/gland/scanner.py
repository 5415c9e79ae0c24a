"""One scanner for T1-weighted images: contrast, bias field and noise of a site."""

import numpy as np
from jaxtyping import Float, Int16
from numpy import ndarray

from neurotarget.phantom.canvas import Tissue
from neurotarget.phantom.scanner import Site, sample_shading

# T1-weighted brightness relative to white matter: order and rough ratios of inversion-prepared
# gradient echoes, as the numbers differ from scanner to scanner.
BRIGHTNESS = {
    Tissue.AIR: 0.0,
    Tissue.BONE: 0.07,
    Tissue.CSF: 0.22,
    Tissue.GREY: 0.70,
    Tissue.WHITE: 1.0,
    Tissue.FAT: 1.25,
    Tissue.MARROW: 1.0,
    Tissue.MUSCLE: 0.52,
    Tissue.SKIN: 0.62,
    Tissue.MUCOSA: 0.55,
    Tissue.VEIN: 0.63,
    Tissue.ARTERY: 0.10,
    Tissue.VITREOUS: 0.18,
    Tissue.GLAND: 0.76,
    Tissue.BRIGHT: 1.30,
    Tissue.STALK: 0.72,
    Tissue.NERVE: 0.88,
}


def sample_brightness(site: Site, rng: np.random.Generator) -> Float[ndarray, " T"]:
    """Sample each tissue's brightness in one scan: the site's contrast, varied a little."""
    values = np.array([BRIGHTNESS[tissue] for tissue in Tissue]) ** site.gamma
    spread = np.where(np.isin(list(Tissue), [Tissue.MARROW, Tissue.FAT]), 0.10, 0.04)
    return values * np.exp(rng.normal(0, spread))


def scanned(
    image: Float[ndarray, "I J K"], site: Site, rng: np.random.Generator
) -> Int16[ndarray, "I J K"]:
    """Add bias field and Rician noise to an image; return integers.

    Args:
        image: brightness; white matter has 1.
        site: gives shading, noise and brightness of white matter.
        rng: random numbers of shading and noise.

    Source: Gudbjartsson & Patz 1995, doi:10.1002/mrm.1910340618 (noise of magnitude images).
    """
    gain = np.exp(sample_shading(image.shape, site.shading, rng))
    real = image * gain + site.noise * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = site.noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.rint(np.hypot(real, imaginary) * site.white).clip(0, 32767).astype(np.int16)
