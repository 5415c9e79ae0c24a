"""Phase unwrapping.

`unwrap_laplacian` is fast and never fails, but its result is correct only up to a part that obeys
Laplace's equation inside the mask, which the background removal subtracts with the rest.
`unwrap_path` adds only a multiple of 2π to each voxel.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurotarget.physics.extent import bounding_box, placed
from neurotarget.physics.fourier import MaskVolume, Volume, solve_poisson
from neurotarget.physics.phase import TURN, wrap
from neurotarget.problems import DataError
from neurotarget.types import Triple

Steps = Float[Tensor, "i j k"]  # differences of next neighbours, one fewer along an axis


def unwrap_laplacian(phase: Volume, spacing_mm: Triple, mask: MaskVolume | None = None) -> Volume:
    """Unwrapped phase in radians whose mean is 0 in the box of the mask; 0 outside the mask.

    Differences of neighbours are wrapped into −π to π, and a Poisson equation is solved for the
    volume with these differences. The result is exact, up to a constant, if no true difference
    exceeds π and there is no mask; with a mask, differences across its border count as 0.

    Source: Schofield and Zhu 2003, doi:10.1364/OL.28.001194; differences in place of sines: Ghiglia
    and Romero 1994, doi:10.1364/JOSAA.11.000107.

    Raises:
        DataError: the mask is empty.
    """
    if mask is None:
        mask = torch.ones_like(phase, dtype=torch.bool)
    box = bounding_box(mask)
    inner, part = mask[box], phase[box].float()
    steps = [wrap(part.diff(dim=axis)) * pairs(inner, axis) for axis in range(3)]
    return placed(integrate(steps, spacing_mm) * inner, box, phase)


def unwrap_path(
    phase: Volume, mask: MaskVolume | None = None, weight: Volume | None = None
) -> Volume:
    """Phase plus multiples of 2π, from the most reliable voxels outwards; 0 outside the mask.

    A common multiple of 2π is arbitrary in each connected piece of the mask. Voxels of weight 0
    (no signal) are skipped and not changed.

    Source: Abdul-Rahman et al. 2007, doi:10.1364/AO.46.006623 (scikit-image's `unwrap_phase`).

    Raises:
        DataError: the mask is empty, or scikit-image is not installed.
    """
    try:
        from skimage.restoration import unwrap_phase
    except ImportError as error:
        raise DataError(
            "unwrap: 'path' needs scikit-image, which is not installed; pip install scikit-image, "
            "or unwrap: laplacian"
        ) from error
    if mask is None:
        mask = torch.ones_like(phase, dtype=torch.bool)
    box = bounding_box(mask)
    inner, part = mask[box].cpu().numpy(), wrap(phase[box]).double().cpu().numpy()
    trusted = inner if weight is None else inner & (weight[box] > 0).cpu().numpy()
    unwrapped_part = unwrap_phase(np.ma.array(part, mask=~trusted), rng=0)
    turns = np.round((np.ma.filled(unwrapped_part, 0.0) - part) / TURN) * trusted
    unwrapped = torch.from_numpy(part + turns * TURN).to(phase.device, torch.float32)
    return placed(unwrapped * mask[box], box, phase)


def pairs(mask: MaskVolume, axis: int) -> Bool[Tensor, "i j k"]:
    """Mask of voxels that are in the mask together with their next neighbour along an axis."""
    side = mask.shape[axis] - 1
    return mask.narrow(axis, 0, side) & mask.narrow(axis, 1, side)


def integrate(steps: Sequence[Tensor], spacing_mm: Triple) -> Volume:
    """The volume of mean 0 whose differences along the axes are closest to `steps`.

    Least squares over all faces, each weighted by 1 / spacing_mm².
    """
    first, *rest = steps[0].shape
    source = steps[0].new_zeros(first + 1, *rest)
    for axis, (step, side_mm) in enumerate(zip(steps, spacing_mm, strict=True)):
        side, flow = source.shape[axis] - 1, step / side_mm**2
        source.narrow(axis, 0, side).add_(flow)
        source.narrow(axis, 1, side).sub_(flow)
    return solve_poisson(source, spacing_mm)
