"""Kernels of one dimension, which separable filters apply along each axis.

Laws' kernels: doi:10.1117/12.959169. Daubechies: doi:10.1137/1.9781611970104. Coiflets: Daubechies
1993, doi:10.1137/0524031.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

LAWS = {  # level, edge, spot, wave, ripple
    "L5": (1, 4, 6, 4, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
    "L3": (1, 2, 1),
    "E3": (-1, 0, 1),
    "S3": (-1, 2, -1),
}

Kernel = Float[ndarray, " _"]


def laws_kernel(name: str) -> Kernel:
    """One of Laws' kernels with a norm of 1."""
    kernel = np.array(LAWS[name], float)
    return kernel / np.linalg.norm(kernel)


@cache
def low_pass(family: str) -> tuple[float, ...]:
    """Decomposition filter of the scaling function: haar, db1 to db9, or coif1.

    Source: Daubechies, doi:10.1137/1.9781611970104; coif1: Daubechies 1993, doi:10.1137/0524031.
    """
    if family == "coif1":
        root = math.sqrt(7)
        values = (root - 3, 1 - root, 14 - 2 * root, 14 + 2 * root, 5 + root, 1 - root)
        return tuple(value / (16 * math.sqrt(2)) for value in values)
    order = 1 if family == "haar" else int(family.removeprefix("db"))
    # roots of Σ C(p−1+k, k) yᵏ in y = (2 − z − 1/z) / 4; those inside the unit circle
    powers = [math.comb(order - 1 + k, k) for k in range(order)]
    inside = [z for y in np.roots(powers[::-1]) for z in np.roots([1, 4 * y - 2, 1]) if abs(z) < 1]
    kernel = np.real(np.poly([*inside, *[-1] * order]))
    return tuple((kernel * math.sqrt(2) / kernel.sum())[::-1].tolist())


def wavelet_kernel(family: str, name: str) -> Kernel:
    """Low-pass (L) or high-pass (H) kernel of a family.

    A 0 at the end makes its length odd, so that a convolution has a voxel in the middle.
    """
    low = np.array(low_pass(family))
    kernel = low if name == "L" else low[::-1] * (-1.0) ** np.arange(1, len(low) + 1)
    return np.append(kernel, 0.0)


def with_holes(kernel: Kernel, level: int) -> Kernel:
    """The kernel for a level of the undecimated decomposition (à trous), from 1.

    Between its values are 2^(level − 1) − 1 zeros; at level 1 it stays as it is.
    """
    step = 2 ** (level - 1)
    wide = np.zeros((len(kernel) - 1) * step + 1)
    wide[::step] = kernel
    return wide


def rotations(dimensions: int) -> Iterator[tuple[tuple[int, ...], tuple[bool, ...]]]:
    """Right-angled rotations: which kernel an axis gets, and whether it is reversed.

    There are 4 in two dimensions and 24 in three; mirror images are not among them.
    """
    for order in itertools.permutations(range(dimensions)):
        parity = np.linalg.det(np.eye(dimensions)[list(order)])
        for flips in itertools.product((False, True), repeat=dimensions):
            if parity * (-1) ** sum(flips) > 0:
                yield order, flips


def rotated(kernels: Sequence[Kernel], rotation: tuple[Sequence[int], Sequence[bool]]) -> list:
    """Kernels along the axes after a rotation.

    Args:
        kernels: along the axes before it.
        rotation: one of `rotations`.
    """
    order, flips = rotation
    return [
        kernels[at][::-1] if flip else kernels[at] for at, flip in zip(order, flips, strict=True)
    ]
