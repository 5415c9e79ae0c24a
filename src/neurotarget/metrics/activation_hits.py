"""Whether the highest place of a map of activations lies in a finding (the pointing game).

Source: Zhang et al. 2018, doi:10.1007/s11263-017-1059-x.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray


class Hit(NamedTuple):
    """Of one case."""

    hit: bool  # the highest voxel lies in the finding
    slice_hit: bool  # its slice, along the last axis, has a voxel of the finding
    chance: float  # share of all voxels that lie in the finding


def hit_of(activation: Float[ndarray, "I J K"], finding: Bool[ndarray, "I J K"]) -> Hit:
    """Compare a map with the voxels of a finding on the same grid.

    Raises:
        ValueError: the grids differ, or there is no finding.
    """
    if activation.shape != finding.shape:
        raise ValueError(f"hit_of: map {activation.shape}, finding {finding.shape}; use one grid")
    if not finding.any():
        raise ValueError("hit_of: found no voxel of the finding, wanted some; leave the case out")
    place = np.unravel_index(int(np.argmax(activation)), activation.shape)
    return Hit(bool(finding[place]), bool(finding[..., place[2]].any()), float(finding.mean()))
