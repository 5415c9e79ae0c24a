"""Post-processing of label maps: removal of stray pieces, filling of holes.

The order of the steps is fixed: largest piece of all labels together, largest pieces of a label,
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
from neurotarget.size_units import VOLUMES, SizeUnits

ClassMap = Integer[ndarray, "I J K"]
Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Postprocessing:
    """Steps that change a label map; labels by name. The default changes nothing."""

    largest_together: bool = False  # keep the largest piece of the union of all labels
    largest_pieces: Mapping[str, int] = field(default_factory=dict)  # how many are kept
    smallest_piece_mm3: Mapping[str, float] = field(default_factory=dict)  # drop smaller ones
    fill_holes: tuple[str, ...] = ()  # labels that fill holes of which they form most of the border

    def __post_init__(self) -> None:
        sizes = {str(name): float(size) for name, size in dict(self.smallest_piece_mm3).items()}
        counts = {str(name): int(count) for name, count in dict(self.largest_pieces).items()}
        if any(count < 1 for count in counts.values()):
            raise ValueError(f"largest_pieces: found {counts}, wanted at least one piece each")
        object.__setattr__(self, "largest_pieces", counts)
        object.__setattr__(self, "smallest_piece_mm3", sizes)
        object.__setattr__(self, "fill_holes", tuple(map(str, self.fill_holes)))

    def __bool__(self) -> bool:
        return self != Postprocessing()

    @classmethod
    def read(cls, steps: Mapping[str, Any], units: SizeUnits = VOLUMES) -> "Postprocessing":
        """Steps from `as_dict`; those of older versions list labels whose largest piece is kept.

        Args:
            steps: by name of a field; that of a size ends in its unit.
            units: those of the target.

        Raises:
            TypeError, ValueError: they are not as they were written.
        """
        names = {units.named(key): key for key in cls.__dataclass_fields__}
        values = {names.get(key, key): value for key, value in steps.items()}
        if "largest_piece" in values:
            values["largest_pieces"] = dict.fromkeys(values.pop("largest_piece"), 1)
        return cls(**values)

    def as_dict(self, units: SizeUnits = VOLUMES) -> dict[str, Any]:
        """Plain values for JSON; the name of a size ends in its unit, as `smallest_piece_px`."""
        return {
            units.named(key): list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    def apply(self, classes: ClassMap, label_names: Sequence[str], voxel_mm3: float) -> ClassMap:
        """A changed copy of a class map, in which class i + 1 is `label_names[i]`.

        The map itself is returned if there is nothing to do. Only the bounding box of the labels is
        processed. Of pieces of equal size the first in voxel order are kept.

        Args:
            classes: of each voxel; classes after the last label, such as ignored voxels, are not
                touched by steps on one label.
            label_names: in class order.
            voxel_mm3: volume of a voxel, or its area in the unit of the sizes.
        """
        boxes = ndimage.find_objects(classes, max_label=len(label_names)) if self else []
        known = [box for box in boxes if box is not None]
        if not known:
            return classes
        result = classes.copy()
        part = result[_union(known)]
        if self.largest_together:
            part[~_large_pieces(part > 0, most=1)] = 0
        for number, (name, box) in enumerate(zip(label_names, boxes, strict=True), start=1):
            most = self.largest_pieces.get(name)
            least_vox = self.smallest_piece_mm3.get(name, 0.0) / voxel_mm3
            if box is not None and (most or least_vox):
                own = result[box]
                mask = own == number
                own[mask & ~_large_pieces(mask, most=most, least_vox=least_vox)] = 0
        if self.fill_holes:
            numbers = {n for n, name in enumerate(label_names, 1) if name in self.fill_holes}
            _fill(part, numbers, room=[int(side > 1) for side in classes.shape])
        return result


def common_steps(several: Sequence[Postprocessing]) -> Postprocessing:
    """Steps that more than half of several networks keep, the mildest of each.

    A size is the smallest of theirs, and a number of pieces the highest, each among the networks
    that keep the step.
    """

    def is_common(count: int) -> bool:
        """Return whether `count` networks are more than half of them."""
        return 2 * count > len(several)

    def labels(name: str) -> tuple[str, ...]:
        """Labels for which more than half of the networks keep a step."""
        all_labels = [label for one in several for label in getattr(one, name)]
        return tuple(
            label for label in dict.fromkeys(all_labels) if is_common(all_labels.count(label))
        )

    sizes = {
        label: min(o.smallest_piece_mm3[label] for o in several if label in o.smallest_piece_mm3)
        for label in labels("smallest_piece_mm3")
    }
    counts = {
        label: max(o.largest_pieces[label] for o in several if label in o.largest_pieces)
        for label in labels("largest_pieces")
    }
    together = is_common(sum(one.largest_together for one in several))
    return Postprocessing(together, counts, sizes, labels("fill_holes"))


def _large_pieces(mask: Mask, *, most: int | None = None, least_vox: float = 0.0) -> Mask:
    """Voxels of the largest pieces, `most` if given, of at least this size; always the largest."""
    pieces, count = ndimage.label(mask, structure=CORNERS)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    order = np.argsort(-sizes, kind="stable")[:most]  # of equal ones the first in voxel order
    kept = order[(sizes[order] >= least_vox) | (order == order[0])]
    is_kept = np.zeros(count + 1, dtype=bool)
    is_kept[kept + 1] = True
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
