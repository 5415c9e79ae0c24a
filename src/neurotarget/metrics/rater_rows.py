"""Additional rows of a case from further raters and from scans with a unit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from jaxtyping import Float, Integer, Num
from numpy import ndarray

from neurotarget.metrics.masks.intensity import mean_inside
from neurotarget.metrics.masks.label_boxes import ClassMap, label_boxes, same_ignored, union
from neurotarget.metrics.masks.overlap import dice
from neurotarget.metrics.masks.volume_error import volume_mm3, voxel_mm3
from neurotarget.types import Target

Box = Integer[ndarray, "P Q R"]  # part of a class map

Scan = Num[ndarray, "I J K"]
Scores = dict[str, dict[str, float]]  # label → metric → value


@dataclass(frozen=True, slots=True)
class Further:
    """Masks of further raters, and scans, on the grid of a case's maps.

    `raters` holds class maps by rater. `scans` holds scans by contrast, for contrasts with a unit;
    their means inside every mask become rows.
    """

    raters: Mapping[str, ClassMap] = field(default_factory=dict)
    scans: Mapping[str, Scan] = field(default_factory=dict)


NOTHING = Further()


def further_scores(
    truth: ClassMap | None,
    further: Further,
    target: Target,
    affine: Float[ndarray, "4 4"],
    *,
    pred: ClassMap | None = None,
    alone: bool = False,
) -> Scores:
    """Return the additional metrics of every label; empty without raters and scans.

    Each rater has `dice@<rater>` of the prediction, `reference_volume_mm3@<rater>`, and
    `rater_dice@<rater>` against the reference, `rater_dice@<a>@<b>` against another rater. Each
    scan has `mean_<contrast>` inside the prediction, `reference_mean_<contrast>` inside the
    reference, and `reference_mean_<contrast>@<rater>` inside that rater's mask; NaN for an empty
    mask. A missing prediction has Dice 0 and a mean of NaN; with `alone` it has no metrics.
    """
    scores: Scores = {label: {} for label in target.labels}
    if not (further.raters or further.scans):
        return scores
    truth, pred, further = _cut(truth, pred, further, target)
    if not alone:
        _add_prediction(scores, pred, further, target)
    maps = {"": truth} if truth is not None else {}
    maps |= {f"@{name}": classes_of for name, classes_of in further.raters.items()}
    for name, classes in maps.items():
        _add_means(scores, f"reference_mean_{{}}{name}", classes, further, target)
        if name:
            _add_volumes(scores, name, classes, target, affine)
    for (first, ours), (second, theirs) in combinations(maps.items(), 2):
        for label, value in _dice(ours, theirs, target).items():
            scores[label][f"rater_dice{first}{second}"] = value
    return scores


def _cut(
    truth: ClassMap | None, pred: ClassMap | None, further: Further, target: Target
) -> tuple[Box | None, Box | None, Further]:
    """Crop all arrays to the box of all labels, to speed up later steps."""
    maps = [one for one in (truth, pred, *further.raters.values()) if one is not None]
    box = union(*(box for one in maps for box in label_boxes(one, target).values()))
    inside = (None if one is None else one[box] for one in (truth, pred))
    raters = {name: classes[box] for name, classes in further.raters.items()}
    scans = {name: scan[box] for name, scan in further.scans.items()}
    return *inside, Further(raters, scans)


def _add_prediction(
    scores: Scores, pred: ClassMap | None, further: Further, target: Target
) -> None:
    _add_means(scores, "mean_{}", pred, further, target)
    for name, theirs in further.raters.items():
        by_label = dict.fromkeys(scores, 0.0) if pred is None else _dice(theirs, pred, target)
        for label, value in by_label.items():
            scores[label][f"dice@{name}"] = value


def _add_means(
    scores: Scores, metric: str, classes: ClassMap | None, further: Further, target: Target
) -> None:
    """Add the mean of each scan inside each label; {} in `metric` stands for the contrast."""
    boxes = dict.fromkeys(target.labels) if classes is None else label_boxes(classes, target)
    for contrast, scan in further.scans.items():
        for number, (label, box) in enumerate(boxes.items(), start=1):
            mean = math.nan if box is None else mean_inside(scan[box], classes[box] == number)
            scores[label][metric.format(contrast)] = mean


def _add_volumes(
    scores: Scores, name: str, classes: ClassMap, target: Target, affine: Float[ndarray, "4 4"]
) -> None:
    one_voxel_mm3 = voxel_mm3(affine)
    for number, (label, box) in enumerate(label_boxes(classes, target).items(), start=1):
        mask = classes[union(box)] == number
        scores[label][f"reference_volume_mm3{name}"] = volume_mm3(mask, one_voxel_mm3)


def _dice(one: ClassMap, other: ClassMap, target: Target) -> dict[str, float]:
    """Dice of each label of two maps, without voxels that either map ignores."""
    one, other, _ = same_ignored(target, one, other)
    both = [label_boxes(classes, target) for classes in (one, other)]
    by_label = {}
    for number, label in enumerate(target.labels, start=1):
        box = union(*(boxes[label] for boxes in both))
        by_label[label] = dice(one[box] == number, other[box] == number)
    return by_label
