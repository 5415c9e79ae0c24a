"""Where the labels of a class map lie, so that no label is looked for in the whole grid."""

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from scipy.ndimage import find_objects

from neurotarget.shapes import Mask
from neurotarget.types import Target

ClassMap = Integer[ndarray, "I J K"]
Box = tuple[slice, ...]
Boxes = dict[str, Box | None]


def label_boxes(classes: ClassMap, target: Target) -> Boxes:
    """Bounding box of every label in one pass over the grid; None where a label is absent."""
    found = find_objects(classes, max_label=target.num_labels - 1)
    return dict(zip(target.labels, found, strict=True))


def same_ignored(
    target: Target, one: ClassMap, other: ClassMap
) -> tuple[ClassMap, ClassMap, Mask | None]:
    """Two maps that ignore the voxels that either ignores, and these voxels; None where none."""
    ignored = (one == target.ignored_class) | (other == target.ignored_class)
    if not ignored.any():
        return one, other, None
    mark = np.asarray(target.ignored_class, np.min_scalar_type(target.ignored_class))
    return np.where(ignored, mark, one), np.where(ignored, mark, other), ignored


def wider(box: Box) -> Box:
    """A box with a voxel more at each face, as far as there is one."""
    return tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)


def union(*boxes: Box | None) -> Box:
    """Smallest box that holds all of these; an empty one where there is none."""
    known = [box for box in boxes if box]
    if not known:
        return (slice(0, 0),) * 3
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*known, strict=True)
    )
