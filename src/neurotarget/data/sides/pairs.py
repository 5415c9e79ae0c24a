"""Separation of pairs into left and right, after both sides were segmented as one class.

A target has one of two modes in `sides`. With `labels`, left and right are two classes: a flip has
to swap them, in training and in prediction, and the network must learn where the middle is. With
`split`, a pair is one class with twice the voxels, and a flip needs no swap; but the side of a
nucleus without partner must be derived from the middle of the head, and a note states this.

Sides are separated in scanner coordinates and by the halves themselves, so that neither the order
of voxels nor position or tilt of the head matters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.labels import ClassOfId
from neurotarget.data.sides.halves import Halves, halves_of
from neurotarget.data.sides.midplane import Plane, Points, middle_of_grid
from neurotarget.label_regions import sums_of
from neurotarget.pieces import CORNERS
from neurotarget.shapes import Mask
from neurotarget.types import Target

MAIN_SHARE = 0.1  # of the largest piece; smaller pieces are not used to find the border
BOTH_SHARE = 0.2  # least share of a pair beyond the middle of the head to count as two sides
CUT_SHARE = 0.25  # of the way from the border to a centre: a piece that reaches further is cut
OTHERS = "the plane between the other pairs"

Classes = Integer[ndarray, "I J K"]
Affine = Float[ndarray, "4 4"]
Middle = Plane | Callable[[], Plane] | None


@dataclass(frozen=True, slots=True)
class Pair:
    """The voxels of a merged class; all sequences have one item per voxel."""

    box: tuple[slice, ...]
    mask: Mask  # within the box
    points: Points  # in mm
    pieces: Integer[ndarray, " N"]  # number of the connected piece of each voxel
    main: Points  # of the pieces larger than specks
    halves: Halves | None  # None if all voxels coincide


def as_trained(target: Target) -> Target:
    """Return the target that the network learns: with `sides: split`, each pair is one label.

    A merged label has the ids of both sides, the sums of their ranges of size and of their numbers
    of pieces, and the common part of their names, else `both`. Pairs, hypotheses and published
    scores are left out.
    """
    if target.sides == "labels":
        return target
    names = _class_names(target)
    labels: dict[str, tuple[int, ...]] = {}
    members: dict[str, list[str]] = {}
    for label, ids in target.labels.items():
        labels[names[label]] = (*labels.get(names[label], ()), *ids)
        members.setdefault(names[label], []).append(label)
    known = target.size_ranges
    ranges = {
        name: tuple(np.sum([known[label] for label in parts], axis=0).tolist())
        for name, parts in members.items()
        if all(label in known for label in parts)
    }
    counts = {
        name: [target.expected_pieces[one] for one in parts] for name, parts in members.items()
    }
    return replace(
        target,
        labels=labels,
        pieces={name: None if None in many else sum(many) for name, many in counts.items()},
        pairs=(),
        sides="labels",
        hypotheses=(),
        published=(),
        regions={},
        **{target.size_units.range_field: ranges},
    )


def trained_class(target: Target) -> tuple[int, ...]:
    """Return the class of `as_trained(target)` for each class of the target; 0 stays 0.

    Both classes of a pair get the same class; with `sides: labels` all classes are unchanged.
    """
    names = _class_names(target)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names.values()), start=1)}
    return (0, *(numbers[names[label]] for label in target.labels))


def to_trained(mapping: ClassOfId, target: Target) -> ClassOfId:
    """Convert the mapping of `class_of_id` to the classes of `as_trained(target)`.

    An id that belongs to both classes of a pair gets their common class.
    """
    into = (*trained_class(target), as_trained(target).ignored_class)
    trained = {}
    for value, number in mapping.items():
        both = tuple(dict.fromkeys(into[one] for one in np.atleast_1d(number)))
        trained[value] = both if len(both) > 1 else both[0]
    return trained


def split_sides(
    classes: Classes, affine: Affine, target: Target, *, middle: Middle = None
) -> tuple[Classes, tuple[str, ...]]:
    """Convert classes of `as_trained(target)` to those of the target by splitting each pair.

    Pieces are assigned to a side as a whole; a piece that reaches far across the border is cut.

    Args:
        classes: of each voxel, in any order of axes.
        affine: maps voxels to scanner coordinates (RAS+, mm).
        target: its pairs; with `sides: labels` the classes are returned as they are.
        middle: plane between the halves of the head, or a function that finds it, called only if a
            pair does not determine its own border; the default is the middle of the grid.

    Returns:
        Classes of the target, and notes for the user: a pair with one side only, a piece that was
        cut, and a border that is not the pair's own.
    """
    final, _, notes = _split(classes, affine, target, middle)
    return final, notes


def split_probabilities(
    probabilities: Float[ndarray, "T I J K"],
    affine: Affine,
    target: Target,
    *,
    middle: Middle = None,
) -> tuple[Float[ndarray, "L I J K"], tuple[str, ...]]:
    """Convert probabilities of `as_trained(target)` to those of the target; see `split_sides`.

    A voxel's probability of a pair goes to one side, and the other side gets 0. This is the side of
    the voxel's piece or, outside of the pieces, the side of the border on which the voxel lies. The
    most likely classes then equal those of `split_sides`.

    Args:
        probabilities: of T trained classes, background first.
        affine: maps voxels to scanner coordinates (RAS+, mm).
        target: its pairs.
        middle: as for `split_sides`.

    Returns:
        Probabilities of the target's L classes, background first, and the notes of `split_sides`.
    """
    if target.sides == "labels":
        return probabilities, ()
    final, borders, notes = _split(probabilities.argmax(axis=0), affine, target, middle)
    into = trained_class(target)
    result = probabilities[list(into)]
    for left, right in _pair_classes(target):
        border = borders.get(into[left])  # None for a pair without voxels
        plane = border or middle_of_grid(final.shape, affine)
        is_right = _right_of(plane, final.shape, affine)
        is_right[final == left] = False
        is_right[final == right] = True
        result[left][is_right] = 0
        result[right][~is_right] = 0
    return result, notes


def _class_names(target: Target) -> dict[str, str]:
    """Return the name of the trained label for each label."""
    names = {label: label for label in target.labels}
    if target.sides == "labels":
        return names
    # regions use the common part of a pair's names only if there are several pairs
    regions = sums_of(target.label_names, target.pairs * 2)
    sums = ("left", "right", "total")
    shared = {parts: name for name, parts in regions.items() if name not in sums}
    for number, pair in enumerate(target.pairs, start=1):
        spare = "both" if len(target.pairs) == 1 else f"both_{number}"
        for label in pair:
            names[label] = shared.get(pair, spare)
    return names


def _pair_classes(target: Target) -> list[tuple[int, int]]:
    """Return the classes of the left and the right label of each pair."""
    number = {name: place for place, name in enumerate(target.labels, start=1)}
    return [(number[left], number[right]) for left, right in target.pairs]


def _split(
    classes: Classes, affine: Affine, target: Target, middle: Middle
) -> tuple[Classes, dict[int, Plane], tuple[str, ...]]:
    """Return the target's classes, the border of each merged class with voxels, and notes."""
    if target.sides == "labels":
        return classes, {}, ()
    affine, into = np.asarray(affine, dtype=float), trained_class(target)
    sides = {into[left]: (left, right) for left, right in _pair_classes(target)}
    result = np.zeros(classes.shape, dtype=np.min_scalar_type(target.num_labels - 1))
    pairs: dict[int, Pair] = {}
    for number, box in enumerate(ndimage.find_objects(classes, max(into)), start=1):
        if box is None:
            continue
        mask = classes[box] == number
        if number in sides:
            pairs[number] = _pair(box, mask, affine)
        else:
            result[box][mask] = into.index(number)
    head = _head(list(pairs.values()), middle, classes.shape, affine)
    borders, notes = {}, []
    for number, pair in pairs.items():
        borders[number], reach_mm = _border(pair, head)
        is_right, is_cut = _sides_of(pair, borders[number], reach_mm)
        left, right = sides[number]
        result[pair.box][pair.mask] = np.where(is_right, right, left)
        names = (target.label_names[left - 1], target.label_names[right - 1])
        notes += _notes(names, pair, borders[number], is_right, is_cut=is_cut)
    return result, borders, tuple(notes)


def _pair(box: tuple[slice, ...], mask: Mask, affine: Affine) -> Pair:
    points = np.argwhere(mask) + [side.start for side in box]
    points = points @ affine[:3, :3].T + affine[:3, 3]
    pieces = ndimage.label(mask, structure=CORNERS)[0][mask] - 1
    sizes = np.bincount(pieces)
    main = points[sizes[pieces] >= MAIN_SHARE * sizes.max()]
    return Pair(box, mask, points, pieces, main, halves_of(main))


def _head(
    pairs: Sequence[Pair], middle: Middle, shape: tuple[int, ...], affine: Affine
) -> Callable[[], Plane]:
    """Make a function that finds the middle of the head, preferably from other pairs."""
    known = [pair.halves.border for pair in pairs if pair.halves and pair.halves.is_clear]

    @cache
    def find() -> Plane:
        """Average the other pairs' planes; else return the given middle, else the grid's."""
        if known:
            point = np.mean([plane.point_mm for plane in known], axis=0)
            normal = np.sum([plane.normal for plane in known], axis=0)
            normal /= np.linalg.norm(normal)
            return Plane(tuple(point.tolist()), tuple(normal.tolist()), OTHERS)
        if middle is None:
            return middle_of_grid(shape, affine)
        return middle if isinstance(middle, Plane) else middle()

    return find


def _border(pair: Pair, head: Callable[[], Plane]) -> tuple[Plane, float]:
    """Find a pair's border, and the distance in mm that a piece may reach across it uncut.

    The border is halfway between the halves if these are clear or agree with the middle of the
    head, else the middle of the head; without two sides nothing is cut.
    """
    halves = pair.halves
    if halves is not None and halves.is_separate:
        ends_mm = np.array([halves.left_mm, halves.right_mm])
        if halves.is_clear or np.prod(head().right_mm(ends_mm)) < 0:
            return halves.border, CUT_SHARE * float(np.linalg.norm(np.diff(ends_mm, axis=0))) / 2
    plane = head()
    across = plane.right_mm(pair.main)
    share = float((across > 0).mean())
    is_there_twice = min(share, 1 - share) >= BOTH_SHARE
    return plane, CUT_SHARE * float(np.abs(across).mean()) if is_there_twice else np.inf


def _sides_of(pair: Pair, border: Plane, reach_mm: float) -> tuple[Bool[ndarray, " N"], bool]:
    """Mark the voxels on the right; also return whether a piece had to be cut."""
    beyond = border.right_mm(pair.points)
    is_right = np.bincount(pair.pieces, weights=beyond) > 0  # per piece, by its centre
    high, low = np.full(len(is_right), -np.inf), np.full(len(is_right), np.inf)
    np.maximum.at(high, pair.pieces, beyond)
    np.minimum.at(low, pair.pieces, beyond)
    is_cut = np.minimum(high, -low) > reach_mm
    return np.where(is_cut[pair.pieces], beyond > 0, is_right[pair.pieces]), bool(is_cut.any())


def _right_of(plane: Plane, shape: tuple[int, ...], affine: Affine) -> Mask:
    """Mark the voxels of a grid to the right of a plane."""
    affine = np.asarray(affine, float)
    to_right = np.array(plane.normal) @ affine[:3, :3]  # mm per voxel
    start = float(plane.right_mm(affine[:3, 3]))
    i, j, k = (np.arange(side) * step for side, step in zip(shape, to_right, strict=True))
    return i[:, None, None] + (j[:, None] + k) > -start


def _notes(
    names: tuple[str, str],
    pair: Pair,
    border: Plane,
    is_right: Bool[ndarray, " N"],
    *,
    is_cut: bool,
) -> list[str]:
    """Write notes for the user: a missing side, a cut piece, a border from another source."""
    both, source = " and ".join(names), border.source
    if not is_right.any() or is_right.all():
        found = names[int(is_right[0])]
        away = abs(float(border.right_mm(pair.points.mean(axis=0))))
        return [f"{both}: only one side found, called {found}: it lies {away:.0f} mm off {source}"]
    if source == OTHERS:
        return []
    if is_cut:
        return [f"{both}: in one piece, cut at {source}"]
    is_own = pair.halves is not None and source == pair.halves.border.source
    return [] if is_own else [f"{both}: no two clear halves, separated at {source}"]
