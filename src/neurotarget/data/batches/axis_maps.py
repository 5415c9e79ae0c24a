"""Linear maps along one axis of a patch: blur, low resolution, ghosts, and mixed lines of k-space.

Each is a matrix from the voxels of a line to the voxels of the changed line. Maps along different
axes commute, so several transforms are one product per axis for a whole batch, on any device.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

TRUNCATE = 4.0  # standard deviations at which a Gaussian ends, as in SciPy

Maps = Float[Tensor, "n side side"]
Values = Float[Tensor, " n"]


def blurring_map(side: int, sigma: Values) -> Maps:
    """Gaussian blur with SDs in voxels, mirrored at the ends as in `scipy.ndimage`."""
    reach = int(TRUNCATE * float(sigma.max()) + 0.5)
    steps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (steps / sigma.clamp(min=1e-6)[:, None]) ** 2)
    weights = torch.where(steps.abs() <= (TRUNCATE * sigma + 0.5).floor()[:, None], weights, 0.0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    places = (torch.arange(side)[:, None] + steps) % (2 * side)
    places = torch.where(places < side, places, 2 * side - 1 - places)
    maps = torch.zeros(len(sigma), side, side)
    spread = weights[:, None, :].expand(-1, side, -1)
    return maps.scatter_add_(2, places.expand(len(sigma), -1, -1), spread)


def low_resolution_map(side: int, factor: Values) -> Maps:
    """Keep the nearest voxel of every `factor` voxels, then interpolate linearly between them.

    The kept voxels are centred on the line; beyond the last ones the line is constant.
    """
    kept = (side / factor).floor().clamp(min=1)
    first = (side - 1) / 2 - (kept - 1) / 2 * factor
    place = ((torch.arange(side) - first[:, None]) / factor[:, None]).clamp(min=0)
    place = torch.minimum(place, (kept - 1)[:, None])
    below = place.floor()
    above = torch.minimum(below + 1, (kept - 1)[:, None])
    share = place - below
    maps = torch.zeros(len(factor), side, side)
    for number, weight in ((below, 1 - share), (above, share)):
        voxel = (first[:, None] + number * factor[:, None] + 0.5).floor().long()
        maps.scatter_add_(2, voxel.clamp(0, side - 1)[:, :, None], weight[:, :, None])
    return maps


def ghosting_map(
    side: int, count: Int[Tensor, " n"], strength: Values, restored: Values | None = None
) -> Maps:
    """Weaken every `count`-th line of k-space by a share; 0 is none, and the middle is restored.

    `restored` is the share of lines around the middle that are kept; None is the middle line.
    """
    line = torch.arange(side)
    is_weak = (line % count.clamp(min=1)[:, None] == 0) & (count > 0)[:, None]
    middle = side // 2
    if restored is None:
        is_weak[:, middle] = False
    else:
        half = ((restored * side).round() / 2).floor()[:, None]
        is_weak &= ~((line >= middle - half) & (line < middle + half))
    return _filters(torch.where(is_weak, 1 - strength[:, None], 1.0))


def segment_maps(
    times: Float[Tensor, "n moves"], side: int
) -> Float[Tensor, "n moves+1 side side"]:
    """Lines of k-space taken at each position of a head that moves at these times, 0 to 1.

    The first map is of the head's own position, which has the middle of k-space.
    """
    moves = times.shape[1]
    line = torch.arange(side)
    part = (line >= (side * times).int()[:, :, None]).sum(dim=1)  # (n, side): before each time
    is_late = times > 0.5
    central = torch.where(is_late.any(dim=1), is_late.int().argmax(dim=1), moves)[:, None]
    position = torch.where(part == central, 0, torch.where(part == 0, central, part))
    return _filters((position[:, None, :] == torch.arange(moves + 1)[:, None]).float())


def along_axes(image: Tensor, along: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Apply maps (n, side, side) of the three axes to images (n, C, I, J, K)."""
    count, contrasts, i, j, k = image.shape
    image = torch.bmm(along[0], image.movedim(1, 2).reshape(count, i, -1))
    image = image.reshape(count, i, contrasts, j, k).movedim(2, 1)
    image = along[1][:, None, None] @ image
    return along_last(image, along[2])


def along_last(image: Tensor, maps: Tensor) -> Tensor:
    """Apply maps (n, K, K) along the last axis of images (n, C, I, J, K)."""
    count, _, _, _, k = image.shape
    return torch.bmm(image.reshape(count, -1, k), maps.transpose(1, 2)).reshape(image.shape)


def _filters(kept: Float[Tensor, "*n side"]) -> Float[Tensor, "*n side side"]:
    """Maps that multiply the lines of k-space, zero frequency in the middle; their real part."""
    side = kept.shape[-1]
    kernel = torch.fft.ifft(torch.fft.ifftshift(kept, dim=-1)).real
    line = torch.arange(side)
    return kernel[..., (line[:, None] - line) % side]
