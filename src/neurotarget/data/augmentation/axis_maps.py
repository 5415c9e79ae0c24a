"""Linear maps along one axis of a patch: blur, low resolution, ghosts, and mixed lines of k-space.

Each map is a matrix from the voxels of a line to those of the changed line. Maps along different
axes commute, so several transforms are one product per axis for a whole batch, on any device.
"""

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from torch import Tensor

TRUNCATE = 4.0  # standard deviations at which a Gaussian ends, as in SciPy

Maps = Float[ndarray, "n side side"]
Values = Float[ndarray, " n"]


def blurring_map(side: int, sigma: Values) -> Maps:
    """Make maps of a Gaussian blur with SDs in voxels, mirrored at the ends as `scipy.ndimage`.

    A map with an SD of 0 changes nothing; each row of a map sums to 1.
    """
    reach = int(TRUNCATE * float(sigma.max()) + 0.5)
    line, steps = np.arange(side), np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (steps / np.maximum(sigma, 1e-6)[:, None]) ** 2)
    weights *= np.abs(steps) <= np.floor(TRUNCATE * sigma + 0.5)[:, None]
    weights /= weights.sum(axis=1, keepdims=True)
    maps = np.zeros((len(sigma), side, side), dtype=np.float32)
    for step, weight in zip(steps, weights.T, strict=True):
        place = (line + step) % (2 * side)
        maps[:, line, np.minimum(place, 2 * side - 1 - place)] += weight[:, None]
    return maps


def low_resolution_map(side: int, factor: Values) -> Maps:
    """Keep the nearest voxel of every `factor` voxels, then interpolate linearly between them.

    The kept voxels are centred on the line; beyond the outermost kept voxels the line is constant.

    `side` is the voxels of the line; a factor of 1 keeps every voxel.
    """
    line, rows = np.arange(side), np.arange(len(factor))[:, None]
    last = np.maximum(np.floor(side / factor), 1)[:, None] - 1
    first = (side - 1) / 2 - last / 2 * factor[:, None]
    place = np.clip((line - first) / factor[:, None], 0, last)
    below = np.floor(place)
    maps = np.zeros((len(factor), side, side), dtype=np.float32)
    share = place - below
    for number, weight in ((below, 1 - share), (np.minimum(below + 1, last), share)):
        voxel = np.floor(first + number * factor[:, None] + 0.5).astype(int)
        maps[rows, line, voxel] += weight
    return maps


def ghosting_map(
    side: int, count: Integer[ndarray, " n"], strength: Values, restored: Values | None = None
) -> Maps:
    """Weaken every `count`-th line of k-space by a share (0: no change), except in the middle.

    `restored` is the share of lines around the middle that are kept; None is the middle line.
    """
    line, middle = np.arange(side), side // 2
    is_weak = (line % np.maximum(count, 1)[:, None] == 0) & (count > 0)[:, None]
    if restored is None:
        is_weak[:, middle] = False
    else:
        half = np.round(restored * side)[:, None] // 2
        is_weak &= (line < middle - half) | (line >= middle + half)
    return _filters(np.where(is_weak, 1 - strength[:, None], 1.0))


def segment_maps(
    times: Float[ndarray, "n moves"], side: int
) -> Float[ndarray, "n moves+1 side side"]:
    """Make maps that keep the k-space lines of each position of a head; times are 0 to 1.

    The first map belongs to the head's own position, which has the middle of k-space.
    """
    moves = times.shape[1]
    part = (np.arange(side) >= (side * times).astype(int)[:, :, None]).sum(axis=1)  # (n, side)
    is_late = times > 0.5
    central = np.where(is_late.any(axis=1), is_late.argmax(axis=1), moves)[:, None]
    position = np.where(part == central, 0, np.where(part == 0, central, part))
    return _filters(position[:, None, :] == np.arange(moves + 1)[:, None])


def along_axes(image: Tensor, along: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Apply maps (n, side, side) of the three axes to images (n, C, I, J, K).

    Args:
        image: patches to change.
        along: maps along I, J and K, one per patch.
    """
    count, contrasts, i, j, k = image.shape
    image = torch.bmm(along[0], image.movedim(1, 2).reshape(count, i, -1))
    image = image.reshape(count, i, contrasts, j, k).movedim(2, 1)
    image = along[1][:, None, None] @ image
    return along_last(image, along[2])


def along_last(image: Tensor, maps: Tensor) -> Tensor:
    """Apply maps (n, K, K) along the last axis of images (n, C, I, J, K)."""
    count, _, _, _, k = image.shape
    return torch.bmm(image.reshape(count, -1, k), maps.transpose(1, 2)).reshape(image.shape)


def _filters(kept: ndarray) -> Float[ndarray, "*n side side"]:
    """Maps that multiply lines of k-space (*n, side), zero frequency in the middle; real parts."""
    line = np.arange(kept.shape[-1])
    kernel = np.fft.ifft(np.fft.ifftshift(kept, axes=-1)).real.astype(np.float32)
    return kernel[..., (line[:, None] - line) % len(line)]
