"""Distribution of intensities in space: centre of mass, autocorrelation, and local peaks.

Definitions of IBSI, arXiv:1612.07003, sections 3.1 and 3.2.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.fft import irfftn, next_fast_len, rfftn

PEAK_MM = (3 / (4 * math.pi)) ** (1 / 3) * 10  # radius of a sphere of 1 cm³


def spatial_features(
    image: Float[ndarray, "K I J"],
    mask: Bool[ndarray, "K I J"],
    voxels: Bool[ndarray, "K I J"],
    spacing_mm: Sequence[float],
) -> dict[str, float]:
    """Shift of the centre of mass in mm, Moran's I and Geary's C of the intensities.

    Pairs weigh the inverse of their distance in mm; their sums are a convolution, made by Fourier
    transforms. Both indices are NaN for a constant region.

    Args:
        image: intensities, slices first.
        mask: the region's shape.
        voxels: those whose intensity counts.
        spacing_mm: sides of a voxel along K, I and J.
    """
    step = np.asarray(spacing_mm, float)
    centres, values = np.argwhere(voxels) * step, image[voxels]
    weighted = values @ centres / values.sum() if values.sum() else np.full(3, np.nan)
    shift = float(np.linalg.norm((np.argwhere(mask) * step).mean(axis=0) - weighted))
    around = np.where(voxels, image - values.mean(), 0)
    square = float((around**2).sum())
    number = len(values)
    if number < 2 or square <= 1e-18 * float((values**2).sum()):
        return {"com": shift, "moran_i": math.nan, "geary_c": math.nan}
    ones, plain, squares = _paired(voxels.astype(float), around, around**2, spacing_mm)
    return {
        "com": shift,
        "moran_i": number / ones * plain / square,
        "geary_c": (number - 1) / (2 * ones) * 2 * (squares - plain) / square,
    }


def _paired(
    ones: ndarray, values: ndarray, squares: ndarray, spacing_mm: Sequence[float]
) -> tuple[float, float, float]:
    """Weighted sums over all pairs of voxels of 1, of the product, and of the square of one."""
    shape = tuple(next_fast_len(2 * side - 1, real=True) for side in ones.shape)
    lags = [
        np.minimum(np.arange(side), side - np.arange(side)) * step
        for side, step in zip(shape, spacing_mm, strict=True)
    ]
    apart = sum(np.meshgrid(*(lag**2 for lag in lags), indexing="ij", sparse=True))
    apart[0, 0, 0] = np.inf  # a voxel is no pair with itself
    weights = 1 / np.sqrt(apart)
    near = irfftn(rfftn(weights) * rfftn(ones, shape), shape)
    near = near[tuple(slice(side) for side in ones.shape)]
    with_values = irfftn(rfftn(weights) * rfftn(values, shape), shape)
    with_values = with_values[tuple(slice(side) for side in ones.shape)]
    return (
        float((near * ones).sum()),
        float((with_values * values).sum()),
        float((near * squares).sum()),
    )


def peak_features(
    image: Float[ndarray, "K I J"], voxels: Bool[ndarray, "K I J"], spacing_mm: Sequence[float]
) -> dict[str, float]:
    """Mean intensity in a sphere of 1 cm³ around the largest intensity, and the largest such mean.

    The sphere counts voxels outside the region too. Of several largest intensities, the one with
    the largest mean counts.

    Keys are `peak_loc` and `peak_glob`, in the unit of the image.
    """
    reach = [int(PEAK_MM / step) for step in spacing_mm]
    box = tuple(
        slice(max(int(at.min()) - r, 0), int(at.max()) + r + 1)
        for at, r in zip(np.nonzero(voxels), reach, strict=True)
    )
    part, inside = image[box], voxels[box]
    axes = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    ball = sum((axis * step) ** 2 for axis, step in zip(axes, spacing_mm, strict=True))
    near = ball <= PEAK_MM**2
    shape = tuple(
        next_fast_len(side + 2 * r, real=True) for side, r in zip(part.shape, reach, strict=True)
    )
    kernel = rfftn(near.astype(float), shape)
    window = tuple(slice(r, r + side) for r, side in zip(reach, part.shape, strict=True))
    total, number = (
        irfftn(kernel * rfftn(one, shape), shape)[window] for one in (part, np.ones(part.shape))
    )
    means, values = (total / np.round(number))[inside], part[inside]
    return {
        "peak_loc": float(means[values == values.max()].max()),
        "peak_glob": float(means.max()),
    }
