"""Apparent diffusion coefficient from signals at several b-values."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real
from numpy import ndarray

from neurotarget.problems import DataError, error

LEAST_SPREAD = 100.0  # s/mm² between the b-values; a smaller spread does not measure diffusion
SAME = 50.0  # b-values are rounded to multiples of 50 s/mm², as scanners write 995 for 1000
PER_MM2 = 1000.0  # b-values are in s/mm², the result in 10⁻³ mm²/s


def adc_fit(
    signals: Real[ndarray, "*N B"], b_values: Sequence[float]
) -> tuple[Float[ndarray, "*N"], Float[ndarray, "*N"]]:
    """ADC in 10⁻³ mm²/s and the signal without diffusion, by weighted least squares.

    The logarithm of the signal is fitted by a line in b, with squared signals as weights, since the
    noise of a small signal is large in its logarithm. Directions of one b-value are combined to
    their geometric mean.
    Voxels with fewer than two b-values of positive signal are NaN.
    Source: Veraart et al. 2013, doi:10.1016/j.neuroimage.2013.05.028.

    Raises:
        DataError: b-values are negative or equal, or there is not one per volume.
    """
    b = checked_b_values(b_values, signals.shape[-1])
    log, count, b = _by_b_value(np.asarray(signals, float), b)
    is_known = count > 0
    weight = np.where(is_known, count * np.exp(2 * log), 0.0)
    top = weight.max(axis=-1, keepdims=True)
    weight = np.divide(weight, top, out=np.zeros_like(weight), where=top > 0)
    total = weight.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_b, mean_log = (weight * b).sum(-1) / total, (weight * log).sum(-1) / total
        around = b - mean_b[..., None]
        spread = (weight * around**2).sum(-1)
        slope = (weight * around * (log - mean_log[..., None])).sum(-1) / spread
        first = np.exp(mean_log - slope * mean_b)
    least = np.where(is_known, b, np.inf).min(-1)
    most = np.where(is_known, b, -np.inf).max(-1)
    is_fitted = most - least >= LEAST_SPREAD
    return (
        np.where(is_fitted, -slope * PER_MM2, np.nan),
        np.where(is_fitted, first, np.nan),
    )


def _by_b_value(
    signals: Float[ndarray, "*N B"], b: Float[ndarray, " B"]
) -> tuple[Float[ndarray, "*N U"], Float[ndarray, "*N U"], Float[ndarray, " U"]]:
    """Mean logarithm of the positive signals of each b-value, their number, and the b-values."""
    is_known = np.isfinite(signals) & (signals > 0)
    log = np.log(np.where(is_known, signals, 1.0))
    _, group = np.unique(np.round(b / SAME), return_inverse=True)
    parts = [group == number for number in range(group.max() + 1)]
    count = np.stack([is_known[..., part].sum(-1) for part in parts], axis=-1).astype(float)
    total = np.stack([log[..., part].sum(-1) for part in parts], axis=-1)
    mean_b = np.array([b[part].mean() for part in parts])
    return total / np.maximum(count, 1), count, mean_b


def checked_b_values(b_values: Sequence[float], count: int) -> Float[ndarray, " B"]:
    """b-values in s/mm² as an array.

    Raises:
        DataError: b-values are negative or equal, or there is not one per volume.
    """
    b = np.asarray(b_values, float)
    if len(b) != count:
        found = f"{len(b)} b-values for {count} volumes"
        raise DataError(error(found, "one per volume", "correct b_values"))
    if not np.isfinite(b).all() or (b < 0).any() or np.ptp(b) < LEAST_SPREAD:
        found = f"b-values of {b.min():g} to {b.max():g} s/mm²"
        wanted = f"values from 0 that differ by at least {LEAST_SPREAD:g} s/mm²"
        raise DataError(error(found, wanted, "give them in s/mm², such as 0,1000"))
    return b
