"""Generated pneumothoraces on a film: air between the chest wall and a collapsed lung.

A film is an array (rows, columns) of grey values in [0, 1], where 1 is white, and lungs are a mask
of the same shape. The air lies along the lateral and apical wall of one lung, deepest at the apex.
The air has no vessels, so structures thinner than the ribs are smoothed away there and grain is
added again. The air is darker, and the collapsed lung is denser. The visceral pleura between them
is a thin bright line.

Signs as in O'Connor and Morgan 2005, doi:10.1136/bmj.330.7506.1493.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage

Film = Float[ndarray, "rows columns"]
Field = Bool[ndarray, "rows columns"]

SIDES_PX = 512  # height of the films for which widths are given in pixels; others are scaled
MOST_OF_LUNG = 0.75  # a larger pneumothorax is not a thin rim
STEPS = 24  # of the bisection of the depth
VESSEL_PX = 9  # of the median: wider than vessels of the periphery, narrower than a rib
LINE_PX = 0.9  # SD across the pleural line


class Air(NamedTuple):
    """Appearance of a pneumothorax: its extent along the lung, and contrasts in grey values."""

    extent: float  # reach from the apex downwards, as a share of the lung's height
    lucency: float = 0.05  # the air is darker by this grey value
    collapse: float = 0.03  # the collapsed lung is brighter by this grey value
    line: float = 0.10  # the pleura is brighter by this grey value


def lungs_of(mask: Field) -> list[Field]:
    """Return the two lung fields of a mask, from left to right in the picture, without specks.

    A mask of one piece gives one field.
    """
    labels, count = ndimage.label(mask)
    sizes = ndimage.sum_labels(mask, labels, range(1, count + 1))
    largest = [int(place) + 1 for place in np.argsort(sizes)[::-1][:2] if sizes[place] > 0]
    fields = [labels == number for number in largest]
    return sorted(fields, key=lambda field: float(np.nonzero(field)[1].mean()))


def depths_px(lung: Field, *, is_left: bool) -> Film:
    """Compute each lung pixel's distance from the lateral and apical wall; infinite outside.

    Args:
        lung: mask of one lung field.
        is_left: True for the lung on the left of the picture, whose outer wall is on the left.
    """
    field = lung if is_left else lung[:, ::-1]
    rows = np.flatnonzero(field.any(axis=1))
    outer = field.argmax(axis=1).astype(float)
    # below the widest place the border is the diaphragm's, and the wall goes straight on
    widest = rows[0] + int(outer[rows].argmin())
    outer[widest : rows[-1] + 1] = outer[widest]
    columns = np.arange(field.shape[1])
    is_wall = columns[None] < np.where(outer > 0, outer, 0)[:, None]
    # above the dome of the apex, not along the side of the heart
    top = field.argmax(axis=0)
    apex = columns[field.any(axis=0) & (top < rows[0] + 0.05 * len(rows))]
    above = (np.arange(field.shape[0])[:, None] < top[None]) & np.isin(columns, apex)[None]
    wall = (is_wall | above) & ~field
    depth = ndimage.distance_transform_edt(~wall)
    depth = np.where(field, depth, np.inf)
    return depth if is_left else depth[:, ::-1]


def air_of(
    lung: Field, *, is_left: bool, area_px: float, air: Air, rng: np.random.Generator
) -> tuple[Field, Film]:
    """Return the mask of the air in a lung, and each pixel's distance from the pleura in pixels.

    Args:
        lung: mask of one lung field.
        is_left: True for the lung on the left of the picture.
        area_px: wanted area, limited to `MOST_OF_LUNG` of the lung.
        air: extent of the air.
        rng: random numbers of the waves of the pleura.

    Returns:
        The mask; and distances, negative in the air and large outside the lung.
    """
    depth = depths_px(lung, is_left=is_left)
    rows = np.flatnonzero(lung.any(axis=1))
    height = (np.arange(lung.shape[0]) - rows[0]) / max(
        len(rows), 1
    )  # 0 at the apex, 1 at the base
    falls = np.clip(1 - height / air.extent, 0, 1) ** 0.7
    knots = 1 + 0.18 * rng.standard_normal(8)
    waves = np.interp(np.linspace(0, 7, lung.shape[0]), range(8), knots).clip(0.5)
    shape = ndimage.gaussian_filter1d(falls * waves, 0.02 * lung.shape[0])
    shape[height > air.extent * 1.05] = 0
    wanted = min(area_px, MOST_OF_LUNG * float(lung.sum()))
    low, high = 0.0, float(max(lung.shape))
    for _ in range(STEPS):
        middle = (low + high) / 2
        found = float((lung & (depth < middle * shape[:, None])).sum())
        low, high = (low, middle) if found > wanted else (middle, high)
    border = ndimage.gaussian_filter1d(high * shape, 0.006 * lung.shape[0])[:, None]
    apart = np.where(lung, depth, 1e3) - border
    return lung & (apart < 0), apart


def draw_air(film: Film, lung: Field, apart: Film, air: Air, rng: np.random.Generator) -> Film:
    """Add the air from `air_of` to a film.

    Args:
        film: grey values in [0, 1].
        lung: mask of the lung.
        apart: distances from the pleura in pixels, from `air_of`.
        air: contrasts.
        rng: random numbers of grain and of the pleura's brightness.
    """
    unit = film.shape[0] / SIDES_PX
    inside = ndimage.gaussian_filter((lung & (apart < 0)).astype(float), 0.8 * unit)
    bare = ndimage.median_filter(film, max(3, round(VESSEL_PX * unit) | 1))
    bare = ndimage.gaussian_filter(bare, 0.7 * unit) + grain(film, rng)
    drawn = film * (1 - inside) + (bare - air.lucency) * inside
    behind = np.exp(-np.maximum(apart, 0) / (60 * unit)) * (lung & (apart >= 0))
    drawn += air.collapse * ndimage.gaussian_filter(behind, 2 * unit)
    along = ndimage.gaussian_filter1d(rng.standard_normal(film.shape[0]), 12 * unit)
    faint = 1 + 0.35 * along / max(along.std(), 1e-6)
    width = LINE_PX * unit
    line = np.exp(-0.5 * (apart / width) ** 2) * ndimage.binary_erosion(lung, iterations=2)
    drawn += air.line * ndimage.gaussian_filter(line, 0.4 * unit) * faint.clip(0.25, 1.5)[:, None]
    return drawn.clip(0, 1)


def grain(film: Film, rng: np.random.Generator) -> Film:
    """Generate noise of the film's strength and grain size, to replace smoothed-away noise."""
    fine = film - ndimage.gaussian_filter(film, 1.0)
    strength = 1.4826 * float(np.median(np.abs(fine - np.median(fine))))  # SD without the edges
    noise = ndimage.gaussian_filter(rng.standard_normal(film.shape), 0.6)
    return noise * (strength / max(float(noise.std()), 1e-9))
