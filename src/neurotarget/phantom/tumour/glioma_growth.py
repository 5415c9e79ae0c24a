"""The three parts of a glioma, grown from a point into a label map of FreeSurfer's ids.

The core grows at nearly one speed; oedema spreads along white matter and hardly into cortex. Speeds
are our choice: diffusion in white matter is several times that in grey matter (Swanson 2000,
doi:10.1046/j.1365-2184.2000.00177.x). Each part takes the voxels that are reached first until it
has its planned volume; a core whose holes are filled may be slightly larger. Smooth noise on the
speed gives the core its lobes.
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
OF_CORE: Speeds = {WHITE: 1.0, CORTEX: 0.8, DEEP: 0.8, SULCI: 0.5, HIND: 0.15}
OF_EDEMA: Speeds = {WHITE: 1.0, CORTEX: 0.10, DEEP: 0.22, HIND: 0.03}
BARRIER = 0.003  # speed in ventricles and outside the brain
LATEST = 250.0  # end of the growth, in mm at a speed of 1, so that no tumour reaches the bone
ACROSS = 0.25  # factor of the speed near the midline, which only callosal tracts cross
CORE_LOBES_MM, FINGERS_MM, RING_MM = 30.0, 16.0, 24.0  # wavelengths of the noise of each border
START_MM = 5.0  # fronts start as balls: from one voxel, fast marching would grow a diamond
ROUND_MM = 2.5  # SD of the smoothing that takes corners off a core and its rim


class Planned(NamedTuple):
    """Planned volumes of a tumour.

    Attributes:
        core_ml: core, including the enhancing part.
        enhancing_ml: enhancing rim; 0 for a tumour without a rim.
        edema_ml: oedema around the core.
    """

    core_ml: float
    enhancing_ml: float
    edema_ml: float


class Grown(NamedTuple):
    """A grown tumour.

    Attributes:
        labels: BraTS's labels 1, 2 and 4; 0 elsewhere.
        water: relative water content of oedema, 1 at the core to 0.4 at its border; 0 elsewhere.
    """

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
    """Grow a tumour of planned volumes at a voxel.

    A part that finds no more tissue stays smaller than planned.

    Args:
        ids: FreeSurfer's ids of the head.
        spacing_mm: sides of a voxel.
        centre_vox: start of the growth.
        planned: volumes of the parts, mL.
        midline: voxels in which it grows more slowly.
        rng: random numbers of its lobes, rim and fingers.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    slow = np.where(midline, ACROSS, 1.0)
    lobes = np.exp(0.30 * smooth_noise(ids.shape, CORE_LOBES_MM, spacing_mm, rng))
    ball = _distance_mm(ids.shape, centre_vox, spacing_mm)
    times = _arrival(_speed(ids, OF_CORE) * lobes * slow, spacing_mm, ball, ball < START_MM)
    tissue = _of(ids, OF_CORE) & (times < LATEST)
    core = _first(_rounded(times, tissue, spacing_mm), tissue, planned.core_ml / voxel_ml)
    core = ndimage.binary_fill_holes(core)
    labels = np.where(core, NON_ENHANCING, 0).astype(np.uint8)
    if planned.enhancing_ml > 0:
        labels[_ring(core, planned.enhancing_ml / voxel_ml, spacing_mm, rng)] = ENHANCING
    fingers = np.exp(0.55 * smooth_noise(ids.shape, FINGERS_MM, spacing_mm, rng))
    speed = _speed(ids, OF_EDEMA) * fingers * slow
    times = _arrival(speed, spacing_mm, np.zeros(ids.shape), core)
    tissue = _of(ids, OF_EDEMA) & ~core & (times < LATEST)
    edema = _first(times, tissue, planned.edema_ml / voxel_ml)
    labels[edema] = EDEMA
    water = np.zeros(ids.shape, dtype=np.float32)
    if edema.any():
        water[edema] = 1 - 0.6 * (times[edema] / times[edema].max()) ** 2
    return Grown(labels, water)


def smooth_noise(
    shape: Sequence[int], length_mm: float, spacing_mm: Sequence[float], rng: np.random.Generator
) -> Float[ndarray, "I J K"]:
    """Generate noise of unit SD whose peaks are about half of `length_mm` wide."""
    sigma = [length_mm / 5 / side for side in spacing_mm]
    noise = rng.standard_normal(tuple(shape), dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma, mode="wrap", truncate=3)
    return noise / max(float(noise.std()), 1e-6)


def _speed(ids: Integer[ndarray, "I J K"], speeds: Speeds) -> Float[ndarray, "I J K"]:
    table = np.full(int(ids.max()) + 1, BARRIER, dtype=np.float64)
    for values, speed in speeds.items():
        table[[value for value in values if value < len(table)]] = speed
    return table[ids]


def _of(ids: Integer[ndarray, "I J K"], speeds: Speeds) -> Bool[ndarray, "I J K"]:
    return np.isin(ids, [value for values in speeds for value in values])


def _distance_mm(
    shape: Sequence[int], centre_vox: TripleVox, spacing_mm: Sequence[float]
) -> Float[ndarray, "I J K"]:
    sides = zip(shape, centre_vox, spacing_mm, strict=True)
    x, y, z = np.ogrid[tuple(slice(-at * mm, (side - at - 0.5) * mm, mm) for side, at, mm in sides)]
    return np.sqrt(x**2 + y**2 + z**2)


def _arrival(
    speed: Float[ndarray, "I J K"],
    spacing_mm: Sequence[float],
    begin: Float[ndarray, "I J K"],
    seeds: Bool[ndarray, "I J K"],
) -> Float[ndarray, "I J K"]:
    """Compute the time at which a front reaches each voxel, by fast marching.

    Seeds start at the times `begin`. Voxels that the front does not reach have times far above
    `LATEST`.
    """
    image = sitk.GetImageFromArray(speed.astype(np.float32).transpose(2, 1, 0))
    image.SetSpacing([float(side) for side in spacing_mm])
    places, times = np.argwhere(seeds).tolist(), begin[seeds].tolist()
    front = sitk.FastMarching(image, places, 1.0, LATEST, times)
    return sitk.GetArrayFromImage(front).transpose(2, 1, 0)


def _rounded(
    values: Float[ndarray, "I J K"],
    within: Bool[ndarray, "I J K"],
    spacing_mm: Sequence[float],
) -> Float[ndarray, "I J K"]:
    """Smooth values over the voxels `within`; 0 elsewhere."""
    sigma = [ROUND_MM / side for side in spacing_mm]
    total, weight = (
        ndimage.gaussian_filter(np.where(within, part, 0.0), sigma) for part in (values, 1.0)
    )
    return np.where(within, total / np.maximum(weight, 1e-6), 0.0)


def _first(
    order: Float[ndarray, "I J K"], allowed: Bool[ndarray, "I J K"], count: float
) -> Bool[ndarray, "I J K"]:
    """Mark the `count` allowed voxels with the lowest values."""
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
    """Mark the voxels of a core's rim below its surface, of varying thickness."""
    depth = _rounded(ndimage.distance_transform_edt(core, spacing_mm), core, spacing_mm)
    uneven = np.exp(0.40 * smooth_noise(core.shape, RING_MM, spacing_mm, rng))
    return _first(depth * uneven, core, count)
