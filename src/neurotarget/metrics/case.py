"""Score one case: class maps → rows with every metric of every label.

A class map holds 0 for background, i + 1 for the target's label i, and the target's `ignored_class`
for unlabelled voxels; both maps of a case have the same grid, in stored order. Ignored voxels are
left out of reference and prediction: no volume, piece or overlap counts them, and a mask that ends
at them has no surface there.

Until rows are made, metrics have the names of volumes (mm³, mm). A target in pixels has an `affine`
and `spacing_mm` of 1 mm, and its rows have the unit px.
"""

import math
from collections.abc import Mapping

from jaxtyping import Float
from numpy import ndarray

from neurotarget.metrics.masks.label_boxes import (
    Boxes,
    ClassMap,
    label_boxes,
    same_ignored,
    union,
    wider,
)
from neurotarget.metrics.masks.lesions import NO_LESIONS, brats_scores
from neurotarget.metrics.masks.overlap import dice, precision, recall
from neurotarget.metrics.masks.shape import (
    borders_on,
    pieces,
    swapped,
    swapped_in_space,
    touches_edge,
)
from neurotarget.metrics.masks.surface import (
    SurfaceDistances,
    assd_mm,
    hd95_mm,
    in_plane,
    surface_dice,
    surface_distances,
)
from neurotarget.metrics.masks.volume_error import (
    volume_error_mm3,
    volume_error_percent,
    volume_mm3,
    volume_similarity,
    voxel_mm3,
)
from neurotarget.metrics.metric_units import name_in, units_in
from neurotarget.metrics.own_metrics import OwnMetrics, own_score
from neurotarget.metrics.rater_rows import NOTHING, Further, further_scores
from neurotarget.metrics.region_parts import parts_of
from neurotarget.shapes import Mask
from neurotarget.types import Case, Row, Target, Triple, has_failed

Affine = Float[ndarray, "4 4"]
Scores = dict[str, float]

ALONE = ("volume_mm3", "pieces", "touches_edge")  # metrics of a single map
COMPARED = (
    "precision",
    "recall",
    "hd95_mm",
    "assd_mm",
    "surface_dice",
    "volume_error_mm3",
    "volume_error_abs_mm3",
    "volume_error_percent",
    "volume_similarity",
)


def score_case(
    case: Case,
    truth: ClassMap | None,
    pred: ClassMap | None,
    target: Target,
    *,
    affine: Affine,
    spacing_mm: Triple,
    split: str = "",
    oriented: bool = True,
    further: Further = NOTHING,
    own: OwnMetrics | None = None,
) -> list[Row]:
    """Return the rows of a prediction `pred` and its reference `truth`; None for a missing map.

    A label that is in neither map has NaN scores. `types.has_failed` defines failed labels; a label
    without a predicted voxel has Dice 0 and no distances. Without a reference, swapped sides are
    detected by the affine, if the scan is `oriented`.

    Each rater in `further` adds `dice@<rater>` of the prediction, `reference_volume_mm3@<rater>`,
    `reference_swapped@<rater>` of pairs in an `oriented` scan, and `rater_dice@<rater>` against
    the reference, `rater_dice@<a>@<b>` against another rater. Each scan adds `mean_<contrast>`
    inside the prediction, `reference_mean_<contrast>` inside the reference, and
    `reference_mean_<contrast>@<rater>` inside a rater's mask; NaN for an empty mask. If one of the
    two maps has ignored voxels, `reference_borders_on_ignored` is 1 for labels whose volume may be
    incomplete.

    `own` adds scores by the user's own functions. Each region of the target has the rows of a label
    and the BraTS scores (see `lesions`).
    """
    rows, known = [], {"affine": affine, "spacing_mm": spacing_mm, "oriented": oriented}
    for part in parts_of(target):
        maps, more = (part.of(truth), part.of(pred)), part.further(further)
        scores = _scored(case, *maps, part.target, further=more, own=own or {}, **known)
        units = {name: metric.unit for name, metric in (own or {}).items()}
        rows += _rows(case, scores, split, part.target, units)
    return rows


def _scored(
    case: Case,
    truth: ClassMap | None,
    pred: ClassMap | None,
    target: Target,
    *,
    affine: Affine,
    spacing_mm: Triple,
    oriented: bool,
    further: Further,
    own: OwnMetrics,
) -> dict[str, Scores]:
    """Return the scores of `score_case` by label and metric."""
    ignored = None
    if truth is not None and pred is not None:
        truth, pred, ignored = same_ignored(target, truth, pred)
    scores = _alone(pred, target, affine, oriented=oriented)
    for values in scores.values():
        values["failed"] = float(pred is None)
    if truth is not None:
        for label, values in _alone(truth, target, affine, oriented=oriented).items():
            scores[label] |= {f"reference_{metric}": value for metric, value in values.items()}
        _compare(scores, truth, pred, target, spacing_mm, ignored)
        _add_own(scores, own, truth, pred, spacing_mm, case.case_id)
        _add_borders(scores, truth, target)
    for label, values in further_scores(truth, further, target, affine, pred=pred).items():
        scores[label] |= values
    _add_sides(scores, further, target, affine, oriented=oriented)
    return scores


def measure_case(
    case: Case,
    truth: ClassMap | None,
    target: Target,
    *,
    affine: Affine,
    split: str = "",
    oriented: bool = True,
    further: Further = NOTHING,
) -> list[Row]:
    """Return the rows of a reference and of further raters, for a case without a prediction.

    They are the rows of `score_case` whose metric begins with `reference_` or compares raters.
    Without a reference (`truth` is None) its measures are NaN.
    """
    rows = []
    for part in parts_of(target):
        known = {"affine": affine, "oriented": oriented, "further": part.further(further)}
        scores = _measured(part.of(truth), part.target, **known)
        rows += _rows(case, scores, split, part.target)
    return rows


def _measured(
    truth: ClassMap | None, target: Target, *, affine: Affine, oriented: bool, further: Further
) -> dict[str, Scores]:
    """Return the measures of `measure_case` by label and metric."""
    scores = {
        label: {f"reference_{metric}": value for metric, value in values.items()}
        for label, values in _alone(truth, target, affine, oriented=oriented).items()
    }
    if truth is not None:
        _add_borders(scores, truth, target)
    for label, values in further_scores(truth, further, target, affine, alone=True).items():
        scores[label] |= values
    _add_sides(scores, further, target, affine, oriented=oriented)
    return scores


def _rows(
    case: Case,
    scores: Mapping[str, Scores],
    split: str,
    target: Target,
    own_units: Mapping[str, str] | None = None,
) -> list[Row]:
    units = units_in(target.size_units) | dict(own_units or {})
    order = {metric: place for place, metric in enumerate(units)}
    units |= {f"mean_{name}": unit for name, unit in target.units.items()}
    units |= {f"reference_mean_{name}": unit for name, unit in target.units.items()}

    who = (case.case_id, case.subject_id, split)
    named = {
        label: {name_in(metric, target.size_units): value for metric, value in values.items()}
        for label, values in scores.items()
    }
    return [
        Row(*who, label, metric, values[metric], units[metric.partition("@")[0]])
        for label, values in named.items()
        for metric in sorted(values, key=lambda one: ("@" in one, order.get(one, len(order))))
    ]


def _alone(
    classes: ClassMap | None, target: Target, affine: Affine, *, oriented: bool
) -> dict[str, Scores]:
    """Metrics of a single map by label; NaN where there is no map."""
    scores = {label: dict.fromkeys(ALONE, math.nan) for label in target.labels}
    for label in (label for pair in target.pairs for label in pair):
        scores[label]["swapped"] = math.nan
    if classes is None:
        return scores
    boxes, one_voxel_mm3 = label_boxes(classes, target), voxel_mm3(affine)
    for number, (label, box) in enumerate(boxes.items(), start=1):
        mask = classes[union(box)] == number
        values = (
            volume_mm3(mask, one_voxel_mm3),
            float(pieces(mask)),
            float(box is not None and touches_edge(box, classes.shape)),
        )
        scores[label] |= dict(zip(ALONE, values, strict=True))
    if oriented:
        for label, crossed in _crossed(classes, boxes, target, affine).items():
            scores[label]["swapped"] = crossed
    return scores


def _crossed(classes: ClassMap, boxes: Boxes, target: Target, affine: Affine) -> Scores:
    """Return 1 for labels whose left and right are swapped according to the affine, else 0."""
    crossed = {}
    for pair in target.pairs:
        box = union(*(boxes[label] for label in pair))
        sides = (classes[box] == _number(label, target) for label in pair)
        crossed |= dict.fromkeys(pair, swapped_in_space(*sides, affine))
    return crossed


def _add_sides(
    scores: Mapping[str, Scores],
    further: Further,
    target: Target,
    affine: Affine,
    *,
    oriented: bool,
) -> None:
    """Add `reference_swapped@<rater>`: 1 where a further rater has swapped left and right."""
    for name, classes in further.raters.items() if oriented else ():
        crossed = _crossed(classes, label_boxes(classes, target), target, affine)
        for label, value in crossed.items():
            scores[label][f"reference_swapped@{name}"] = value


def _add_borders(scores: Mapping[str, Scores], truth: ClassMap, target: Target) -> None:
    """Add `reference_borders_on_ignored` of each label, if the map has ignored voxels."""
    ignored = truth == target.ignored_class
    if not ignored.any():
        return
    for number, (label, box) in enumerate(label_boxes(truth, target).items(), start=1):
        place = wider(union(box))
        borders = borders_on(truth[place] == number, ignored[place])
        scores[label]["reference_borders_on_ignored"] = float(borders)


def _compare(
    scores: Mapping[str, Scores],
    truth: ClassMap,
    pred: ClassMap | None,
    target: Target,
    spacing_mm: Triple,
    ignored: Mask | None,
) -> None:
    """Add the metrics of a prediction against its reference."""
    lesions = {} if target.is_flat else target.regions  # lesions have limits in mm³
    if pred is None:
        for label, values in scores.items():
            values |= {"dice": 0.0, **dict.fromkeys(COMPARED, math.nan)}
            values |= NO_LESIONS if label in lesions else {}
        return
    known = [label_boxes(classes, target) for classes in (truth, pred)]
    for number, (label, values) in enumerate(scores.items(), start=1):
        box = union(*(boxes[label] for boxes in known))
        box = box if ignored is None else wider(box)
        masks = (truth[box] == number, pred[box] == number)
        unjudged = None if ignored is None else ignored[box]
        *planes, sides_mm = in_plane(truth.shape, spacing_mm, *masks, unjudged)
        distances = surface_distances(*planes[:2], sides_mm, planes[2])
        values |= _compared(*masks, values, distances, target.surface_tolerance)
        if label in lesions:
            values |= brats_scores(*masks, values, spacing_mm)
    for pair in target.pairs:
        box = union(*(boxes[label] for boxes in known for label in pair))
        numbers = [_number(label, target) for label in pair]
        crossed = swapped(
            *(classes[box] == number for classes in (truth, pred) for number in numbers)
        )
        for label in pair:
            scores[label]["swapped"] = crossed


def _add_own(
    scores: Mapping[str, Scores],
    own: OwnMetrics,
    truth: ClassMap,
    pred: ClassMap | None,
    spacing_mm: Triple,
    case_id: str,
) -> None:
    """Add the scores of the user's own functions, of masks on the whole grid."""
    for number, (label, values) in enumerate(scores.items(), start=1) if own else ():
        for name, metric in own.items():
            masks = () if pred is None else (truth == number, pred == number)
            where = f"{case_id}, {label}"
            values[name] = own_score(name, metric, *masks, spacing_mm=spacing_mm, where=where)


def _compared(
    truth: Mask, pred: Mask, volumes: Scores, distances: SurfaceDistances, tolerance_mm: float
) -> Scores:
    reference, predicted = volumes["reference_volume_mm3"], volumes["volume_mm3"]
    error, overlap = volume_error_mm3(reference, predicted), dice(truth, pred)
    is_lost = reference > 0 and not predicted
    return {
        "dice": overlap,
        "precision": precision(truth, pred),
        "recall": recall(truth, pred),
        "hd95_mm": hd95_mm(distances),
        "assd_mm": assd_mm(distances),
        "surface_dice": surface_dice(distances, tolerance_mm),
        "volume_error_mm3": error,
        "volume_error_abs_mm3": abs(error),
        "volume_error_percent": volume_error_percent(reference, predicted),
        "volume_similarity": volume_similarity(reference, predicted),
        "failed": float(has_failed(overlap, is_lost=is_lost)),
    }


def _number(label: str, target: Target) -> int:
    return target.label_names.index(label) + 1
