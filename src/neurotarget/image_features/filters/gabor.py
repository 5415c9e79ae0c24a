"""Gabor filter: the modulus of the response to a wave within a Gaussian, in planes of the image."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray
from scipy.fft import fft2, ifft2, next_fast_len

from neurotarget.image_features.filters.filter_name import Boundary, Filter
from neurotarget.image_features.filters.separable import Image, pooled

PLANES = ((1, 2), (1, 0), (2, 0))  # axes of x, y; x, z; y, z of an image with slices first
CUT_SD = 6.0  # SDs of the wider side; cut earlier, a wave responds to a plateau
PADDING = {"mirror": "symmetric", "nearest": "edge", "zero": "constant", "periodic": "wrap"}


def gabor_response(
    image: Image, spacing_mm: Sequence[float], one: Filter, boundary: Boundary
) -> Image:
    """Modulus of the response in the slices, or its mean over the three planes.

    With a pool, angles are all steps of the given one up to 180°, as the modulus repeats there.

    Args:
        image: slices first (K, I, J).
        spacing_mm: sides of a voxel along K, I and J.
        one: width, wavelength, aspect and angle of the filter.
        boundary: how the image continues beyond its border.
    """
    planes = PLANES[:1] if one.flat else PLANES
    total = sum(_of_plane(image, spacing_mm, one, boundary, plane) for plane in planes)
    return total / len(planes)


def reach_mm(one: Filter) -> float:
    """Distance in mm beyond which voxels do not count."""
    return CUT_SD * one.width * max(1.0, 1 / one.aspect)


def _of_plane(
    image: Image,
    spacing_mm: Sequence[float],
    one: Filter,
    boundary: Boundary,
    plane: tuple[int, int],
) -> Image:
    """Response in all planes along two axes."""
    sides = [spacing_mm[axis] for axis in plane]
    reach = [int(reach_mm(one) / side + 0.5) for side in sides]
    flat = np.moveaxis(image, plane, (1, 2))  # (planes, x, y)
    margins = ((0, 0), *((step, step) for step in reach))
    wide = np.pad(flat, margins, mode=PADDING[boundary])  # type: ignore[call-overload]
    shape = [next_fast_len(side) for side in wide.shape[1:]]
    spectrum = fft2(wide, shape)
    window = tuple(
        slice(2 * step, 2 * step + side) for step, side in zip(reach, flat.shape[1:], strict=True)
    )

    def response(angle: float) -> Image:
        """Modulus of the response at one angle, in the planes without their padding."""
        kernel = fft2(gabor_kernel(one, sides, reach, angle), shape)
        return np.abs(ifft2(spectrum * kernel)[:, *window])

    made = pooled(map(response, angles_of(one)), one.pool)
    return np.moveaxis(made, (1, 2), plane)


def angles_of(one: Filter) -> list[float]:
    """Angles in radians: the given one, or with a pool all its multiples below 180°."""
    if not one.pool:
        return [math.radians(one.angle)]
    count = max(round(180 / one.angle), 1)
    return [math.radians(one.angle) * step for step in range(count)]


def gabor_kernel(
    one: Filter, sides_mm: Sequence[float], reach: Sequence[int], angle: float
) -> Complex[ndarray, "X Y"]:
    """The wave at an angle clockwise from x, as y points down in images.

    Args:
        one: width and wavelength in mm, and aspect.
        sides_mm: of a pixel along x and y.
        reach: pixels to both sides of the centre along x and y.
        angle: radians.
    """
    x, y = (np.arange(-step, step + 1) * side for step, side in zip(reach, sides_mm, strict=True))
    across: Float[ndarray, "X Y"] = x[:, None] * math.cos(angle) + y * math.sin(angle)
    along = -x[:, None] * math.sin(angle) + y * math.cos(angle)
    envelope = np.exp(-(across**2 + one.aspect**2 * along**2) / (2 * one.width**2))
    return envelope * np.exp(2j * math.pi * across / one.wave)
