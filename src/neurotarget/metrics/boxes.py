"""Where the labels of a class map lie, so that no label is looked for in the whole grid."""

from jaxtyping import Integer
from numpy import ndarray
from scipy.ndimage import find_objects

from neurotarget.types import Target

ClassMap = Integer[ndarray, "I J K"]
Box = tuple[slice, ...]
Boxes = dict[str, Box | None]


def label_boxes(classes: ClassMap, target: Target) -> Boxes:
    """Bounding box of every label in one pass over the grid; None where a label is absent."""
    found = find_objects(classes, max_label=target.num_labels - 1)
    return dict(zip(target.labels, found, strict=True))


def union(*boxes: Box | None) -> Box:
    """Smallest box that holds all of these; an empty one where there is none."""
    known = [box for box in boxes if box]
    if not known:
        return (slice(0, 0),) * 3
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*known, strict=True)
    )
