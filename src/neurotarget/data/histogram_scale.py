"""Standard intensity scale of Nyúl and Udupa: landmarks of a histogram, learnt from many scans.

Each scan's landmarks, percentiles of its foreground, are mapped to those of the standard scale, and
values between them linearly. On the standard scale the lowest landmark is 0 and the highest 1.

Source: Nyúl, Udupa and Zhang 2000, doi:10.1109/42.836373; percentiles of intensity-normalization,
Reinhold et al. 2019, doi:10.1117/12.2513089.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

PERCENTILES = (1, *range(10, 100, 10), 99)
LOWEST, HIGHEST = -1.0, 2.0  # of values on the standard scale; beyond, they are cut
LEAST_STEP = 1e-6  # between landmarks, as a share of their range, where a histogram has gaps

Landmarks = Float[ndarray, "11"]


def landmarks_of(values: ndarray) -> Landmarks | None:
    """Percentiles of the values above the mean, in their unit; None of a scan of one value."""
    inside = values[values > values.mean()]
    if not inside.size:
        return None
    found = np.percentile(inside, PERCENTILES).astype(np.float64)
    span = found[-1] - found[0]
    return found + np.arange(len(found)) * LEAST_STEP * span if span > 0 else None


def standard_landmarks(scans: Iterable[Landmarks]) -> Landmarks:
    """Mean landmarks of scans, each first brought to 0 to 1.

    Raises:
        ValueError: there is no scan.
    """
    unit = [(one - one[0]) / (one[-1] - one[0]) for one in scans]
    if not unit:
        raise ValueError("found no scan with several values above its mean, wanted one")
    return np.mean(unit, axis=0)


def standardised(
    values: Float[ndarray, "I J K"], standard: Sequence[float]
) -> Float[ndarray, "I J K"]:
    """A scan on the standard scale; zeros for a scan of one value.

    Beyond the first and last landmark the line of the neighbouring pair goes on.
    """
    own, standard = landmarks_of(values), np.asarray(standard)
    if own is None:
        return np.zeros_like(values)
    mapped = np.interp(values, own, standard)
    for is_beyond, (near, next_one) in (
        (values < own[0], (0, 1)),
        (values > own[-1], (-1, -2)),
    ):
        slope = (standard[near] - standard[next_one]) / (own[near] - own[next_one])
        mapped[is_beyond] = standard[near] + (values[is_beyond] - own[near]) * slope
    return mapped.clip(LOWEST, HIGHEST).astype(values.dtype)
