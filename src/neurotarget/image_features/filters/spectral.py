"""Filters that are defined by frequency: Simoncelli's wavelet, and the Riesz transform.

They treat the image as periodic, whatever the boundary of other filters.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.fft import fftn, ifftn, ifftshift

from neurotarget.image_features.filters.filter_name import Filter
from neurotarget.image_features.filters.separable import AXES, Image


def simoncelli_response(image: Image, one: Filter) -> Image:
    """Band of a level of Simoncelli's wavelet, from a quarter to all of the highest frequency.

    Frequencies are evenly spaced from −1 to 1, both included, as in IBSI; with the frequencies of
    the discrete transform, two of IBSI's reference values are not met.
    Source: Portilla and Simoncelli 2000, doi:10.1023/A:1026553619983.
    """
    axes = filter_axes(one)
    lines = [
        _along(ifftshift(np.linspace(-1, 1, image.shape[axis])), axis, image.ndim)
        for axis in axes
        if image.shape[axis] > 1
    ]
    size = np.sqrt(sum(line**2 for line in lines)) if lines else np.zeros((1, 1, 1))
    top = 0.5 ** (one.level - 1)
    inside = (size > top / 4) & (size <= top)
    band = np.zeros(size.shape)
    band[inside] = np.cos(np.pi / 2 * np.log2(2 * size[inside] / top))
    return ifftn(fftn(image, axes=axes) * band, axes=axes).real


def riesz_response(image: Image, one: Filter) -> Image:
    """Riesz transform of a response, with its orders along x, y and z.

    Args:
        image: a response (K, I, J), which is treated as periodic.
        one: its `riesz`, one digit per axis.

    Source: Unser and Van De Ville 2010, doi:10.1109/TIP.2009.2038832.
    """
    axes = filter_axes(one)
    orders = [int(digit) for digit in one.riesz]
    total = sum(orders)
    lines = []
    for axis in axes:
        side = image.shape[axis]
        line = np.fft.fftfreq(side)
        line[np.abs(line) == 0.5] = 0  # a real image has no odd part at the highest frequency
        lines.append(_along(line, axis, image.ndim))
    size = np.sqrt(sum(line**2 for line in lines))
    size[size == 0] = 1  # where the product below is 0 too
    scale = math.sqrt(math.factorial(total) / math.prod(map(math.factorial, orders)))
    turn = (-1j) ** total * scale / size**total
    for line, order in zip(lines, orders, strict=True):
        turn = turn * line**order
    return ifftn(fftn(image, axes=axes) * turn, axes=axes).real


def filter_axes(one: Filter) -> tuple[int, ...]:
    """Axes of an image (K, I, J) along x, y and z, or x and y in slices."""
    return AXES[:2] if one.flat else AXES


def _along(line: Float[ndarray, " N"], axis: int, dimensions: int) -> Float[ndarray, "..."]:
    return line.reshape([-1 if at == axis else 1 for at in range(dimensions)])
