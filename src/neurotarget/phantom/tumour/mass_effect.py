"""Mass effect: a tumour displaces tissue, less so near the skull."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy import ndimage

from neurotarget.types import TripleVox

STIFF_MM = 14.0  # tissue at this distance from the skull moves by 63 % of its free displacement


def displacement_vox(
    inside: Bool[ndarray, "I J K"],
    spacing_mm: Sequence[float],
    centre_vox: TripleVox,
    pushed_ml: float,
) -> Float[ndarray, "3 I J K"]:
    """Compute offsets (voxels) from each voxel to the origin of the tissue pushed there by a ball.

    A ball of `pushed_ml` that grows from a point moves incompressible tissue from radius s to
    radius r with r³ − s³ = 3 / 4π times its volume.

    Args:
        inside: mask of the inside of the skull; tissue near its border moves less.
        spacing_mm: sides of a voxel.
        centre_vox: centre of the ball.
        pushed_ml: volume of the ball.
    """
    spacing = np.array(spacing_mm, dtype=np.float32)
    lines = [
        (np.arange(side, dtype=np.float32) - at) * mm
        for side, at, mm in zip(inside.shape, centre_vox, spacing, strict=True)
    ]
    offset = np.stack(np.meshgrid(*lines, indexing="ij"))
    radius = np.sqrt((offset**2).sum(axis=0))
    cubed = 3 * pushed_ml * 1000 / (4 * np.pi)
    moved = radius - np.cbrt(np.maximum(radius**3 - cubed, 0))
    depth = ndimage.distance_transform_edt(inside, spacing)
    moved *= 1 - np.exp(-((depth / STIFF_MM) ** 2))
    towards = -offset / np.maximum(radius, 1e-3)
    return (towards * moved / spacing[:, None, None, None]).astype(np.float32)


def pushed(
    ids: Integer[ndarray, "I J K"], moves_vox: Float[ndarray, "3 i j k"]
) -> Integer[ndarray, "I J K"]:
    """Apply displacements, given in voxels of an equal or coarser grid, to a label map.

    Args:
        ids: the map; each voxel takes the id of its place of origin.
        moves_vox: from `displacement_vox`, interpolated linearly.

    Raises:
        ValueError: the map's sides are not one integer multiple of the displacements' sides.
    """
    times = {fine / coarse for fine, coarse in zip(ids.shape, moves_vox.shape[1:], strict=True)}
    if len(times) != 1 or not (factor := times.pop()).is_integer():
        raise ValueError(
            f"pushed: found a map of {ids.shape} and displacements of {moves_vox.shape[1:]}, "
            "wanted sides that are one whole multiple of them; choose such grids"
        )
    size = list(ids.shape)
    moves = F.interpolate(torch.from_numpy(moves_vox)[None], size=size, mode="trilinear")[0]
    number = np.zeros(ids.shape, dtype=np.int64)
    for axis, (part, side) in enumerate(zip(moves.numpy(), ids.shape, strict=True)):
        line = np.arange(side, dtype=np.float32)
        shape = [side if one == axis else 1 for one in range(3)]
        place = np.rint(part * np.float32(factor) + line.reshape(shape)).astype(np.int64)
        number = number * side + place.clip(0, side - 1)
    return ids.ravel()[number]
