"""Filters whose kernel is a product of kernels along the axes: mean, LoG, Laws and wavelets.

Images are (K, I, J): slices first, then x and y. Kernels are named along x, y, z.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import convolve1d, uniform_filter1d

from neurotarget.image_features.filters.filter_name import Boundary, Filter
from neurotarget.image_features.filters.line_kernels import (
    Kernel,
    laws_kernel,
    rotated,
    rotations,
    wavelet_kernel,
    with_holes,
)

MODES = {"mirror": "reflect", "nearest": "nearest", "zero": "constant", "periodic": "wrap"}
AXES = (1, 2, 0)  # of an image along x, y, z
CUT_SD = 4.0  # standard deviations at which a Gaussian is cut

Image = Float[ndarray, "K I J"]


def mean_response(image: Image, one: Filter, boundary: Boundary) -> Image:
    """Mean of a cube, or of a square in each slice."""
    for axis in _axes(one):
        image = uniform_filter1d(image, one.support, axis, mode=MODES[boundary])
    return image


def log_response(
    image: Image, spacing_mm: Sequence[float], one: Filter, boundary: Boundary
) -> Image:
    """Laplacian of a Gaussian, per squared voxel side; of the mean side if they differ.

    Args:
        image: slices first (K, I, J).
        spacing_mm: sides of a voxel along K, I and J.
        one: width of the Gaussian in mm, and whether slices are filtered by themselves.
        boundary: how the image continues beyond its border.
    """
    axes = _axes(one)
    sides = [spacing_mm[axis] for axis in axes]
    smooth, bent = zip(*(gaussian_kernels(one.width / side) for side in sides), strict=True)
    mean_side = float(np.prod(sides)) ** (1 / len(sides))
    total = np.zeros_like(image)
    for number, side in enumerate(sides):
        kernels = [*smooth[:number], bent[number], *smooth[number + 1 :]]
        total += _along(image, kernels, axes, boundary) * (mean_side / side) ** 2
    return total


def gaussian_kernels(width_vox: float) -> tuple[Kernel, Kernel]:
    """A sampled Gaussian and its second derivative, cut at `CUT_SD`."""
    reach = int(CUT_SD * width_vox + 0.5)
    at = np.arange(-reach, reach + 1)
    smooth = np.exp(-(at**2) / (2 * width_vox**2)) / (np.sqrt(2 * np.pi) * width_vox)
    return smooth, smooth * (at**2 / width_vox**4 - 1 / width_vox**2)


def laws_response(image: Image, one: Filter, boundary: Boundary) -> Image:
    """Response to Laws' kernels, or its texture energy, pooled over rotations if wanted.

    The energy is the mean absolute response in a cube (or square) of 2 · energy + 1 voxels.
    Source: doi:10.1117/12.959169.
    """
    kernels = [laws_kernel(name) for name in one.parts]
    made = pooled(
        (_along(image, turned, _axes(one), boundary) for turned in _turned(kernels, one)), one.pool
    )
    if not one.energy:
        return made
    made = np.abs(made)
    for axis in _axes(one):
        made = uniform_filter1d(made, 2 * one.energy + 1, axis, mode=MODES[boundary])
    return made


def wavelet_response(image: Image, one: Filter, boundary: Boundary) -> Image:
    """A map of the undecimated wavelet decomposition, pooled over rotations if wanted.

    Levels before the last are low-pass along all axes.
    """
    last = [wavelet_kernel(one.family, name) for name in one.parts]
    first = [wavelet_kernel(one.family, "L")] * len(last)
    return pooled(_decomposed(image, first, last, one, boundary), one.pool)


def _decomposed(
    image: Image, first: list[Kernel], last: list[Kernel], one: Filter, boundary: Boundary
) -> Iterator[Image]:
    """Response for each rotation: low-pass at each level before the last."""
    seen = set()
    turns = rotations(len(last)) if one.pool else [(tuple(range(len(last))), (False,) * len(last))]
    for turn in turns:
        low, high = rotated(first, turn), rotated(last, turn)
        key = tuple(kernel.tobytes() for kernel in (*low, *high))
        if key in seen:
            continue
        seen.add(key)
        made = image
        for level in range(1, one.level):
            made = _along(made, [with_holes(k, level) for k in low], _axes(one), boundary)
        yield _along(made, [with_holes(k, one.level) for k in high], _axes(one), boundary)


def _turned(kernels: list[Kernel], one: Filter) -> Iterator[list[Kernel]]:
    """Kernels in each different rotation; only as they are without pooling."""
    if not one.pool:
        yield kernels
        return
    seen = set()
    for turn in rotations(len(kernels)):
        turned = rotated(kernels, turn)
        key = tuple(kernel.tobytes() for kernel in turned)
        if key not in seen:
            seen.add(key)
            yield turned


def pooled(responses: Iterator[Image], pool: str) -> Image:
    """Maximum, minimum or mean of responses, one at a time; the only one without a pool.

    Args:
        responses: at least one, of equal shape; only two are in memory together.
        pool: max, min, mean, or "".
    """
    total, count = next(responses), 1
    for response in responses:
        count += 1
        if pool == "max":
            total = np.maximum(total, response)
        elif pool == "min":
            total = np.minimum(total, response)
        else:
            total = total + response
    return total / count if pool == "mean" else total


def _axes(one: Filter) -> tuple[int, ...]:
    return AXES[:2] if one.flat else AXES


def _along(
    image: Image, kernels: Sequence[Kernel], axes: Sequence[int], boundary: Boundary
) -> Image:
    for kernel, axis in zip(kernels, axes, strict=True):
        image = convolve1d(image, kernel, axis, mode=MODES[boundary])
    return image
