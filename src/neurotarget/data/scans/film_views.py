"""Pictures that differ from their data set: inverted, rotated, framed, of another bit depth.

The content of the pictures is unknown. Each picture is compared with the median of all at 16 × 16
pixels, so only data sets of one view are checked: at least `FEW` pictures, of which half resemble
the median. V views, S = 16 pixels per side. At these thresholds no unchanged film of
Shenzhen and Montgomery is reported, and about nine in ten inverted or rotated ones are
(docs/films.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.problems import Problem, some, warning
from neurotarget.types import Case

SIDE_PX = 16
FEW = 10  # fewest pictures for a median
ALIKE = 0.6  # correlation with the median of half the pictures of one view
OPPOSITE = -0.4  # correlation of an inverted picture
GAIN = 0.3  # least gain of correlation by a rotation
WIDE = 0.04  # least share of a side that a frame of one value takes
RARE = 0.5  # a frame of more pictures than this share is usual
EIGHT_BITS = 255
TURNS = {1: "90° clockwise", 2: "180°", 3: "90° anticlockwise"}  # by quarter turns


class View(NamedTuple):
    """A picture at 16 × 16 pixels (columns, rows), scaled to mean 0 and length 1."""

    small: Float[ndarray, "S S"]
    frame_px: int  # widest edge whose lines are of one value
    is_framed: bool
    is_deep: bool  # stored in more than 8 bits

    def as_plain(self) -> list:
        """Plain values of a record in JSON; grey values have three digits."""
        return [np.round(self.small, 3).tolist(), *self[1:]]

    @classmethod
    def from_plain(cls, values: Sequence | None) -> "View | None":
        """Make a view from the values of `as_plain`; None gives None."""
        return None if values is None else cls(np.array(values[0]), *values[1:])


class Usual(NamedTuple):
    """Usual appearance of the pictures of a data set, which are of one view."""

    small: Float[ndarray, "S S"]  # the median picture, of mean 0 and length 1
    is_framed: bool
    is_deep: bool | None  # None: mixed

    def as_plain(self) -> dict[str, object]:
        """Plain values for JSON; grey values have three digits."""
        return self._asdict() | {"small": np.round(self.small, 3).tolist()}

    @classmethod
    def from_plain(cls, values: Mapping[str, object]) -> "Usual":
        """Make the usual appearance from the values of `as_plain`.

        Raises:
            KeyError, TypeError, ValueError: the values are wrong, as in a damaged file.
        """
        small = np.asarray(values["small"], dtype=float)
        is_deep = values["is_deep"]
        if small.shape != (SIDE_PX, SIDE_PX) or not np.isfinite(small).all():
            raise ValueError(f"a picture of {small.shape}")
        return cls(small, bool(values["is_framed"]), None if is_deep is None else bool(is_deep))


class Odd(NamedTuple):
    """Oddity of a picture: found, wanted, and what to do."""

    found: str
    wanted: str
    todo: str


def view_of(picture: ndarray) -> View | None:
    """Make the view of a picture (I, J, 1); None if below 16 × 16 pixels or of one value."""
    grey = picture[..., 0]
    if picture.shape[2] != 1 or min(grey.shape) < SIDE_PX or grey.min() == grey.max():
        return None
    columns, rows = (np.linspace(0, side, SIDE_PX + 1).astype(int) for side in grey.shape)
    sums = np.add.reduceat(grey.astype(np.float64), columns[:-1], axis=0)
    sums = np.add.reduceat(sums, rows[:-1], axis=1)
    small = sums / np.outer(np.diff(columns), np.diff(rows))
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    if not length:
        return None
    edges = [(edge, side) for axis, side in enumerate(grey.shape) for edge in _edges(grey, axis)]
    is_framed = any(edge > WIDE * side for edge, side in edges)
    is_deep = grey.dtype.itemsize > 1 and float(grey.max()) > EIGHT_BITS
    return View(small / length, max(edge for edge, _ in edges), is_framed, is_deep)


def usual_view(views: Sequence[View | None]) -> Usual | None:
    """Compute the usual appearance of pictures; None for few pictures or mixed views.

    Args:
        views: one per picture; None, for pictures that are too small, are left out.

    Returns:
        The median picture, frame and depth; None below `FEW` pictures, or if less than half of them
        correlate with the median by `ALIKE`.
    """
    known = [view for view in views if view is not None]
    if len(known) < FEW:
        return None
    stack = np.stack([view.small for view in known])  # (V, S, S)
    median = np.median(stack, axis=0)
    median = median - median.mean()
    median = median / max(float(np.linalg.norm(median)), 1e-9)
    if float(np.median((stack * median).sum(axis=(1, 2)))) < ALIKE:
        return None
    deep = sum(view.is_deep for view in known)
    is_deep = bool(deep) if deep in (0, len(known)) else None
    framed = sum(view.is_framed for view in known)
    return Usual(median, framed > RARE * len(known), is_deep)


def oddities(view: View | None, usual: Usual) -> list[str]:
    """Describe differences of a picture from the training pictures, and what to do.

    Args:
        view: view of the new picture; None gives no difference.
        usual: usual appearance of the training pictures.
    """
    if view is None:
        return []
    found = []
    if odd := _turned_or_inverted(view, usual.small):
        found.append(f"{odd.found}: {odd.todo}")
    if view.is_framed and not usual.is_framed:
        found.append(f"a border of one value, {view.frame_px} px wide: cut it off")
    if usual.is_deep is not None and view.is_deep != usual.is_deep:
        bits, others = ("16", "8") if view.is_deep else ("8", "16")
        found.append(f"a film in {bits} bits: export it in {others}, as those of the training")
    return found


def odd_views(cases: Sequence[Case], views: Sequence[View | None]) -> list[Problem]:
    """Report pictures that are inverted, rotated, framed or of another bit depth than the rest.

    Args:
        cases: the data set.
        views: one per case, None where `view_of` gave none.

    Returns:
        Warnings: one per inverted or rotated picture, and one each about the depths and frames of
        all pictures. Below `FEW` pictures there is no warning; pictures of mixed views are only
        checked for depth.
    """
    known = [(case, view) for case, view in zip(cases, views, strict=True) if view is not None]
    if len(known) < FEW:
        return []
    problems = list(_depths(known))
    usual = usual_view(views)
    if usual is None:
        return problems
    for case, view in known:
        if odd := _turned_or_inverted(view, usual.small):
            file = next(iter(case.images.values()), "")
            problems.append(warning(*odd, case_id=case.case_id, file=file))
    return problems + list(_frames(known))


def _turned_or_inverted(view: View, median: Float[ndarray, "S S"]) -> Odd | None:
    # rot90 of (columns, rows) turns the displayed picture clockwise
    fits = [float((np.rot90(view.small, turn) * median).sum()) for turn in range(4)]
    best = int(np.argmax(fits))
    if fits[0] < OPPOSITE and -fits[0] > max(fits):
        found = f"an inverted film (correlation {fits[0]:.2f} with the median film)"
        wanted = "air dark and bone bright, or the reverse, in all films"
        return Odd(found, wanted, "invert its grey values")
    if best and fits[best] > max(ALIKE, fits[0] + GAIN):
        found = f"a rotated film (correlation {fits[0]:.2f} with the median film)"
        todo = f"turn it by {TURNS[best]}, after which it is {fits[best]:.2f}"
        return Odd(found, "films of one orientation", todo)
    return None


def _depths(known: Sequence[tuple[Case, View]]) -> Iterator[Problem]:
    """Yield a problem for the rarer of two depths."""
    deep = [case.case_id for case, view in known if view.is_deep]
    flat = [case.case_id for case, view in known if not view.is_deep]
    if deep and flat:
        rarer, bits, others = (deep, "16", "8") if len(deep) <= len(flat) else (flat, "8", "16")
        found = f"{len(rarer)} of {len(known)} films in {bits} bits ({some(rarer)})"
        todo = "export all films the same way, or a network may learn how they were stored"
        yield warning(found, f"{others} bits, as the others have", todo)


def _frames(known: Sequence[tuple[Case, View]]) -> Iterator[Problem]:
    """Yield a problem for the films with a border of one value, unless most have a border."""
    framed = [(case.case_id, view.frame_px) for case, view in known if view.is_framed]
    if 0 < len(framed) <= RARE * len(known):
        names = some([name for name, _ in framed])
        width_px = max(frame_px for _, frame_px in framed)
        found = f"a border of one value, at most {width_px} px wide, on {len(framed)} of "
        found += f"{len(known)} films ({names})"
        yield warning(found, "films up to their edges", "cut it off, or a network may learn it")


def _edges(grey: ndarray, axis: int) -> tuple[int, int]:
    """Count lines of one common value at the start and the end of an axis."""
    lines = np.moveaxis(grey, axis, 0)
    inked = [(lines != lines[place].flat[0]).any(axis=1) for place in (0, -1)]
    return int(inked[0].argmax()), int(inked[1][::-1].argmax())
