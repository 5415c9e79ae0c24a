"""Real Fourier and cosine transforms of volumes, padded to sizes with fast transforms.

Spectra are in the layout of `torch.fft.rfftn`: (I, J, K // 2 + 1) of the padded sides. Axes are
transformed one after the other, so that zeros of the padding are transformed only where necessary.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Complex, Float, Shaped
from torch import Tensor

from neurotarget.types import Triple, TripleVox

Volume = Float[Tensor, "I J K"]
MaskVolume = Bool[Tensor, "I J K"]
Padded = Float[Tensor, "P Q R"]  # a volume on padded sides
Spectrum = Complex[Tensor, "P Q H"]
Box = tuple[slice, slice, slice]


def across(values: Shaped[Tensor, " N"], axis: int) -> Shaped[Tensor, "_ _ _"]:
    """Values along one axis of a volume, shaped to broadcast over the others."""
    return values.reshape([-1 if axis == other else 1 for other in range(3)])


def fast_side(least: int) -> int:
    """Smallest even number of at least `least` that is a product of 2, 3, 5 and 7."""
    side = max(least + least % 2, 2)
    while not _is_smooth(side):
        side += 2
    return side


def fast_sides(shape: Sequence[int], margin_mm: float, spacing_mm: Triple) -> TripleVox:
    """Sides with fast transforms that leave `margin_mm` between a box and its periodic copies."""
    return tuple(
        fast_side(side + math.ceil(margin_mm / step))
        for side, step in zip(shape, spacing_mm, strict=True)
    )


def spectrum(values: Volume, sides: TripleVox) -> Spectrum:
    """Spectrum of a volume, padded with zeros at the end to `sides`."""
    wave = torch.fft.rfft(values, n=sides[2], dim=2)
    wave = torch.fft.fft(wave, n=sides[1], dim=1)
    return torch.fft.fft(wave, n=sides[0], dim=0)


def volume(wave: Tensor, sides: TripleVox, shape: Sequence[int]) -> Volume:
    """First `shape` voxels of the volume whose spectrum on `sides` is given."""
    part = torch.fft.ifft(wave, dim=0)[: shape[0]]
    part = torch.fft.ifft(part, dim=1)[:, : shape[1]]
    return torch.fft.irfft(part, n=sides[2], dim=2)[..., : shape[2]]


def frequencies(
    sides: TripleVox, spacing_mm: Triple, *, device: torch.device | str | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Cycles per mm along each axis of a spectrum, shaped to broadcast: (I,1,1) (1,J,1) (1,1,H)."""
    kinds = (torch.fft.fftfreq, torch.fft.fftfreq, torch.fft.rfftfreq)
    return tuple(
        across(kind(side, d=step, device=device), axis)
        for axis, (kind, side, step) in enumerate(zip(kinds, sides, spacing_mm, strict=True))
    )


def laplacian(
    sides: TripleVox, spacing_mm: Triple, *, device: torch.device | str | None = None
) -> Volume:
    """Factor of −∇² by neighbour differences at each frequency of a periodic grid, 1/mm², ≥ 0."""
    total = None
    for wave, step in zip(frequencies(sides, spacing_mm, device=device), spacing_mm, strict=True):
        one = (2 - 2 * torch.cos(2 * math.pi * wave * step)) / step**2
        total = one if total is None else total + one
    return total


def solve_poisson(source: Volume, spacing_mm: Triple) -> Volume:
    """The volume of mean 0 whose Laplacian is `source`, with no flux through the faces.

    The Laplacian consists of neighbour differences over spacing_mm², and the volume is mirrored at
    its faces (cosine transform), so differences along the axes are reproduced exactly.

    Source: Ghiglia and Romero 1994, doi:10.1364/JOSAA.11.000107.
    """
    bases = [_cosines(side, source) for side in source.shape]
    wave = source
    for axis, base in enumerate(bases):
        wave = _along(wave, base, axis)
    scale = torch.zeros_like(wave)
    for axis, (side, step) in enumerate(zip(source.shape, spacing_mm, strict=True)):
        turn = torch.arange(side, device=source.device, dtype=source.dtype) * (math.pi / side)
        scale += across((2 * torch.cos(turn) - 2) / step**2, axis)
    scale[0, 0, 0] = 1
    wave = wave.div_(scale)
    wave[0, 0, 0] = 0
    for axis, base in enumerate(bases):
        wave = _along(wave, base.T, axis)
    return wave


def smooth(values: Volume, sigma_mm: Triple, spacing_mm: Triple) -> Volume:
    """Gaussian mean of standard deviation `sigma_mm` per axis (0: none); outside is 0."""
    for axis, (sigma, step) in enumerate(zip(sigma_mm, spacing_mm, strict=True)):
        if sigma > 0:
            side = values.shape[axis]
            places = torch.arange(side, device=values.device, dtype=values.dtype) * step
            weights = torch.exp(-0.5 * ((places[:, None] - places[None, :]) / sigma) ** 2)
            values = _along(values, weights * (step / (sigma * math.sqrt(2 * math.pi))), axis)
    return values


def _is_smooth(side: int) -> bool:
    for factor in (2, 3, 5, 7):
        while side % factor == 0:
            side //= factor
    return side == 1


def _cosines(side: int, like: Tensor) -> Float[Tensor, "N N"]:
    """Orthonormal cosine transform (type II) as a matrix; at these sizes as fast as an FFT."""
    waves = torch.arange(side, dtype=torch.float64)
    base = torch.cos(math.pi / side * waves[:, None] * (waves[None, :] + 0.5))
    base *= math.sqrt(2 / side)
    base[0] /= math.sqrt(2)
    return base.to(like)


def _along(values: Volume, matrix: Float[Tensor, "M N"], axis: int) -> Volume:
    """Multiply one axis by a matrix."""
    if axis == 2:
        return values @ matrix.T
    if axis == 1:
        return matrix @ values
    first, *rest = values.shape
    return (matrix @ values.reshape(first, -1)).reshape(-1, *rest)
