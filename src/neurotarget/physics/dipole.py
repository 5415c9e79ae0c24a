"""The field of magnetised tissue: the effect of a voxel's susceptibility on the main field.

`b0` is the unit vector of the main field along the array's axes and may be oblique to them. The
field is relative to the main field, in ppm, and is the field at the protons (inside the sphere of
Lorentz): an object of positive susceptibility that is longer along b0 than across has a positive
field inside.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from neurotarget.physics.fourier import Volume, fast_side, frequencies, spectrum, volume
from neurotarget.problems import DataError
from neurotarget.types import Triple

GAMMA_HZ_PER_T = 42.577478518e6  # of the proton, CODATA 2018


def direction(b0: Sequence[float]) -> Triple:
    """Unit vector along `b0`.

    Raises:
        DataError: `b0` is not three finite numbers, or all of them are 0.
    """
    parts = tuple(float(part) for part in b0)
    length = math.hypot(*parts)
    if len(parts) != 3 or not math.isfinite(length) or length == 0:
        raise DataError(
            f"direction of B0: found {parts}, wanted three numbers along the axes of the array, "
            "not all 0; give (0, 0, 1) for a scan whose slices lie across the field"
        )
    return tuple(part / length for part in parts)


def dipole_kernel(
    shape: Sequence[int],
    spacing_mm: Triple,
    b0: Sequence[float],
    *,
    device: torch.device | str | None = None,
) -> Tensor:
    """Field per susceptibility at each spatial frequency: D(k) = 1/3 − (k·b0)²/k², D(0) = 0.

    The layout is that of `torch.fft.rfftn` for a volume of `shape`: (I, J, K // 2 + 1). The Nyquist
    frequency of an even side has both signs; D is their mean, which keeps the field of an oblique
    b0 real.

    Source: Salomir et al. 2003, doi:10.1002/cmr.b.10083; Marques and Bowtell 2005,
    doi:10.1002/cmr.b.20034.
    """
    sides = tuple(int(side) for side in shape)
    along, edge, square = 0.0, 0.0, 0.0
    waves = frequencies(sides, spacing_mm, device=device)
    for wave, side, step, part in zip(waves, sides, spacing_mm, direction(b0), strict=True):
        is_edge = (wave.abs() * (2 * step) > 1 - 0.5 / side) & (side % 2 == 0)
        along = along + torch.where(is_edge, 0.0, wave * part)
        edge = edge + torch.where(is_edge, (wave * part) ** 2, 0.0)
        square = square + wave**2
    square[0, 0, 0] = 1
    kernel = along.square_().add_(edge).div_(square).neg_().add_(1 / 3)
    kernel[0, 0, 0] = 0
    return kernel


def dipole_field(
    chi_ppm: Volume, spacing_mm: Triple, b0: Sequence[float], *, pad: bool = True
) -> Volume:
    """Field of a susceptibility map, in ppm of the main field: the forward model.

    Space outside the array has 0 ppm: subtract the susceptibility of the surroundings first. `pad`
    keeps the periodic copies one array length away; without it, the copies touch.
    """
    sides = tuple(fast_side(2 * side) if pad else side for side in chi_ppm.shape)
    wave = spectrum(chi_ppm.float(), sides)
    wave *= dipole_kernel(sides, spacing_mm, b0, device=chi_ppm.device)
    return volume(wave, sides, chi_ppm.shape)
