"""Choice of post-processing steps: those that help on validation cases are kept.

The rule follows nnU-Net (Isensee 2021, doi:10.1038/s41592-020-01008-z), which keeps a step if the
mean Dice of the validation cases rises and that of no label falls. It is stricter: no single case
may lose more than `MOST_LOST`, or than the mean gain if that is larger, and each label needs
`FEWEST` validation cases. A step that does not change Dice counts as a gain if fewer pieces remain
beyond the number that the target expects. A label that may have any number of pieces, such
as lesions, loses no piece for the number alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.inference.case_predictor import Chosen
from neurotarget.inference.postprocess import ClassMap, Postprocessing
from neurotarget.metrics.masks.surface import hd95_mm, in_plane, surface_distances
from neurotarget.pieces import CORNERS
from neurotarget.shapes import Mask
from neurotarget.types import Triple

Cases = Float[ndarray, " N"]
Expected = Mapping[str, int | None]  # pieces by label, as `Target.expected_pieces`

FEWEST = 3  # validation cases with a label, below which no step is tried for it
MOST_LOST = 0.01  # Dice that a single case may always lose by a step
SHARES = (0.01, 0.05, 0.2)  # of the median reference volume: candidates for the smallest piece
NO_CHANGE = "no validation case gains"
ALL = "all labels"  # label name of a step on all labels together
SAME = 1e-9  # differences of mean Dice below this are rounding


class Example(NamedTuple):
    """A validation case: reference and raw prediction on the scan's own grid.

    Voxels of the reference above the last class are ignored: they are not scored, but steps see the
    prediction there, as they do in prediction.

    Attributes:
        truth, pred: class of each voxel, 0 for background.
        spacing_mm: of the voxels as stored.
        voxel_mm3: volume of a voxel; for pictures its area, or 1 for pixels.
    """

    truth: ClassMap
    pred: ClassMap
    spacing_mm: Triple
    voxel_mm3: float

    def cropped(self) -> "Example":
        """The part that contains all labels of both maps, so that many cases fit into memory."""
        boxes = ndimage.find_objects(((self.truth > 0) | (self.pred > 0)).astype(np.uint8))
        inside = boxes[0] if boxes else (slice(0, 1),) * 3
        # a side of 1 would make a picture of a mask in one slice of a volume
        inside = tuple(
            slice(max(side.stop - 2, 0), max(side.stop, 2)) if side.stop - side.start == 1 else side
            for side in inside
        )
        return self._replace(truth=self.truth[inside].copy(), pred=self.pred[inside].copy())


class Trial(NamedTuple):
    """One step tried on one label, or on all together; numbers before and after it.

    Dice is the mean over the `n` validation cases that have the label (of all labels: the mean of
    these means), `in_pieces` the number of predicted masks in more pieces than expected.
    """

    step: str  # field of Postprocessing
    label: str
    pieces: float  # how many of the largest are kept; NaN except for largest pieces
    size_mm3: float  # NaN except for a smallest piece
    kept: bool
    reason: str  # why it is not kept; "" if it is kept
    n: int
    dice_before: float
    dice_after: float
    in_pieces_before: int
    in_pieces_after: int


class Change(NamedTuple):
    """Effect of all kept steps on one label; Dice and pieces as in `Trial`.

    HD95 is the mean over the cases with a value before and after; NaN if no step is kept.
    """

    label: str
    n: int
    dice_before: float
    dice_after: float
    in_pieces_before: int
    in_pieces_after: int
    hd95_before_mm: float = math.nan
    hd95_after_mm: float = math.nan


class _Scores(NamedTuple):
    dice: Float[ndarray, "N ..."]  # by case and label; NaN if the reference lacks the label
    excess: Integer[ndarray, "N ..."]  # pieces of the prediction beyond the expected number

    def of(self, place: int) -> "_Scores":
        """Scores of one label alone, copied."""
        return _Scores(self.dice[:, place].copy(), self.excess[:, place].copy())

    def take(self, place: int, other: "_Scores") -> None:
        """Take over the scores of one label, in place."""
        self.dice[:, place], self.excess[:, place] = other.dice[:, place], other.excess[:, place]


def choose(examples: Sequence[Example], expected: Expected) -> Chosen:
    """Try the steps one after the other, each on the result of those kept before it.

    Labels are tried at once and compared separately, as a step on one does not affect the others.
    With fewer than `FEWEST` examples nothing is tried.

    Args:
        examples: validation cases with raw predictions.
        expected: labels in the order of their classes, each with its number of pieces (None: any).

    Returns:
        Steps that are kept, all trials in their order, and the effect of the kept steps on each
        label.
    """
    examples = [one.cropped() for one in examples]
    steps, trials, label_names = Postprocessing(), [], tuple(expected)
    if len(examples) < FEWEST:
        return Chosen(steps, (), ())
    before = _scores(examples, steps, expected)
    if len(label_names) > 1 and None not in expected.values():
        after = _scores(examples, replace(steps, largest_together=True), expected)
        trials.append(_together(before, after))
        if trials[-1].kept:
            steps, before = replace(steps, largest_together=True), after
    for tried in _candidates(examples, expected):
        after = _scores(examples, _joined(steps, tried), expected)
        for place, name in enumerate(label_names):
            one = _of_label(tried, name)
            is_done = bool(one.smallest_piece_mm3) and steps.largest_pieces.get(name) == 1
            if not one or is_done:
                continue  # too few cases with this label, or nothing left to drop
            trials.append(_trial(one, name, before.of(place), after.of(place)))
            if trials[-1].kept:
                steps = _joined(steps, one)
                before.take(place, after)
    return Chosen(steps, tuple(trials), _changes(examples, steps, expected))


def _changes(
    examples: Sequence[Example], steps: Postprocessing, expected: Expected
) -> tuple[Change, ...]:
    label_names = tuple(expected)
    changed = [steps.apply(one.pred, label_names, one.voxel_mm3) for one in examples]
    both = [_scores(examples, which, expected) for which in (Postprocessing(), steps)]
    changes = []
    for place, name in enumerate(label_names):
        before, after = (scores.of(place) for scores in both)
        is_touched = steps.largest_together or _of_label(steps, name)
        hd95 = _hd95(examples, changed, place + 1, len(label_names)) if is_touched else ()
        changes.append(Change(name, *_numbers(before, after), *hd95))
    return tuple(changes)


def _numbers(before: _Scores, after: _Scores) -> tuple[int, float, float, int, int]:
    """Cases with the label, mean Dice and masks in too many pieces, each before and after."""
    known = ~np.isnan(before.dice)
    dice = [float(one.dice[known].mean()) if known.any() else math.nan for one in (before, after)]
    return (int(known.sum()), *dice, *(int((one.excess > 0).sum()) for one in (before, after)))


def _candidates(examples: Sequence[Example], expected: Expected) -> list[Postprocessing]:
    """Steps on every label, in the order of the trials; sizes increase."""
    names, medians = tuple(expected), {}
    for number, name in enumerate(names, start=1):
        volumes = [float((one.truth == number).sum() * one.voxel_mm3) for one in examples]
        medians[name] = float(np.median([volume for volume in volumes if volume] or [0.0]))
    sizes = [
        {name: float(f"{share * median:.3g}") for name, median in medians.items() if median}
        for share in SHARES
    ]
    return [
        Postprocessing(largest_pieces={name: n for name, n in expected.items() if n is not None}),
        *(Postprocessing(smallest_piece_mm3=size) for size in sizes if size),
        Postprocessing(fill_holes=names),
    ]


def _of_label(steps: Postprocessing, name: str) -> Postprocessing:
    """The part of some steps that concerns one label."""
    counts, sizes = steps.largest_pieces, steps.smallest_piece_mm3
    return Postprocessing(
        largest_pieces={name: counts[name]} if name in counts else {},
        smallest_piece_mm3={name: sizes[name]} if name in sizes else {},
        fill_holes=tuple({name} & {*steps.fill_holes}),
    )


def _joined(steps: Postprocessing, more: Postprocessing) -> Postprocessing:
    return replace(
        steps,
        largest_pieces={**steps.largest_pieces, **more.largest_pieces},
        smallest_piece_mm3={**steps.smallest_piece_mm3, **more.smallest_piece_mm3},
        fill_holes=tuple(dict.fromkeys((*steps.fill_holes, *more.fill_holes))),
    )


def _scores(examples: Sequence[Example], steps: Postprocessing, expected: Expected) -> _Scores:
    """Dice and superfluous pieces of every case and label after these steps."""
    size = len(expected) + 1
    dice, excess = np.full((len(examples), size - 1), math.nan), []
    for row, one in enumerate(examples):
        pred = _without_ignored(
            one, steps.apply(one.pred, tuple(expected), one.voxel_mm3), size - 1
        )
        shared, truth, predicted = (
            np.bincount(part.ravel(), minlength=size)[1:size]
            for part in (one.truth[one.truth == pred], one.truth, pred)
        )
        np.divide(2.0 * shared, truth + predicted, out=dice[row], where=truth > 0)
        boxes = ndimage.find_objects(pred, max_label=size - 1)
        counted = zip(boxes, expected.values(), strict=True)
        excess.append(
            [
                0 if box is None else _excess(pred[box] == number, most)
                for number, (box, most) in enumerate(counted, start=1)
            ]
        )
    return _Scores(dice, np.array(excess))


def _excess(mask: Mask, most: int | None) -> int:
    return 0 if most is None else max(int(ndimage.label(mask, CORNERS)[1]) - most, 0)


def _trial(one: Postprocessing, name: str, before: _Scores, after: _Scores) -> Trial:
    """Decide whether to keep a step on one label."""
    step = next(key for key, value in one.as_dict().items() if value)
    known = ~np.isnan(before.dice)
    fewer = after.excess.sum() < before.excess.sum()
    reason = _why_not(before.dice[known], after.dice[known], is_tidier=bool(fewer))
    sizes = (one.largest_pieces.get(name, math.nan), one.smallest_piece_mm3.get(name, math.nan))
    return Trial(step, name, *sizes, not reason, reason, *_numbers(before, after))


def _together(before: _Scores, after: _Scores) -> Trial:
    """Decide on the largest piece of all labels: no label may lose, and the mean must gain."""
    known = ~np.isnan(before.dice)
    labels = np.flatnonzero(known.any(axis=0))
    means = [
        float(np.mean([part.dice[known[:, label], label].mean() for label in labels] or math.nan))
        for part in (before, after)
    ]
    fewer = bool(after.excess.sum() < before.excess.sum())
    reasons = [
        _why_not(*(part.dice[known[:, label], label] for part in (before, after)), is_tidier=True)
        for label in labels
    ]
    reason = next((text for text in reasons if text), "")
    if not reason and means[1] <= means[0] + SAME and not fewer:
        reason = NO_CHANGE
    in_pieces = [int((part.excess > 0).sum()) for part in (before, after)]
    how = ("largest_together", ALL, math.nan, math.nan)
    return Trial(*how, not reason, reason, len(known), *means, *in_pieces)


def _why_not(before: Cases, after: Cases, *, is_tidier: bool) -> str:
    """Return why a step is not kept, from the Dice of the cases; "" if it is kept."""
    if len(before) < FEWEST:
        return f"fewer than {FEWEST} validation cases have this label"
    gain = float(after.mean() - before.mean())
    if gain < -SAME:
        return "mean Dice falls"
    if (lost := float((before - after).max())) > max(MOST_LOST, gain):
        return f"one case loses {lost:.3f} of Dice"
    return "" if is_tidier or gain > SAME else NO_CHANGE


def _without_ignored(one: Example, pred: ClassMap, last: int) -> ClassMap:
    """Set a prediction to background where the reference ignores voxels."""
    ignored = one.truth > last
    return np.where(ignored, 0, pred) if ignored.any() else pred


def _hd95(
    examples: Sequence[Example],
    changed: Sequence[Integer[ndarray, "_ _ _"]],
    number: int,
    last: int,
) -> tuple[float, float]:
    """Mean HD95 of a class before and after, mm, over the cases with both values."""
    distances = []
    for one, after in zip(examples, changed, strict=True):
        scored = (_without_ignored(one, part, last) for part in (one.pred, after))
        truth, *sides = (part == number for part in (one.truth, *scored))
        *planes, sides_mm = in_plane(truth.shape, one.spacing_mm, truth, *sides)
        distances.append(
            [hd95_mm(surface_distances(planes[0], side, sides_mm)) for side in planes[1:]]
        )
    known = np.array([pair for pair in distances if not np.isnan(pair).any()])
    before, after_mm = known.mean(axis=0) if len(known) else (math.nan, math.nan)
    return float(before), float(after_mm)
