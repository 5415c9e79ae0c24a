"""Fields of magnetised bodies in closed form, in ppm of the main field, and grids to sample them.

Source: Schenck 1996, doi:10.1118/1.597854; with the sphere of Lorentz.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def places(shape: Sequence[int], spacing_mm: Sequence[float]) -> list[Tensor]:
    """Positions of voxel centres in mm about the middle voxel, one array per axis."""
    sides = [(torch.arange(n) - n // 2) * step for n, step in zip(shape, spacing_mm, strict=True)]
    return list(torch.meshgrid(*[side.double() for side in sides], indexing="ij"))


def ball(shape: Sequence[int], spacing_mm: Sequence[float], radius_mm: float) -> Tensor:
    """Share of each voxel within a ball about the middle voxel, from 4 × 4 × 4 points in it."""
    return _share(shape, spacing_mm, lambda x, y, z: x**2 + y**2 + z**2 < radius_mm**2)


def rod(shape: Sequence[int], spacing_mm: Sequence[float], radius_mm: float) -> Tensor:
    """The same of an endless cylinder along the third axis."""
    return _share(shape, spacing_mm, lambda x, y, _: x**2 + y**2 < radius_mm**2)


def _share(shape: Sequence[int], spacing_mm: Sequence[float], inside: object) -> Tensor:
    x, y, z = places(shape, spacing_mm)
    steps = (torch.arange(4) + 0.5) / 4 - 0.5
    total = torch.zeros(tuple(shape))
    for i in steps:
        for j in steps:
            for k in steps:
                moved = (x + i * spacing_mm[0], y + j * spacing_mm[1], z + k * spacing_mm[2])
                total += inside(*moved)
    return total / 64


def ball_field(
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    radius_mm: float,
    b0: Sequence[float],
    centre_mm: Sequence[float] = (0.0, 0.0, 0.0),
) -> Tensor:
    """Field of a ball of 1 ppm: none inside, a dipole's outside."""
    x, y, z = (one - move for one, move in zip(places(shape, spacing_mm), centre_mm, strict=True))
    away = (x**2 + y**2 + z**2).sqrt().clamp(min=1e-9)
    cosine = (x * b0[0] + y * b0[1] + z * b0[2]) / away
    outside = (radius_mm / away) ** 3 / 3 * (3 * cosine**2 - 1)
    return torch.where(away < radius_mm, 0.0, outside).float()


def rod_field(
    shape: Sequence[int], spacing_mm: Sequence[float], radius_mm: float, b0: Sequence[float]
) -> Tensor:
    """Field of an endless cylinder of 1 ppm along the third axis."""
    x, y, _ = places(shape, spacing_mm)
    across = b0[0] ** 2 + b0[1] ** 2  # sin² of the angle to the axis
    away = (x**2 + y**2).clamp(min=1e-9)
    along = (x * b0[0] + y * b0[1]) ** 2 / away  # sin²(angle) · cos²(φ)
    outside = radius_mm**2 / away / 2 * (2 * along - across)
    inside = (3 * b0[2] ** 2 - 1) / 6
    return torch.where(away < radius_mm**2, inside, outside).float()
