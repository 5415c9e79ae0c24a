"""Voxels of arteries in a scan with a bolus: voxels with early, high and narrow curves.

Source: the criteria of area and shape are those of Mouridsen et al. 2006, doi:10.1002/mrm.20759.
"""

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.problems import DataError, error

LARGE, EARLY = 90, 25  # percentiles of the peak and of the time to peak
VOXELS = 12  # number of voxels whose mean is the arterial curve
FEWEST = 200  # smallest number of voxels with a bolus


def find_artery(tissue: Float[ndarray, "V T"]) -> Integer[ndarray, " A"]:
    """Indices of the 12 curves that resemble the curve of an artery most.

    Candidates are the tenth of the curves with the highest peaks, and of these the quarter that
    peaks first. The candidates with the largest ratio of the peak to the width at half the peak are
    returned.

    Raises:
        DataError: too few curves have a bolus.
    """
    is_known = np.isfinite(tissue).all(axis=1) & (tissue.max(axis=1) > 0)
    if is_known.sum() < FEWEST:
        found = f"{int(is_known.sum())} voxels with a bolus"
        todo = "look at the scan and its mask, or give aif=<mask of an artery>"
        raise DataError(error(found, f"at least {FEWEST}", todo))
    peak = np.where(is_known, tissue.max(axis=1), np.nan)
    time = np.where(is_known, tissue.argmax(axis=1), np.nan)
    is_large = peak >= np.nanpercentile(peak, LARGE)
    early = np.nanpercentile(time[is_large], EARLY)
    chosen = np.flatnonzero(is_large & (time <= early))
    width = (tissue[chosen] > peak[chosen, None] / 2).sum(axis=1)
    return chosen[np.argsort(-peak[chosen] / width, kind="stable")[:VOXELS]]
