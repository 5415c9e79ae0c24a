"""Affine and elastic deformation of a batch; only the voxels of the patches are resampled.

The images are regions around the patches, so that a patch finds voxels beyond its edges.

PyTorch interpolates planes with vector instructions, but volumes without them. On a CPU, two
bilinear readings in planes and their mean take a quarter of the time of one trilinear reading.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor

from neurotarget.data.augmentation.batch_plan import Warped
from neurotarget.data.augmentation.warp import spline_basis

Positions = Float[Tensor, "n 3 I J K"]  # along I, J and K, in voxels from the region's first


def positions(
    plan: Warped, sides: Sequence[int], region: Sequence[int], *, spacing: float
) -> Positions:
    """Compute the position in its region of every voxel of patches, each in its region's middle.

    `sides` are the sides of the patches and `region` those of the regions, in voxels; `spacing` is
    the distance of control points in voxels.
    """
    device = plan.matrix.device
    middle = torch.tensor([(side - 1) / 2 for side in region], device=device)
    along_i, along_j, along_k = (
        plan.matrix[:, :, axis, None] * _line(side, str(device)) for axis, side in enumerate(sides)
    )
    plane = along_i[..., None] + along_j[:, :, None] + (plan.shift + middle)[..., None, None]
    places = plane[..., None] + along_k[:, :, None, None]
    if plan.bent is not None:
        steps = plan.steps
        for basis in _bases(tuple(sides), tuple(region), spacing, str(device)):
            # contracts the first spatial axis and appends the voxel axis
            steps = torch.tensordot(steps, basis, dims=([2], [1]))
        places.index_add_(0, plan.bent, steps)
    return places


def read_images(
    regions: Float[Tensor, "n C _ _ _"], places: Positions
) -> Float[Tensor, "n C I J K"]:
    """Interpolate regions linearly; beyond a region its outermost voxels are repeated.

    Args:
        regions: voxels around each patch.
        places: positions in the regions, from `positions`; they are not changed.
    """
    count, contrasts, depth, height, width = regions.shape
    shape = (count, contrasts, *places.shape[2:])
    i, j, k = (place.reshape(count, -1) for place in places.unbind(1))
    i, j = i.clamp(0, depth - 1), j.clamp(0, height - 1)
    first = i.floor().clamp_(max=max(depth - 2, 0))  # the plane below
    if depth == 1:
        return _read_planes(regions.reshape(count, contrasts, height, width), j, k).reshape(shape)
    # all planes as rows of one picture; its second channel begins at the second plane
    stride = regions.stride()
    pairs = regions.as_strided(
        (count, contrasts, 2, (depth - 1) * height, width), (*stride[:2], *stride[2:])
    ).reshape(count, 2 * contrasts, -1, width)
    read = _read_planes(pairs, torch.addcmul(j, first, first.new_tensor(height)), k)
    below, above = read.reshape(count, contrasts, 2, -1).unbind(2)
    return torch.lerp(below, above, (i - first)[:, None]).reshape(shape)


def read_labels(
    regions: Integer[Tensor, "n _ _ _"], places: Positions
) -> Integer[Tensor, "n I J K"]:
    """Read the classes of the nearest voxels; 0 beyond a label map. `places` are overwritten.

    Positions across an image of one slice do not matter.
    """
    count, *sides = regions.shape
    framed = F.pad(regions, [int(side > 1) for side in reversed(sides) for _ in range(2)])
    number = torch.arange(count, device=regions.device, dtype=torch.int32)
    number = number[:, None, None, None].expand(-1, *places.shape[2:]).contiguous()
    for place, side, framed_side in zip(places.unbind(1), sides, framed.shape[1:], strict=True):
        if side > 1:
            voxel = place.round_().clamp_(-1, side).int()
            number.mul_(framed_side).add_(voxel).add_(1)
    return framed.reshape(-1).index_select(0, number.reshape(-1)).reshape(number.shape)


def _read_planes(
    planes: Float[Tensor, "n C H W"], row: Float[Tensor, "n V"], column: Float[Tensor, "n V"]
) -> Float[Tensor, "n C 1 V"]:
    """Interpolate linearly at rows and columns, in pixels from the first."""
    height, width = planes.shape[2:]
    grid = torch.empty(2, *row.shape, device=row.device)
    torch.mul(column, 2 / max(width - 1, 1), out=grid[0]).sub_(1)
    torch.mul(row, 2 / max(height - 1, 1), out=grid[1]).sub_(1)
    return F.grid_sample(
        planes, grid.permute(1, 2, 0)[:, None], padding_mode="border", align_corners=True
    )


@lru_cache(maxsize=16)
def _line(side: int, device: str) -> Float[Tensor, " side"]:
    """Positions of a patch's voxels about its centre."""
    return torch.arange(side, device=device) - (side - 1) / 2


@lru_cache(maxsize=8)
def _bases(
    sides: tuple[int, ...], region: tuple[int, ...], spacing: float, device: str
) -> list[Tensor]:
    """Weights of the region's control points at the voxels of the patch, per axis."""
    bases = []
    for side, whole in zip(sides, region, strict=True):
        margin = (whole - side) // 2
        basis = spline_basis(whole, 1 / spacing)[margin : margin + side]
        bases.append(basis.to(device))
    return bases
