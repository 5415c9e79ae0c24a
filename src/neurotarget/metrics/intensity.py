"""Mean intensities inside masks, in the unit of the scan."""

import math

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from neurotarget.shapes import Mask


def mean_inside(scan: Num[ndarray, "I J K"], mask: Mask) -> float:
    """Mean of a scan over the voxels of a mask on its grid; an empty mask gives NaN.

    Every voxel counts alike, those at the border too, where part of a voxel is something else.
    """
    if scan.shape != mask.shape:
        raise ValueError(f"mean_inside: scan {scan.shape}, mask {mask.shape}; put them on one grid")
    inside = scan[mask]
    return float(inside.mean(dtype=np.float64)) if inside.size else math.nan
