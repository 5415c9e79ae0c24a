"""Voxels that belong to the nearer of two classes, such as a corpus callosum to two hemispheres."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from scipy import ndimage
from scipy.spatial import KDTree

MARGIN_VOX = 16  # around the voxels, where their classes are looked for first


def give_to_nearest(classes: Integer[ndarray, "..."], shared: int, owners: Sequence[int]) -> None:
    """Replace the class `shared` in place by the class of `owners` that has the nearest voxel.

    Distances are in voxels; of owners at equal distance the first gets the voxel. If no owner has a
    voxel, the class becomes background.
    """
    mask = classes == shared
    box = next(iter(ndimage.find_objects(mask.astype(np.uint8))), None)
    if box is None:
        return
    near = tuple(slice(max(side.start - MARGIN_VOX, 0), side.stop + MARGIN_VOX) for side in box)
    whole = tuple(slice(0, side) for side in classes.shape)
    places = (part for part in (near, whole) if np.isin(owners, classes[part]).all())
    part = classes[next(places, whole)]
    known = [owner for owner in owners if (part == owner).any()]
    points = np.argwhere(part == shared)
    distances = [KDTree(np.argwhere(part == owner)).query(points)[0] for owner in known]
    part[tuple(points.T)] = np.array(known)[np.argmin(distances, axis=0)] if known else 0
