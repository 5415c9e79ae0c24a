"""Mean intensities inside masks, in the unit of the scan."""

import math

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from neurotarget.shapes import Mask


def mean_inside(scan: Num[ndarray, "I J K"], mask: Mask) -> float:
    """Return the mean of a scan over the voxels of a mask; NaN for an empty mask.

    All voxels have equal weight, also those with partial volume at the border.
    """
    if scan.shape != mask.shape:
        raise ValueError(f"mean_inside: scan {scan.shape}, mask {mask.shape}; resample to one grid")
    inside = scan[mask]
    return float(inside.mean(dtype=np.float64)) if inside.size else math.nan
