"""Standard intensity scale of Nyúl and Udupa: landmarks of a histogram, learnt from many scans.

Each scan's landmarks, percentiles of its foreground, are mapped to those of the standard scale, and
values between them linearly. On the standard scale the lowest landmark is 0 and the highest 1.

Source: Nyúl, Udupa and Zhang 2000, doi:10.1109/42.836373; percentiles of intensity-normalization,
Reinhold et al. 2019, doi:10.1117/12.2513089.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Real
from numpy import ndarray

PERCENTILES = (1, *range(10, 100, 10), 99)
LOWEST, HIGHEST = -1.0, 2.0  # limits of the standard scale, to which values are clipped

Landmarks = Float[ndarray, "11"]


def landmarks_of(values: Real[ndarray, "..."]) -> Landmarks:
    """Percentiles of values, in their unit: 1, 10, 20, …, 90 and 99, in rising order."""
    return np.percentile(values, PERCENTILES).astype(np.float64)


def foreground_landmarks(values: Real[ndarray, "..."]) -> Landmarks | None:
    """Percentiles of the values above the mean; None without any, or if all are equal.

    The mean of a whole head lies between air and tissue, so that values above it are foreground.
    """
    inside = values[values > values.mean()]
    found = landmarks_of(inside) if inside.size else np.zeros(len(PERCENTILES))
    return found if found[-1] > found[0] else None


def standard_landmarks(scans: Iterable[Landmarks], top: float = 1.0) -> Landmarks:
    """Mean landmarks of scans, after the landmarks of each scan are scaled to 0 to `top`.

    Args:
        scans: landmarks of each scan; its first and last differ, as in `foreground_landmarks`.
        top: value of the highest landmark on the standard scale.

    Raises:
        ValueError: there is no scan.
    """
    unit = [(one - one[0]) / (one[-1] - one[0]) for one in scans]
    if not unit:
        raise ValueError("found no scan with several values above its mean, wanted one")
    return top * np.mean(unit, axis=0)


def moved(
    values: Real[ndarray, "..."], own: Landmarks, standard: Sequence[float]
) -> Float[ndarray, "..."]:
    """Map values so that landmarks `own` become `standard`, linearly between and beyond them.

    The first and last of `own` must differ. Where several are equal, as in a histogram with gaps,
    only the first of them is used.
    """
    keep = np.r_[True, np.diff(own) > 0]
    own, standard = own[keep], np.asarray(standard)[keep]
    part = np.clip(np.searchsorted(own, values) - 1, 0, len(own) - 2)
    slope = (np.diff(standard) / np.diff(own))[part]
    return standard[part] + (values - own[part]) * slope


def standardised(
    values: Float[ndarray, "I J K"], standard: Sequence[float]
) -> Float[ndarray, "I J K"]:
    """A scan on the standard scale; zeros for a scan of one value.

    Values are clipped to the range `LOWEST` to `HIGHEST`, and keep the type of the scan.

    Args:
        values: voxels in any unit.
        standard: landmarks of the standard scale, one for each of `PERCENTILES`.
    """
    own = foreground_landmarks(values)
    if own is None:
        return np.zeros_like(values)
    return moved(values, own, standard).clip(LOWEST, HIGHEST).astype(values.dtype)
