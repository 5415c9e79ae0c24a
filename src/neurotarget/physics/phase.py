"""The meaning of stored phase: its unit and its sign.

Convention of this package: a positive phase is a higher precession frequency, φ = +2π·f·TE, so
a vessel along B0 that is more paramagnetic than its surroundings has a positive field. Some
scanners and converters store the negative phase; with the setting `handedness` −1 a reconstruction
inverts its sign first.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from neurotarget.physics.extent import bounding_box, squared_depth_mm2
from neurotarget.physics.fourier import MaskVolume, Volume, smooth
from neurotarget.problems import DataError
from neurotarget.types import Triple

UNDETERMINED = "not determined by the data"  # start of messages on an unknown sign of phase
TURN = 2 * math.pi
FULL = 0.95  # least share of its range that wrapped phase covers, as noise around the head does
SLACK = 1.002  # tolerance for rounding at the ends of the range
LEAST_RADIANS = 1.1  # phase up to ±1 may be in units of π as well
ASYMMETRY = 0.1  # below it, susceptibility is too symmetric to determine the sign of phase
DEEP_MM, NOISE_MM = 10.0, 1.5
FEWEST, MOST = 1000, 500_000  # voxels used for percentiles
WHOLE_MM, WHOLE_ML = 85.0, 400.0  # least extents and volume of a whole brain, also a newborn's

# name, lowest and highest stored value, radians per unit, radians at 0
STORED = (
    ("0 to 4095", 0.0, 4095.0, TURN / 4096, -math.pi),
    ("−4096 to 4095", -4096.0, 4096.0, TURN / 8192, 0.0),
    ("−2048 to 2047", -2048.0, 2048.0, TURN / 4096, 0.0),
    ("−3142 to 3142 (thousandths of a radian)", -3142.0, 3142.0, 1e-3, 0.0),
)


def to_radians(
    stored: ndarray, *, scale: float | str = "auto"
) -> tuple[Float[ndarray, "..."], str]:
    """Convert phase to radians; also describe how it was stored.

    `auto` recognises radians (−π to π, 0 to 2π), thousandths of a radian, and the integer ranges 0
    to 4095, −4096 to 4095 (or 4094) and −2048 to 2047, each for one turn. A number is taken as
    radians per stored unit; `radians` keeps values as they are; `range` takes the range from
    smallest to largest value as one turn, for wrapped phase in an unknown unit. Pass all echoes in
    one call.

    Raises:
        DataError: a value is not finite, all values are the same, `auto` recognises no range, or
            `scale` is none of these.
    """
    values = np.asarray(stored)
    if not np.isfinite(values).all():
        count = int(np.size(values) - np.isfinite(values).sum())
        raise DataError(
            f"phase: found {count} of {values.size} values that are not finite, wanted a number in "
            "every voxel; export the phase again, or set them to 0 and leave them out of the mask"
        )
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low == high:
        raise DataError(
            f"phase: found the value {low:g} everywhere, wanted phase; check that the file is the "
            "phase image, not a mask or an empty export"
        )
    factor, start, description = _scale(low, high, scale)
    radians = values.astype(np.float32) * np.float32(factor)
    return (radians + np.float32(start) if start else radians), description


def _scale(low: float, high: float, scale: float | str) -> tuple[float, float, str]:
    """Radians per stored unit, radians at 0, and a description of the range."""
    found = f"stored {low:g} to {high:g}"
    if scale == "radians":
        return 1.0, 0.0, f"{found}, taken as radians"
    if scale == "range":
        factor = TURN / (high - low)
        return factor, -math.pi - low * factor, f"{found}, taken as one turn"
    if scale != "auto":
        return _given(scale, found)
    for name, least, most, factor, start in (*_radians(low, high), *STORED):
        within = least * SLACK - 0.01 <= low and high <= most * SLACK + 0.01
        if within and high - low >= FULL * (most - least):
            return factor, start, f"{found}: {name}"
    if max(-low, high) <= math.pi * SLACK and max(-low, high) >= LEAST_RADIANS:
        return 1.0, 0.0, f"{found}: radians that do not fill a turn"
    raise DataError(
        f"phase: found values from {low:g} to {high:g}, wanted radians (−π to π or 0 to 2π), "
        "thousandths of a radian, 0 to 4095, −4096 to 4095 or −2048 to 2047; set the scale: "
        "radians per stored unit, 'radians', or 'range' where the smallest to the largest value "
        "are one turn"
    )


def _radians(low: float, high: float) -> list[tuple[str, float, float, float, float]]:
    if low < 0:
        return [("radians, −π to π", -math.pi, math.pi, 1.0, 0.0)]
    return [("radians, 0 to 2π", 0.0, TURN, 1.0, 0.0)] if high > math.pi else []


def _given(scale: float | str, found: str) -> tuple[float, float, str]:
    try:
        factor = float(scale)
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor) or factor == 0:
        raise DataError(
            f"phase: found the scale {scale!r}, wanted 'auto', 'radians', 'range' or radians per "
            "stored unit (a number that is not 0); correct phase scale"
        )
    return factor, 0.0, f"{found}, taken as {factor:g} radians per unit"


def asymmetry(chi_ppm: Volume, mask: MaskVolume, spacing_mm: Triple) -> float:
    """Asymmetry of the distribution of susceptibility around its median, in [−1, 1].

    It is positive if the 99.5th percentile is further from the median than the 0.5th. The map is
    smoothed by a Gaussian of 1.5 mm SD, and only voxels deeper than 10 mm in the mask count, away
    from the errors at the rim. Fewer than 1000 such voxels or a constant map give 0.
    """
    box = bounding_box(mask)
    deep = squared_depth_mm2(mask[box], spacing_mm, DEEP_MM) > DEEP_MM**2
    values = smooth(chi_ppm[box].float(), (NOISE_MM,) * 3, spacing_mm)[deep]
    if values.numel() < FEWEST:
        return 0.0
    values = values[:: max(values.numel() // MOST, 1)].sort().values
    places = [round(share * (len(values) - 1)) for share in (0.005, 0.5, 0.995)]
    low, middle, high = (float(values[place]) for place in places)
    return (high + low - 2 * middle) / (high - low) if high > low else 0.0


def handedness(chi_ppm: Volume, mask: MaskVolume, spacing_mm: Triple) -> tuple[int, str]:
    """Sign, +1 or −1, by which phase must be multiplied, derived from the susceptibility map.

    Iron in the deep nuclei and deoxygenated blood in veins give the susceptibility of the brain a
    long tail above its median, and no healthy tissue gives such a tail below. So a map with the
    longer tail below was made from phase of the other sign. The steps from phase to susceptibility
    are odd functions: phase of the other sign gives exactly the negative map.

    Phase itself does not show its sign: the field of a vein is positive or negative depending on
    its angle to B0, and shims change the field of the head. Large calcifications, or the brain of
    an infant, which has little iron, can mislead the method. A part of a brain often misleads it,
    so no sign is derived from a mask shorter than 85 mm along an axis or smaller than 400 ml. If
    the sign cannot be determined, +1 and a note are returned.

    Source: for the signs, Li et al. 2014, doi:10.1002/hbm.22360.
    """
    if not _is_whole(mask, spacing_mm):
        return 1, f"{UNDETERMINED} (only a part of a brain); taken as it is"
    value = asymmetry(chi_ppm, mask, spacing_mm)
    if abs(value) < ASYMMETRY:
        return 1, f"{UNDETERMINED} (asymmetry of χ {value:+.2f}); taken as it is"
    sign = 1 if value > 0 else -1
    orientation = "as it is" if sign == 1 else "of the other sign"
    return (
        sign,
        f"paramagnetic is positive with the phase {orientation} (asymmetry of χ {value:+.2f})",
    )


def _is_whole(mask: MaskVolume, spacing_mm: Triple) -> bool:
    """Return True if a mask is as long along each axis, and as large, as a whole brain."""
    sides = zip(bounding_box(mask), spacing_mm, strict=True)
    shortest_mm = min((side.stop - side.start) * step for side, step in sides)
    return shortest_mm >= WHOLE_MM and float(mask.sum()) * math.prod(spacing_mm) >= WHOLE_ML * 1000


def wrap(phase: torch.Tensor) -> torch.Tensor:
    """Wrap phase into −π to π by multiples of 2π."""
    return phase - TURN * torch.round(phase / TURN)
