"""Read and check the fields of a target and of its region of interest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from neurotarget.anatomy.structures import ids_of, select
from neurotarget.derived import derived
from neurotarget.fields import (
    LARGEST_ID,
    Reader,
    columns,
    exactly,
    hypotheses,
    ids,
    instance,
    interval,
    is_list,
    items,
    label_ids,
    mapping,
    number,
    optional,
    pair,
    published,
    read_fields,
    text,
    whole,
)
from neurotarget.image_score import image_score
from neurotarget.outcome import outcomes
from neurotarget.problems import DataError

Triple = tuple[float, float, float]
TripleVox = tuple[int, int, int]
Anchor = Literal["head", "scan", "world"]  # a place that a scan has, see `Roi`

ANY = "any"  # value of `pieces`, as null: a label may have any number
OTHERS = "others"  # value of `background_ids`: all ids that are not named
REST = "rest"  # the same
RESERVED = ("case_id", "subject_id", "label", "split", "fold")  # columns of a manifest
SIDES_MM = (0.02, 50.0)  # plausible sides of a voxel; others are in a wrong unit
SIDES_PX = (0.1, 50.0)  # of a working pixel, in pixels of the file
LEAST_SIDE_MM, LARGEST_MM = 0.02, 10_000.0  # of regions and distances in a scan
MOST_PIECES = 1000  # of one structure; of more, such as lesions, the number is no expectation
OTHER_ID = -(2**31)  # placeholder for `others` in lists of ids; no label file has it


@dataclass(frozen=True, slots=True)
class Roi:
    """A box in canonical axes that contains the target in every scan.

    `anchor` is the origin of `offset_mm`: `head`, the centre line below the vertex of the head
    (see `data.batches.roi`), `scan`, the centre of the grid, or `world`, the origin of the affine
    (for scans in a template's space).

    Attributes:
        size_mm: sides of the box along the canonical axes.
        offset_mm: from the anchor to the centre of the box, right, anterior and superior.
    """

    size_mm: Triple
    anchor: Anchor = "head"
    offset_mm: Triple = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        wrong = read_fields(self, ROI_FIELDS)
        if self.anchor not in ("head", "scan", "world"):
            wrong.append(f"anchor: found {self.anchor!r}, wanted head, scan or world")
        if wrong:
            problems = "; ".join(f"roi.{one}" for one in wrong)
            raise DataError(f"{problems}; correct the target's settings")


ROI_FIELDS: Mapping[str, Reader] = {
    "size_mm": exactly(3, number(LEAST_SIDE_MM, LARGEST_MM)),
    "offset_mm": exactly(3, number(-LARGEST_MM, LARGEST_MM)),
}


def _background_ids(value: object) -> tuple[int, ...]:
    if isinstance(value, str) and value not in (OTHERS, REST):
        raise ValueError(f"found {value!r}, wanted ids, or {OTHERS} for all that are not named")
    return (OTHER_ID,) if isinstance(value, str) else ids(OTHER_ID)(value)


def _labels(value: object) -> dict[str, tuple[int, ...]]:
    """Read labels: names with their ids, or a list of structures and groups of FreeSurfer's table.

    A structure or a group may also stand in place of an id: `hippocampi: [Left-Hippocampus, 53]`.
    """
    if is_list(value):
        return select(tuple(map(text, value)))
    return label_ids(mapping(_numbers)(value))


def _numbers(value: object) -> object:
    """Replace names of structures and groups by ids; other values are kept."""
    if isinstance(value, str):
        return ids_of(value)
    if is_list(value):
        return [
            number for one in value for number in (ids_of(one) if isinstance(one, str) else [one])
        ]
    return value


def _pieces(value: object) -> int | None:
    """Read the number of connected pieces of a label; None if it may have any."""
    try:
        return None if value is None or value == ANY else whole(1, MOST_PIECES)(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {ANY}") from error


def _members(value: object) -> tuple[str | int, ...]:
    """Read the labels of a region: names, ids, or both."""
    several = value if is_list(value) else [value]
    return tuple(text(one) if isinstance(one, str) else whole(1)(one) for one in several)


TARGET_FIELDS: Mapping[str, Reader] = {
    "name": text,
    "question": text,
    "contrasts": columns(RESERVED),
    "labels": _labels,
    "dimensions": whole(2, 3),
    "spacing_px": optional(exactly(2, number(*SIDES_PX))),
    "spacing_mm": exactly(3, number(*SIDES_MM)),
    "size_vox": optional(exactly(3, whole(1))),
    "slices_last": instance(bool, "true or false"),
    "patch_vox": exactly(3, whole(1)),
    "pairs": items(pair),
    "background_ids": _background_ids,
    "ignore_ids": ids(-LARGEST_ID),
    "roi": instance(Roi, "null, or size_mm, anchor and offset_mm of neurotarget.types.Roi"),
    "volume_range_mm3": mapping(interval),
    "area_range_mm2": mapping(interval),
    "area_range_px": mapping(interval),
    "surface_tolerance_mm": number(0, LARGEST_MM),
    "surface_tolerance_px": number(0, LARGEST_MM),
    "hypotheses": hypotheses,
    "units": mapping(text),
    "published": items(published),
    "levels": mapping(mapping(text)),
    "acceptable": mapping(number(0)),
    "outcomes": outcomes,
    "image_score": image_score,
    "pieces": mapping(_pieces),
    "derived": derived,
    "regions": mapping(_members),
}
