"""One person in a susceptibility scan: maps of the tissues, and the two dentate nuclei.

A head is the template after a smooth warp, as in `neurotarget.phantom.gland.anatomy`. The dentates
are rendered with finer samples, so that each voxel gets the share that they fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from neurotarget.phantom.canvas import ORIGIN_MM
from neurotarget.phantom.dentate.nuclei import REACH_MM, Dentate, in_dentate
from neurotarget.phantom.dentate.template import paint
from neurotarget.phantom.scanner import Warp
from neurotarget.phantom.scene import Scene, blocks, slabs
from neurotarget.types import TripleVox

FINE = 3  # samples per voxel side around a dentate
ROUNDS = 4  # iterations that fit the dentate's size, to whose cube the volume is proportional
GRAIN = 0.12  # SD of susceptibility within a dentate, relative
GRAIN_MM = 1.0
LEFT, RIGHT = 1, 2  # ids in the label


@dataclass(frozen=True, slots=True)
class QSMPerson:
    """A person to render; volumes and mean susceptibilities are the true values.

    Attributes:
        tiv_ml: intracranial volume.
        dentate_mm3: volume of the left and of the right dentate.
        dentate_ppm: their mean susceptibilities, against soft tissue.
        seed: seed of shape, position and noise; equal seeds give equal voxels on one site.
    """

    tiv_ml: float
    dentate_mm3: tuple[float, float]
    dentate_ppm: tuple[float, float]
    seed: tuple[int, ...]


class Maps(NamedTuple):
    """Tissues on the scan's grid. Susceptibility is 0 outside brain and veins."""

    chi_ppm: Float[ndarray, "I J K"]
    brightness: Float[ndarray, "I J K"]  # white matter has 1
    r2star_hz: Float[ndarray, "I J K"]  # at 3 T, without the contribution of susceptibility
    brain: Float[ndarray, "I J K"]  # share of brain, 0 to 1
    bulk_ppm: Float[ndarray, "I J K"]  # air, bone and soft tissue, relative to air
    label: UInt8[ndarray, "I J K"]  # LEFT and RIGHT dentate


class Filled(NamedTuple):
    """A dentate on the voxels of a box.

    Attributes:
        box: box in voxels of the scan.
        share: share of each voxel that the dentate fills, 0 to 1.
        chi_ppm: mean susceptibility over the filled part; 0 if there is none.
        label: voxels with the largest shares, as many as give the volume.
    """

    box: tuple[slice, ...]
    share: Float[ndarray, "i j k"]
    chi_ppm: Float[ndarray, "i j k"]
    label: Bool[ndarray, "i j k"]


def render_maps(
    person: QSMPerson, warp: Warp, shape: TripleVox, affine: Float[ndarray, "4 4"], *,
    dentates: Sequence[Dentate], rng: np.random.Generator,
) -> Maps:  # fmt: skip
    """Render the tissues of one head on a grid through a warp.

    Args:
        person: volumes and susceptibilities of the dentates.
        warp: from stored voxels to template mm.
        shape: sides of the grid.
        affine: of the grid, mm.
        dentates: left and right.
        rng: of tissues and grain.

    Raises:
        ValueError: the grid misses a dentate.
    """
    maps = _whole_scan(torch.from_numpy(paint(rng)), warp, shape)
    chi = maps[0]
    label = np.zeros(shape, dtype=np.uint8)
    wanted = zip((LEFT, RIGHT), dentates, person.dentate_mm3, person.dentate_ppm, strict=True)
    for number, nucleus, volume_mm3, mean_ppm in wanted:
        scene = Scene(warp, shape, affine, np.array(nucleus.centre))
        filled = render_dentate(scene, nucleus, volume_mm3, mean_ppm=mean_ppm, rng=rng)
        chi[filled.box] += filled.share * (filled.chi_ppm - chi[filled.box])
        label[filled.box][filled.label] = number
    return Maps(*maps, label)


def render_dentate(
    scene: Scene, nucleus: Dentate, volume_mm3: float, *, mean_ppm: float, rng: np.random.Generator
) -> Filled:
    """Scale a nucleus to its volume on the scan's grid, and fill voxels with it.

    The label contains the voxels with the largest shares, as many as give the volume.

    Args:
        scene: grid and warp, with the nucleus in the middle.
        nucleus: its shape; the size is fitted.
        volume_mm3: wanted volume in the scan.
        mean_ppm: mean susceptibility over the nucleus, around which there is grain.
        rng: of the grain.

    Raises:
        ValueError: the grid misses the nucleus.
    """
    box = scene.box(REACH_MM)
    offsets = scene.offsets(box, FINE)
    few = offsets[:, 1::2, 1::2, 1::2]
    sample_mm3 = scene.voxel_mm3 * (2 / FINE) ** 3
    for _ in range(ROUNDS):
        sampled_mm3 = max(float(in_dentate(nucleus, few).sum()) * sample_mm3, sample_mm3)
        nucleus = nucleus.sized((volume_mm3 / sampled_mm3) ** (1 / 3))
    inside = in_dentate(nucleus, offsets)
    share = blocks(inside.astype(np.float32), FINE)
    sides_mm = np.linalg.norm(scene.affine[:3, :3], axis=0) / FINE
    noise = ndimage.gaussian_filter(
        rng.standard_normal(inside.shape, dtype=np.float32), GRAIN_MM / sides_mm
    )
    noise = (noise - noise[inside].mean()) / noise[inside].std() * GRAIN
    filled = blocks((1 + noise) * mean_ppm * inside, FINE) / np.maximum(share, 1e-6)
    order = np.argsort(-share, axis=None, kind="stable")
    label = np.zeros(share.size, dtype=bool)
    label[order[: max(round(volume_mm3 / scene.voxel_mm3), 1)]] = True
    return Filled(box, share, filled.astype(np.float32), label.reshape(share.shape))


def _whole_scan(
    channels: Float[torch.Tensor, "C X Y Z"], warp: Warp, shape: TripleVox
) -> Float[ndarray, "C I J K"]:
    """Sample the template's channels at every native voxel; its edge continues outwards."""
    values = np.empty((len(channels), *shape), dtype=np.float32)
    for slab, where_mm in slabs(warp, shape):
        values[:, slab] = at_places(channels, where_mm)
    return values


def at_places(
    channels: Float[torch.Tensor, "C X Y Z"],
    where_mm: Float[ndarray, "3 i j k"],
) -> Float[ndarray, "C i j k"]:
    """Interpolate the template's channels linearly at the voxels of a scan.

    Args:
        channels: on the grid of `ORIGIN_MM`, 1 mm.
        where_mm: template coordinates of the voxels; beyond the template its edge is repeated.
    """
    half = (np.array(channels.shape[1:]) - 1) / 2
    scale, start = 1 / half, -1 - ORIGIN_MM / half
    places = where_mm * scale.reshape(3, 1, 1, 1) + start.reshape(3, 1, 1, 1)
    grid = torch.from_numpy(np.stack(places[::-1], axis=-1).astype(np.float32))
    sampled = F.grid_sample(channels[None], grid[None], padding_mode="border", align_corners=True)
    return sampled[0].numpy()
