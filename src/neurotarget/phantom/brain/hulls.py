"""Parts of all generated heads before the warp: depths of the brain's hulls, and the face.

All parts are formulas in MNI152 space. Positions and sizes are round figures of the adult brain in
atlases; none is derived from a scan. One description gives both the left and the right side.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt16
from numpy import ndarray

from neurotarget.phantom.atlas import CSF_MM, closed_distance_mm, paint_head
from neurotarget.phantom.brain.solids import Axes, Superquadric, Tube
from neurotarget.phantom.canvas import ORIGIN_MM, SHAPE, Tissue, depth_mm, double

LATTICE_MM = 2  # spacing of the points at which depths are stored
FISSURE_MM = 0.9  # half of the gap between the hemispheres, and of the Sylvian fissure
SKIN_MM = 4.5  # with the fat below it
SINUS_MM = 4.0  # half width of the sagittal sinus

UPPER = Superquadric((0.0, -17.0, 8.0), (69.0, 88.0, 71.0), 2.2)
TEMPORAL = Tube(
    ((36.0, 15.0, -30.0), (46.0, -4.0, -27.0), (51.0, -28.0, -18.0), (50.0, -52.0, -6.0)),
    (14.0, 18.0, 18.0, 18.0),
)
MEDIAL_TEMPORAL = Tube(
    ((25.0, 4.0, -23.0), (26.0, -18.0, -21.0), (25.0, -38.0, -10.0)), (10.5, 11.5, 10.0)
)
CORE = Superquadric((0.0, -4.0, 3.0), (9e3, 38.0, 25.0), 2.2)  # callosum and structures below it
CEREBELLUM = (
    Superquadric((0.0, -62.0, -37.0), (53.0, 33.0, 24.0), 2.3),
    Superquadric((0.0, -62.0, -26.0), (46.0, 33.0, 22.0)),
)
BRAIN_STEM = (
    Tube(
        ((0.0, -24.0, -8.0), (0.0, -28.0, -20.0), (0.0, -30.0, -40.0), (0.0, -42.0, -66.0)),
        (12.5, 12.0, 11.0, 7.0),
    ),
    Superquadric((0.0, -27.0, -31.0), (16.0, 12.5, 13.0), 2.3),
)
# lower face of the cerebrum at the midline, front to back (y, z); to the side it descends
FLOOR_MM = (
    (-110.0, -14.0),
    (-75.0, -8.0),
    (-45.0, -2.0),
    (-25.0, -8.0),
    (8.0, -16.0),
    (75.0, -20.0),
)
TENTORIUM_MM = ((-110.0, 2.0), (-60.0, 11.0), (-30.0, 14.0), (0.0, 0.0), (75.0, 0.0))
SYLVIAN_MM = ((-42.0, 14.0), (-10.0, 1.0), (25.0, -12.0))  # its height, back to front

IDS = {  # label ids of SynthSeg's generator
    Tissue.AIR: 0,
    Tissue.BONE: 515,
    Tissue.CSF: 24,
    Tissue.FAT: 507,
    Tissue.MARROW: 516,
    Tissue.MUSCLE: 507,
    Tissue.SKIN: 511,
    Tissue.MUCOSA: 509,
    Tissue.VEIN: 514,
    Tissue.ARTERY: 502,
    Tissue.VITREOUS: 506,
    Tissue.NERVE: 530,
}
CORD_BELOW_MM = -66.0  # nerve tissue below is spinal cord
CORD_ID = 512


class Hulls(NamedTuple):
    """Depths in mm on the lattice, and ids of the head's tissues at 1 mm, from `ORIGIN_MM` on.

    Attributes:
        depths: distance from the brain after closing its gaps, 0 inside; depth below the surface of
            the cerebellum, and below that of the cerebrum, both negative outside.
        ids: tissues around the brain.
        intracranial_ml: volume inside the skull.
    """

    depths: Float[ndarray, "3 i j k"]
    ids: UInt16[ndarray, "I J K"]
    intracranial_ml: float


@cache
def brain_hulls() -> Hulls:
    """Compute the hulls; takes a few seconds, once per process."""
    axes = lattice_axes()
    cerebrum, cerebellum = cerebrum_mm(axes), _cerebellum_mm(axes)
    stem = np.maximum(*(solid.depth_mm(axes) for solid in BRAIN_STEM))
    # the cerebellum is under the tentorium, behind the brain stem
    cerebellum = np.minimum(cerebellum, -np.maximum(stem, cerebrum + 1.5))
    brain = np.maximum.reduce([cerebrum, cerebellum, stem]) > 0
    outside = closed_distance_mm(brain)
    ids = _head_ids(double(outside))
    intracranial_ml = float((outside < CSF_MM).sum()) * LATTICE_MM**3 / 1000
    depths = np.stack([outside, cerebellum, cerebrum]).astype(np.float32)
    return Hulls(depths, ids, intracranial_ml)


def lattice_axes() -> Axes:
    """Return coordinates of the lattice in mm, as open axes x, y and z that broadcast."""
    lines = [
        np.arange(0, side, LATTICE_MM, dtype=np.float32) + np.float32(first)
        for side, first in zip(SHAPE, ORIGIN_MM, strict=True)
    ]
    return np.ix_(*lines)


def cerebrum_mm(axes: Axes) -> Float[ndarray, "..."]:
    """Compute depth (mm) below the surface of both hemispheres, without cortical folds.

    Points outside are negative; x is positive to the right.
    """
    x, y, z = np.abs(axes[0]), axes[1], axes[2]
    floor = _between(y, FLOOR_MM) - _between(y, TENTORIUM_MM) * np.minimum(x / 45, 1)
    upper = np.minimum(UPPER.depth_mm(axes), 0.9 * (z - floor))
    parts = [upper, *(solid.depth_mm((x, y, z)) for solid in (TEMPORAL, MEDIAL_TEMPORAL))]
    hull = np.maximum.reduce(parts)
    fissure = np.minimum(_sylvian_mm(x, y, z), np.maximum(x, CORE.depth_mm(axes) + FISSURE_MM))
    return np.minimum(hull, fissure - FISSURE_MM)


def _sylvian_mm(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
    """Compute the distance from the Sylvian fissure and from the cistern over the insula."""
    above = np.abs(z - _between(y, SYLVIAN_MM)) * 0.93
    beyond = np.maximum(np.maximum(y - 27, -44 - y), 0)
    lateral = np.sqrt(above**2 + np.maximum(39 - x, 0) ** 2 + beyond**2)
    tall, long = np.maximum(above - 11, 0), np.maximum(np.abs(y - 1) - 20, 0)
    return np.minimum(lateral, np.sqrt((x - 39) ** 2 + tall**2 + long**2))


def _cerebellum_mm(axes: Axes) -> ndarray:
    """Compute depth below the cerebellum's surface, with posterior notch and vallecula."""
    x, y, z = np.abs(axes[0]), axes[1], axes[2]
    notch = np.sqrt((x / 0.5) ** 2 + (y + 100) ** 2 + (z + 46) ** 2 / 4) - 14
    return np.minimum(np.maximum(*(solid.depth_mm(axes) for solid in CEREBELLUM)), notch)


def _between(y: ndarray, points: tuple[tuple[float, float], ...]) -> ndarray:
    places, values = zip(*points, strict=True)
    return np.interp(y, places, values).astype(np.float32)


def _head_ids(outside: Float[ndarray, "I J K"]) -> UInt16[ndarray, "I J K"]:
    """Return ids of the tissues around the brain; all voxels inside the skull are fluid."""
    canvas = paint_head(outside)
    middle = slice(int(-SINUS_MM - ORIGIN_MM[0]), int(SINUS_MM - ORIGIN_MM[0]) + 1)
    top = slice(int(-ORIGIN_MM[2]), None)
    near = outside[middle, :, top]
    canvas.tissue[middle, :, top][(near > 0.7) & (near < CSF_MM + 1)] = Tissue.VEIN
    table = np.array([IDS.get(tissue, 0) for tissue in Tissue], dtype=np.uint16)
    ids = table[canvas.tissue]
    is_fat = np.isin(canvas.tissue, (Tissue.FAT, Tissue.MUSCLE))
    ids[is_fat & (depth_mm(canvas.tissue > 0) < SKIN_MM)] = IDS[Tissue.SKIN]
    below = int(CORD_BELOW_MM - ORIGIN_MM[2])
    part = ids[:, :, :below]
    part[part == IDS[Tissue.NERVE]] = CORD_ID
    return ids
