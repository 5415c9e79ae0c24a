"""Simulated raters: the mask that another rater, or the same rater again, would delineate.

A rater moves every boundary. All boundaries of a scan move together, by the rater's habit and by
a shift of that session. Each structure also moves a little on its own. Smooth waves along each
boundary change its shape but not its volume.

The movements of `RATER_1` and `RATER_2` were tuned so that the total volumes of the built-in
cohort's dentates agree like manual masks of susceptibility maps: ICC 0.91 between two sessions of
one rater and 0.78 between two raters (Shiraishi et al. 2025, doi:10.1148/ryai.240478; here as
ICC(A,1)). A mean shift of d mm changes a volume by d times the surface S, so two sessions differ
with variance 2·S²·(scan² + structure²), and the ICC is the volumes' variance between people over
its sum with the error's. The resulting numbers are printed by

    python -m pytest tests/phantom/test_simulated_raters.py -k published -s
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.problems import DataError
from neurotarget.types import Triple

MARGIN_MM = 4.0  # around the labels, where a rater may mark voxels
EDGE_MM = 0.7  # SD of the smoothing used to find the surface


@dataclass(frozen=True, slots=True)
class Rater:
    """Behaviour of a rater; lengths in mm, outwards positive, SDs where they are random.

    `habit_mm` is the rater's mean shift against the truth, `scan_mm` the shift shared by all
    structures of one session, `structure_mm` the shift of each single structure, `wave_mm` the
    height of the smooth waves, and `wide_mm` their width.
    """

    habit_mm: float = 0.0
    scan_mm: float = 0.0
    structure_mm: float = 0.0
    wave_mm: float = 0.0
    wide_mm: float = 2.5

    def __post_init__(self) -> None:
        if min(self.scan_mm, self.structure_mm, self.wave_mm) < 0 or self.wide_mm <= 0:
            raise ValueError(
                f"{self}: wanted spreads of 0 or more and wide_mm above 0; correct them"
            )


RATER_1 = Rater(scan_mm=0.072, structure_mm=0.055, wave_mm=0.40)
RATER_2 = Rater(habit_mm=0.10, scan_mm=0.135, structure_mm=0.085, wave_mm=0.50)


def simulate_rater(
    label: Integer[ndarray, "I J K"],
    rater: Rater,
    *,
    spacing_mm: Triple,
    rng: np.random.Generator,
) -> Integer[ndarray, "I J K"]:
    """Segment a label map again as a rater would, with the same ids; 0 is background.

    Each structure gets the voxels deepest within its moved boundary, as many as its new volume
    has, at least one. A voxel that lies in two structures goes to that in which it lies deeper.

    Raises:
        DataError: the label map is not 3-D or empty.
    """
    ids = [int(value) for value in np.unique(label) if value]
    if label.ndim != 3 or not ids:
        raise DataError(
            f"simulated rater: found a label map of shape {label.shape} with {len(ids)} structures,"
            " wanted a 3-D one with at least one; give a mask that is not empty"
        )
    box = _box(label != 0, spacing_mm)
    there = label[box]
    shift_mm = rater.habit_mm + rater.scan_mm * rng.standard_normal()
    best = np.full(there.shape, -np.inf)
    result = np.zeros_like(label)
    for value in ids:
        own_mm = shift_mm + rater.structure_mm * rng.standard_normal()
        depth = _moved(there == value, own_mm, rater=rater, spacing_mm=spacing_mm, rng=rng)
        wins = (depth >= 0) & (depth > best)
        result[box][wins] = value
        best[wins] = depth[wins]
    return result


def surface_mm2(mask: Bool[ndarray, "I J K"], spacing_mm: Triple) -> float:
    """Area of a mask's boundary, mm²: the integral of the smoothed mask's gradient magnitude.

    Smoothing by `EDGE_MM` removes the steps between voxels.
    """
    sides = np.asarray(spacing_mm)
    wide = [(int(np.ceil(4 * EDGE_MM / side)),) * 2 for side in sides]
    smooth = ndimage.gaussian_filter(np.pad(mask.astype(float), wide), EDGE_MM / sides)
    slope = np.gradient(smooth, *spacing_mm)
    return float(np.sqrt(sum(part**2 for part in slope)).sum() * sides.prod())


def _moved(
    mask: Bool[ndarray, "I J K"],
    shift_mm: float,
    *,
    rater: Rater,
    spacing_mm: Triple,
    rng: np.random.Generator,
) -> Float[ndarray, "I J K"]:
    """Compute depth below the new boundary, mm, at least 0 for the voxels of the new mask."""
    depth = _depth_mm(mask, spacing_mm) + rater.wave_mm * _waves(mask.shape, rater, spacing_mm, rng)
    voxel_mm3 = float(np.prod(spacing_mm))
    more = shift_mm * surface_mm2(mask, spacing_mm) / voxel_mm3
    count = int(np.clip(round(int(mask.sum()) + more), 1, mask.size))
    return depth - np.partition(depth, -count, axis=None)[-count]


def _depth_mm(mask: Bool[ndarray, "I J K"], spacing_mm: Triple) -> Float[ndarray, "I J K"]:
    """Compute the signed distance from the boundary, mm, positive inside."""
    inside = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    sharp = inside - outside
    # distances are quantised to voxels; smoothing separates equal ones
    return ndimage.gaussian_filter(sharp, 0.5)


def _waves(
    shape: tuple[int, ...], rater: Rater, spacing_mm: Triple, rng: np.random.Generator
) -> Float[ndarray, "I J K"]:
    """Sample smooth noise of unit SD."""
    noise = rng.standard_normal(shape)
    noise = ndimage.gaussian_filter(noise, rater.wide_mm / np.asarray(spacing_mm), mode="wrap")
    return noise / noise.std() if noise.size > 1 and noise.std() > 0 else noise * 0


def _box(inside: Bool[ndarray, "I J K"], spacing_mm: Triple) -> tuple[slice, ...]:
    """Return the box of voxels that a rater may mark."""
    (bounds,) = ndimage.find_objects(inside.astype(np.uint8))
    margins = [int(np.ceil(MARGIN_MM / side)) for side in spacing_mm]
    return tuple(
        slice(max(part.start - margin, 0), part.stop + margin)
        for part, margin in zip(bounds, margins, strict=True)
    )
