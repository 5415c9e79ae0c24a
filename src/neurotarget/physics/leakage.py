"""Correction of perfusion curves for contrast agent that leaks from the vessels.

Source: Boxerman, Schmainda and Weisskoff 2006, AJNR 27:859.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Curves = Float[ndarray, "V T"]


class Leakage(NamedTuple):
    """Curves without the effect of the leakage of contrast agent, and the rate of the leakage."""

    corrected: Curves
    rate: Float[ndarray, " V"]  # K₂ in 1/s; positive where T1 shortens, negative where R2* rises


def leakage_corrected(tissue: Curves, intact: Float[ndarray, " T"], tr_s: float) -> Leakage:
    """Fit ΔR2* = K₁ · intact − K₂ ∫ intact to each curve by least squares; remove the K₂ term.

    Source: Boxerman, Schmainda and Weisskoff 2006, AJNR 27:859.

    Args:
        tissue: ΔR2* in 1/s of each voxel over time, (V, T); a curve with NaN stays NaN.
        intact: mean ΔR2* in 1/s of brain whose vessels do not leak, (T,).
        tr_s: time between two images.
    """
    integral = (np.cumsum(intact) - 0.5 * (intact + intact[0])) * tr_s
    design = np.stack([intact, -integral], axis=1)
    is_known = np.isfinite(tissue).all(axis=1)
    rates = np.full((len(tissue), 2), np.nan)
    rates[is_known] = np.linalg.lstsq(design, tissue[is_known].T, rcond=None)[0].T
    return Leakage(tissue + rates[:, 1:] * integral, rates[:, 1])
