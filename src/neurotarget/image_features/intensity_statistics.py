"""Statistics of intensities, of their histogram, and of their cumulative histogram (IVH).

Definitions of IBSI, arXiv:1612.07003, sections 3.3 to 3.5.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.special import entr


def statistics(values: Float[ndarray, " V"]) -> dict[str, float]:
    """Statistics that intensities and grey levels share.

    Skewness and kurtosis are 0 without spread; kurtosis is that in excess of a normal distribution.

    Coefficients of variation and dispersion are NaN where they would divide by 0. Values must not
    be empty.
    """
    low, first, median, third, high = np.percentile(values, (10, 25, 50, 75, 90))
    mean, variance = float(values.mean()), float(values.var())
    robust = values[(values >= low) & (values <= high)]
    around, has_spread = values - mean, variance > 1e-18 * max(mean**2, 1e-300)
    return {
        "mean": mean,
        "var": variance,
        "skew": float((around**3).mean() / variance**1.5) if has_spread else 0.0,
        "kurt": float((around**4).mean() / variance**2) - 3 if has_spread else 0.0,
        "median": float(median),
        "min": float(values.min()),
        "p10": float(low),
        "p90": float(high),
        "max": float(values.max()),
        "iqr": float(third - first),
        "range": float(np.ptp(values)),
        "mad": float(np.abs(around).mean()),
        "rmad": float(np.abs(robust - robust.mean()).mean()) if robust.size else math.nan,
        "medad": float(np.abs(values - median).mean()),
        "cov": math.sqrt(variance) / mean if mean else math.nan,
        "qcod": float((third - first) / (third + first)) if third + first else math.nan,
    }


def intensity_features(values: Float[ndarray, " V"]) -> dict[str, float]:
    """Statistics of intensities, with energy and root mean square, by IBSI's abbreviation."""
    energy = float((values**2).sum())
    return {**statistics(values), "energy": energy, "rms": math.sqrt(energy / len(values))}


def histogram_features(levels: Integer[ndarray, " V"], top: int) -> dict[str, float]:
    """Statistics of grey levels 1 to `top`, with mode, entropy in bits and gradients.

    Of several modes the one nearest to the mean level counts. Gradients are NaN with one level.

    Args:
        levels: of the voxels that count.
        top: largest level of the histogram, which may not occur.
    """
    counts = np.bincount(levels, minlength=top + 1)[1:]
    share, level = counts / counts.sum(), np.arange(1, top + 1)
    values = statistics(levels.astype(float))
    modes = level[counts == counts.max()]
    slopes = np.gradient(counts.astype(float)) if top > 1 else np.full(1, np.nan)
    return {
        **values,
        "mode": float(modes[np.argmin(np.abs(modes - values["mean"]))]),
        "entropy": float(entr(share).sum() / math.log(2)),
        "uniformity": float((share**2).sum()),
        "max_grad": float(slopes.max()),
        "max_grad_g": float(level[np.argmax(slopes)]) if top > 1 else math.nan,
        "min_grad": float(slopes.min()),
        "min_grad_g": float(level[np.argmin(slopes)]) if top > 1 else math.nan,
    }


def volume_histogram_features(
    values: Float[ndarray, " V"], grid: Float[ndarray, " G"]
) -> dict[str, Any]:
    """Volumes at 10 and 90 % of the intensity, intensities at 10 and 90 % of the volume.

    The volume at x % is the share of voxels with at least x % of the intensity range of the grid.
    The intensity at x % is the smallest intensity of the grid that at most x % of the voxels reach,
    or the largest intensity of the grid if there is none.

    Args:
        values: intensities, each of which is one of the grid.
        grid: ascending intensities.
    """
    share = 1 - np.searchsorted(np.sort(values), grid - 1e-9 * max(np.ptp(grid), 1)) / len(values)
    part = (grid - grid[0]) / np.ptp(grid) if len(grid) > 1 else np.zeros(1)
    v10, v90 = (float(share[part >= at - 1e-12].max(initial=0)) for at in (0.1, 0.9))
    i10, i90 = (
        float(grid[share <= at].min()) if (share <= at).any() else float(grid[-1])
        for at in (0.1, 0.9)
    )
    return {
        "v10": v10,
        "v90": v90,
        "i10": i10,
        "i90": i90,
        "diff_v10_v90": v10 - v90,
        "diff_i10_i90": i10 - i90,
    }
