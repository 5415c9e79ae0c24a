"""Bounding boxes of the labels in a class map, which speed up all metrics."""

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
    """Return the bounding box of every label, found in one pass; None for an absent label.

    Ignored voxels, whose class is above those of the labels, are in no box.
    """
    boxes = find_objects(classes, max_label=target.num_labels - 1)
    return dict(zip(target.labels, boxes, strict=True))


def same_ignored(
    target: Target, one: ClassMap, other: ClassMap
) -> tuple[ClassMap, ClassMap, Mask | None]:
    """Return both maps with the union of their ignored voxels, and this union, None if empty.

    So a voxel that one map ignores is no error of the other map. Without ignored voxels the
    function returns the maps themselves, else copies.
    """
    ignored = (one == target.ignored_class) | (other == target.ignored_class)
    if not ignored.any():
        return one, other, None
    mark = np.asarray(target.ignored_class, np.min_scalar_type(target.ignored_class))
    return np.where(ignored, mark, one), np.where(ignored, mark, other), ignored


def wider(box: Box) -> Box:
    """Return a box that is one voxel wider at each face.

    It may end one voxel beyond the grid, which does not matter when an array is sliced.
    """
    return tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)


def union(*boxes: Box | None) -> Box:
    """Return the smallest box around all boxes; without boxes, an empty box.

    An array cropped to the empty box has no voxel, so its metrics are those of empty masks.
    """
    known = [box for box in boxes if box]
    if not known:
        return (slice(0, 0),) * 3
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*known, strict=True)
    )
