"""The three parts of a glioma, grown from a point into a label map of FreeSurfer's ids.

The core grows at nearly one speed; oedema spreads along white matter and hardly into cortex. Speeds
are ours: diffusion in white matter is several times that in grey matter (Swanson 2000,
doi:10.1046/j.1365-2184.2000.00177.x). Each part takes the voxels that are reached first until it
has its planned volume; a core whose holes are filled may be slightly larger.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float, Integer, UInt8
from numpy import ndarray
from scipy import ndimage

from neurotarget.types import TripleVox

NON_ENHANCING, EDEMA, ENHANCING = 1, 2, 4  # labels of BraTS
WHITE = (2, 41)
CORTEX = (3, 42)
DEEP = (10, 11, 12, 13, 17, 18, 26, 28, 49, 50, 51, 52, 53, 54, 58, 60)
HIND = (7, 8, 16, 46, 47)  # cerebellum and brain stem
SULCI = (24,)
Speeds = Mapping[tuple[int, ...], float]
OF_CORE: Speeds = {WHITE: 1.0, CORTEX: 0.75, DEEP: 0.75, SULCI: 0.3, HIND: 0.15}
OF_EDEMA: Speeds = {WHITE: 1.0, CORTEX: 0.10, DEEP: 0.22, HIND: 0.03}
BARRIER = 0.003  # speed in ventricles and outside of the brain
LATEST = 250.0  # mm at a speed of 1: fronts end, which leaves out the bone
ACROSS = 0.25  # factor of the speed near the midline: only tracts of the callosum cross
CORE_LUMPS_MM, FINGERS_MM, RING_MM = 26.0, 16.0, 18.0  # wavelengths of the noise of each border


class Planned(NamedTuple):
    """Volumes of a tumour; `enhancing_ml` is part of `core_ml`."""

    core_ml: float
    enhancing_ml: float
    edema_ml: float


class Grown(NamedTuple):
    """A tumour: BraTS's labels, and how full of water oedema is, from 1 at the core to 0.4."""

    labels: UInt8[ndarray, "I J K"]
    water: Float[ndarray, "I J K"]


def grow_glioma(
    ids: Integer[ndarray, "I J K"],
    spacing_mm: Sequence[float],
    centre_vox: TripleVox,
    *,
    planned: Planned,
    midline: Bool[ndarray, "I J K"],
    rng: np.random.Generator,
) -> Grown:
    """Grow a tumour of planned volumes at a voxel; `midline` marks where it grows more slowly.

    Where a part finds no more tissue it stays smaller than planned.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    slow = np.where(midline, ACROSS, 1.0)
    lumps = np.exp(0.30 * smooth_noise(ids.shape, CORE_LUMPS_MM, spacing_mm, rng))
    times = _arrival(_speed(ids, OF_CORE) * lumps * slow, spacing_mm, centre_vox)
    allowed = np.isin(ids, [value for values in OF_CORE for value in values])
    core = _first(times, allowed & (times < LATEST), planned.core_ml / voxel_ml)
    core = ndimage.binary_fill_holes(core)
    labels = np.where(core, NON_ENHANCING, 0).astype(np.uint8)
    if planned.enhancing_ml > 0:
        labels[_ring(core, planned.enhancing_ml / voxel_ml, spacing_mm, rng)] = ENHANCING
    fingers = np.exp(0.55 * smooth_noise(ids.shape, FINGERS_MM, spacing_mm, rng))
    speed = np.where(core, 1e3, _speed(ids, OF_EDEMA) * fingers * slow)
    times = _arrival(speed, spacing_mm, centre_vox)
    tissue = np.isin(ids, [value for values in OF_EDEMA for value in values]) & ~core
    edema = _first(times, tissue & (times < LATEST), planned.edema_ml / voxel_ml)
    labels[edema] = EDEMA
    water = np.zeros(ids.shape, dtype=np.float32)
    if edema.any():
        water[edema] = 1 - 0.6 * (times[edema] / times[edema].max()) ** 2
    return Grown(labels, water)


def smooth_noise(
    shape: Sequence[int], length_mm: float, spacing_mm: Sequence[float], rng: np.random.Generator
) -> Float[ndarray, "I J K"]:
    """Noise of unit SD whose humps are about half of `length_mm` wide."""
    sigma = [length_mm / 5 / side for side in spacing_mm]
    noise = rng.standard_normal(tuple(shape), dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma, mode="wrap", truncate=3)
    return noise / max(float(noise.std()), 1e-6)


def _speed(ids: Integer[ndarray, "I J K"], speeds: Speeds) -> Float[ndarray, "I J K"]:
    table = np.full(int(ids.max()) + 1, BARRIER, dtype=np.float64)
    for values, speed in speeds.items():
        table[[value for value in values if value < len(table)]] = speed
    return table[ids]


def _arrival(
    speed: Float[ndarray, "I J K"], spacing_mm: Sequence[float], centre_vox: TripleVox
) -> Float[ndarray, "I J K"]:
    """Time at which a front that starts at a voxel reaches each other one, by fast marching.

    It is far above `LATEST` where the front ends before.
    """
    image = sitk.GetImageFromArray(speed.astype(np.float32).transpose(2, 1, 0))
    image.SetSpacing([float(side) for side in spacing_mm])
    seeds = [[int(place) for place in centre_vox]]
    return sitk.GetArrayFromImage(sitk.FastMarching(image, seeds, 1.0, LATEST)).transpose(2, 1, 0)


def _first(
    order: Float[ndarray, "I J K"], allowed: Bool[ndarray, "I J K"], count: float
) -> Bool[ndarray, "I J K"]:
    """The `count` allowed voxels of the lowest values."""
    places = np.flatnonzero(allowed)
    lowest = places[np.argsort(order.ravel()[places], kind="stable")[: round(count)]]
    chosen = np.zeros(order.shape, dtype=bool)
    chosen.ravel()[lowest] = True
    return chosen


def _ring(
    core: Bool[ndarray, "I J K"],
    count: float,
    spacing_mm: Sequence[float],
    rng: np.random.Generator,
) -> Bool[ndarray, "I J K"]:
    """Voxels of a core below its surface, as a rim that is thicker in some places."""
    depth = ndimage.distance_transform_edt(core, spacing_mm)
    uneven = np.exp(0.45 * smooth_noise(core.shape, RING_MM, spacing_mm, rng))
    return _first(depth * uneven, core, count)
