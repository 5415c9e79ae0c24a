"""Masks of findings on a film, from runs of pixels or outlines.

Runs follow the columns, as in the tables of SIIM-ACR 2019 and in COCO: pixel 1 is below pixel 0.
An outline is the closed line through corners (x, y) in pixels, from the left and from the top; the
pixels that it crosses belong to the finding.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from PIL import Image, ImageDraw

Runs = Integer[ndarray, "N 2"]  # first pixel and length
Outline = Float[ndarray, "N 2"]  # x, y
MOST_PIXEL = 1 << 40  # larger numbers are no pixels


class Marks(NamedTuple):
    """All marks of one finding on one film; a negative film has no marks."""

    runs: Sequence[Runs] = ()
    outlines: Sequence[Outline] = ()
    size_px: tuple[int, int] | None = None  # columns and rows to which they refer; None: film

    @property
    def last_pixel(self) -> int:
        """Number of the pixel after the last run; 0 without runs."""
        return max((int(runs.sum(1).max()) for runs in self.runs if len(runs)), default=0)


def relative_runs(text: str) -> Runs:
    """Parse a cell of SIIM's table: pairs of gap and length; "-1" means no run.

    A gap begins at the end of the previous run. Source: the competition's `mask_functions.py`.

    Raises:
        ValueError: the text does not consist of such pairs.

    Returns:
        First pixel and length of each run, (N, 2) int64; (0, 2) on a film without a finding.
    """
    numbers = [] if text.strip() in ("-1", "") else [_pixels(one) for one in text.split()]
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers")
    gaps, lengths = np.array(numbers, dtype=np.int64).reshape(-1, 2).T
    return np.stack([np.cumsum(gaps) + np.cumsum(lengths) - lengths, lengths], axis=1)


def alternating_runs(counts: Sequence[int]) -> Runs:
    """Convert COCO's list of lengths, which alternate outside and inside of the finding, to runs.

    Raises:
        ValueError: a value is no length.
    """
    lengths = np.array([_pixels(one) for one in counts], dtype=np.int64)
    ends = np.cumsum(lengths)
    return np.stack([ends[1::2] - lengths[1::2], lengths[1::2]], axis=1)


def _pixels(value: object) -> int:
    number = int(str(value))
    if not 0 <= number < MOST_PIXEL:
        raise ValueError(f"the number {number}")
    return number


def drawn(marks: Marks, size_px: tuple[int, int]) -> Bool[ndarray, "I J 1"]:
    """Make the mask of the marks on a film of `size_px` columns and rows.

    Marks that refer to another size are enlarged or reduced to the film's size.

    Raises:
        ValueError: a run or a corner lies outside of the film.
    """
    columns, rows = marks.size_px or size_px
    if marks.last_pixel > columns * rows:
        raise ValueError(f"runs up to pixel {marks.last_pixel} of {columns} × {rows}")
    for corners in marks.outlines:
        right, bottom = corners.max(axis=0)
        if corners.min() < 0 or right > columns or bottom > rows:
            raise ValueError(f"corners up to ({right:g}, {bottom:g}) of {columns} × {rows}")
    flat = np.zeros(columns * rows, dtype=bool)
    for runs in marks.runs:
        for first, length in runs:
            flat[first : first + length] = True
    picture = Image.fromarray(flat.reshape(columns, rows).T.astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for corners in marks.outlines:
        pen.polygon([tuple(corner) for corner in corners.tolist()], fill=1)
    if (columns, rows) != tuple(size_px):
        picture = picture.resize(size_px, Image.Resampling.NEAREST)
    return np.asarray(picture).T[..., None] > 0
