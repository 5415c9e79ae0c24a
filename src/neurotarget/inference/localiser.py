"""First stage of a cascade: find the target in a whole scan on a coarse grid, or report failure.

The coarse network looks at every voxel of the scan once, at a few mm per voxel, so that the second
stage needs only the box around the target, at full resolution.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.batches.target_boxes import Box, mask_box
from neurotarget.data.scans.geometry import Grid
from neurotarget.types import Roi, Triple

MARKED = 0.5  # least probability of a voxel in the region


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for accepting a localisation, and the size of the box.

    A region is implausible if it is smaller than the smallest among the training masks divided by
    `tolerance`, or larger than the largest times `tolerance`.

    Attributes:
        size_mm: longest sides of the training masks on the coarse grid, along the canonical axes.
        volume_mm3: smallest and largest volume of these masks.
        margin_mm: width that is added on each side of a box.
        least_mm: smallest sides of the region of interest, those of the patch of the second stage.
        min_confidence: least mean probability of the region, 0 to 1.
        tolerance: factor of the volumes, at least 1.
        min_inside: least share of the box, with its margin, within the scan, 0 to 1.
    """

    size_mm: Triple
    volume_mm3: tuple[float, float]
    margin_mm: float
    least_mm: Triple
    min_confidence: float = 0.6
    tolerance: float = 4.0
    min_inside: float = 0.5

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Limits":
        """Make limits from the JSON form of `dataclasses.asdict`.

        Raises:
            TypeError: a key is missing or unknown.
        """
        lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists})


class Located(NamedTuple):
    """Localisation of one scan.

    Attributes:
        box: of the target, without a margin; None only if no voxel exceeded the threshold.
        confidence: mean probability of the region's voxels, 0 to 1; without a box the highest
            probability of the scan.
        volume_mm3: of the region; 0 without a box.
        reason: why the localisation is rejected; "" if it is accepted.
    """

    box: Box | None
    confidence: float
    volume_mm3: float
    reason: str

    def roi(self, limits: Limits) -> Roi | None:
        """Region of interest for the second stage; None if the localisation is rejected."""
        if self.reason or self.box is None:
            return None
        return self.box.roi(margin_mm=limits.margin_mm, least_mm=limits.least_mm)


def locate(probability: Float[ndarray, "I J K"], grid: Grid, limits: Limits) -> Located:
    """Find the target's box in a coarse map of its probability.

    A window with the longest known sides is placed where it contains the most probability: specks
    elsewhere in the head neither shift nor enlarge the box.

    Args:
        probability: of the region, 0 to 1, on the coarse grid.
        grid: the coarse grid in its scan.
        limits: sizes known from training, and when a box is rejected.

    Returns:
        The box with its confidence and volume, and the reason of a rejection.
    """
    marked = probability > MARKED
    if not marked.any():
        highest = float(probability.max())
        return Located(None, highest, 0.0, f"nothing found (highest probability {highest:.2f})")
    window = np.ceil(np.array(limits.size_mm) / grid.spacing_mm).astype(int) + 2
    weight = np.where(marked, probability, 0.0).astype(np.float64)
    inside = _window_at(weight, np.minimum(window, weight.shape))
    region = np.zeros_like(marked)
    region[inside] = marked[inside]
    box = mask_box(region, grid)
    assert box is not None  # the window with the largest sum contains a marked voxel
    confidence = float(probability[region].mean())
    volume = float(region.sum() * np.prod(grid.spacing_mm))
    return Located(box, confidence, volume, _doubt(box, confidence, volume, grid, limits))


def _window_at(weight: Float[ndarray, "I J K"], window: ndarray) -> tuple[slice, ...]:
    """Window with the largest sum; the middle of several equal ones."""
    sums = weight
    for axis, side in enumerate(window):
        total = np.cumsum(np.insert(sums, 0, 0.0, axis=axis), axis=axis)
        stop = total.take(range(side, total.shape[axis]), axis=axis)
        sums = stop - total.take(range(stop.shape[axis]), axis=axis)
    best = np.argwhere(sums >= sums.max() * (1 - 1e-9))
    low = best[np.abs(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return tuple(slice(int(a), int(a + n)) for a, n in zip(low, window, strict=True))


def _doubt(box: Box, confidence: float, volume_mm3: float, grid: Grid, limits: Limits) -> str:
    """Reason to reject a localisation; "" if there is none."""
    if confidence < limits.min_confidence:
        return f"confidence {confidence:.2f}, wanted at least {limits.min_confidence:g}"
    low, high = limits.volume_mm3
    low, high = low / limits.tolerance, high * limits.tolerance
    if not low <= volume_mm3 <= high:
        return f"a region of {volume_mm3:.0f} mm3, wanted {low:.0f} to {high:.0f}"
    inside = _share_in_scan(box, grid, limits)
    if inside < limits.min_inside:
        wanted = f"wanted at least {100 * limits.min_inside:.0f} %"
        return f"{100 * inside:.0f} % of the box in the scan, {wanted}"
    return ""


def _share_in_scan(box: Box, grid: Grid, limits: Limits) -> float:
    roi = box.roi(margin_mm=limits.margin_mm, least_mm=limits.least_mm)
    sides = np.array(roi.size_mm) / grid.spacing_mm
    centre = (np.linalg.inv(grid.work_affine) @ [*roi.offset_mm, 1.0])[:3]
    low, high = centre - sides / 2 + 0.5, centre + sides / 2 + 0.5  # from edge to edge
    seen = np.minimum(high, grid.shape) - np.maximum(low, 0)
    return float(np.prod(np.maximum(seen, 0) / sides))
