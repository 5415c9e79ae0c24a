"""Post-processing of label maps: removal of stray pieces, filling of holes.

The order of the steps is fixed: largest piece of all labels together, largest piece of a label,
smallest size of a piece, holes. They work on the final labels on the scan's own grid, after the
probabilities were interpolated and pairs of a target with `sides: split` were separated.

Pieces are connected by corners, as in the scores; holes are connected by faces. Steps on one label
never remove its largest piece, so they cannot empty it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.pieces import CORNERS
from neurotarget.shapes import Mask

ClassMap = Integer[ndarray, "I J K"]
Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Postprocessing:
    """Steps that change a label map; labels by name. The default changes nothing."""

    largest_together: bool = False  # keep the largest piece of the union of all labels
    largest_piece: tuple[str, ...] = ()  # labels of which only the largest piece is kept
    smallest_piece_mm3: Mapping[str, float] = field(default_factory=dict)  # drop smaller ones
    fill_holes: tuple[str, ...] = ()  # labels that fill holes of which they form most of the border

    def __post_init__(self) -> None:
        sizes = {str(name): float(size) for name, size in dict(self.smallest_piece_mm3).items()}
        object.__setattr__(self, "largest_piece", tuple(map(str, self.largest_piece)))
        object.__setattr__(self, "smallest_piece_mm3", sizes)
        object.__setattr__(self, "fill_holes", tuple(map(str, self.fill_holes)))

    def __bool__(self) -> bool:
        return self != Postprocessing()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    def apply(self, classes: ClassMap, label_names: Sequence[str], voxel_mm3: float) -> ClassMap:
        """A changed copy of a class map, in which class i + 1 is `label_names[i]`.

        The map itself is returned if there is nothing to do. Only the bounding box of the labels is
        processed. Of several largest pieces of equal size the first in voxel order is kept.
        """
        boxes = ndimage.find_objects(classes, max_label=len(label_names)) if self else []
        known = [box for box in boxes if box is not None]
        if not known:
            return classes
        result = classes.copy()
        part = result[_union(known)]
        if self.largest_together:
            part[~_large_pieces(part > 0, np.inf)] = 0
        for number, (name, box) in enumerate(zip(label_names, boxes, strict=True), start=1):
            least_vox = self._least_vox(name, voxel_mm3)
            if box is not None and least_vox:
                own = result[box]
                mask = own == number
                own[mask & ~_large_pieces(mask, least_vox)] = 0
        if self.fill_holes:
            numbers = {n for n, name in enumerate(label_names, 1) if name in self.fill_holes}
            _fill(part, numbers, room=[int(side > 1) for side in classes.shape])
        return result

    def _least_vox(self, name: str, voxel_mm3: float) -> float:
        if name in self.largest_piece:
            return np.inf
        return self.smallest_piece_mm3.get(name, 0.0) / voxel_mm3


def common_steps(several: Sequence[Postprocessing]) -> Postprocessing:
    """Steps that more than half of several networks keep; a size is the smallest of theirs."""

    def is_common(count: int) -> bool:
        return 2 * count > len(several)

    def labels(name: str) -> tuple[str, ...]:
        all_labels = [label for one in several for label in getattr(one, name)]
        return tuple(
            label for label in dict.fromkeys(all_labels) if is_common(all_labels.count(label))
        )

    sizes = {
        label: min(o.smallest_piece_mm3[label] for o in several if label in o.smallest_piece_mm3)
        for label in labels("smallest_piece_mm3")
    }
    together = is_common(sum(one.largest_together for one in several))
    return Postprocessing(together, labels("largest_piece"), sizes, labels("fill_holes"))


def _large_pieces(mask: Mask, least_vox: float) -> Mask:
    """Voxels of the pieces of at least this size, and of the largest."""
    pieces, count = ndimage.label(mask, structure=CORNERS)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    is_kept = sizes >= least_vox
    is_kept[0], is_kept[sizes.argmax()] = False, True
    return is_kept[pieces]


def _fill(part: ClassMap, numbers: set[int], room: Sequence[int]) -> None:
    """Fill each hole with the class on most of its border, if this is one of `numbers`.

    A hole is background without connection to the outside of the box, whichever labels enclose it:
    a hole between a core and its shell is filled with one of them. `room` is 1 along each axis with
    an outside, and 0 across the plane of a single slice.
    """
    around = [(one, one) for one in room]
    pieces, count = ndimage.label(np.pad(part == 0, around, constant_values=True))
    if count < 2:
        return
    padded = np.pad(part, around)
    for number, box in enumerate(ndimage.find_objects(pieces)[1:], start=2):  # 1 is outside
        wide = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        hole = pieces[wide] == number
        rim = ndimage.binary_dilation(hole) & ~hole
        owner = int(np.bincount(padded[wide][rim]).argmax())
        if owner in numbers:
            padded[wide][hole] = owner
    inner = zip(room, part.shape, strict=True)
    part[...] = padded[tuple(slice(one, one + side) for one, side in inner)]


def _union(boxes: Sequence[Box]) -> Box:
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*boxes, strict=True)
    )
