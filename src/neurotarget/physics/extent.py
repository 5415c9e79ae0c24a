"""Bounding box of a mask, and depth of its voxels."""

import torch
from jaxtyping import Shaped
from torch import Tensor

from neurotarget.physics.fourier import Box, MaskVolume, Volume, across
from neurotarget.problems import DataError
from neurotarget.types import Triple


def bounding_box(mask: MaskVolume) -> Box:
    """Slices of the smallest box that contains the mask.

    Raises:
        DataError: the mask is empty.
    """
    box = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        used = torch.nonzero(mask.any(dim=others[1]).any(dim=others[0])).flatten()
        if not len(used):
            raise DataError(
                "mask: found no voxel, wanted the brain; give a mask of the scan's own grid, or "
                "check that the magnitude is not empty"
            )
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)


def placed(
    part: Shaped[Tensor, "i j k"], box: Box, like: Shaped[Tensor, "I J K"]
) -> Shaped[Tensor, "I J K"]:
    """Place the values of a box on the whole grid of `like`, 0 around them."""
    whole = torch.zeros_like(like, dtype=part.dtype)
    whole[box] = part
    return whole


def squared_depth_mm2(
    mask: MaskVolume, spacing_mm: Triple, reach_mm: float, *, faces: bool = True
) -> Volume:
    """Squared distance of each voxel to the nearest voxel outside the mask, in mm².

    Distances beyond `reach_mm` are not measured; they exceed `reach_mm`². Space beyond the array
    counts as outside the mask, unless `faces` is False. A sphere of radius r around a voxel (all
    voxels whose centre is at most r away) fits into the mask where the result exceeds r².
    """
    far = float(reach_mm) ** 2 * 1.001 + 1e-6
    depth = torch.where(mask, far, 0.0)
    for axis, side_mm in enumerate(spacing_mm):
        side = depth.shape[axis]
        best = depth.clone()
        for step in range(1, min(int(reach_mm / side_mm), side - 1) + 1):
            ahead, behind = (
                depth.narrow(axis, step, side - step),
                depth.narrow(axis, 0, side - step),
            )
            low, high = best.narrow(axis, 0, side - step), best.narrow(axis, step, side - step)
            torch.minimum(low, ahead + (step * side_mm) ** 2, out=low)
            torch.minimum(high, behind + (step * side_mm) ** 2, out=high)
        depth = best
        if not faces:
            continue
        places = torch.arange(1, side + 1, device=mask.device)
        edge = (torch.minimum(places, places.flip(0)) * side_mm).square()
        depth = torch.minimum(best, across(edge, axis).to(best))
    return depth
