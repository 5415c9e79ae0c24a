"""Cortex of cerebrum and cerebellum, folded along the zero surfaces of smooth noise."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt16
from numpy import ndarray

from neurotarget.phantom.brain.solids import Axes, Superquadric, Waves, draw_waves

SULCUS_MM, FOLIUM_MM = 25.0, 9.0  # wavelength of the noise
DEEPEST_MM = 26.0  # largest depth of a fold
RADIAL = 0.8  # degree to which folds run towards the axis of their hemisphere, 0 to 1
CEREBELLAR_CORE = Superquadric((17.0, -58.0, -35.0), (17.0, 12.0, 8.0), 2.0, (-15.0, 0.0, 0.0))


@dataclass(frozen=True)
class Folding:
    """Folding of one brain; lengths are in mm.

    Attributes:
        sulci, folia: noise whose zero surfaces are the sulci of the cerebrum, and the white matter
            of the cerebellar folia.
        depths: noise that makes sulci deeper or shallower.
        cortex_mm: thickness of the cortex of the cerebrum.
        sulcus_mm: half width of its sulci.
        deep_mm: mean depth of its sulci.
        leaf_mm: half width of the white matter of a folium.
    """

    sulci: Waves
    depths: Waves
    folia: Waves
    cortex_mm: float
    sulcus_mm: float
    deep_mm: float
    leaf_mm: float


def draw_folding(rng: np.random.Generator, age: float) -> Folding:
    """Sample the folding of a person; sulci widen and cortex thins with age.

    The cortex thins by about 0.02 mm per decade: Salat 2004, doi:10.1093/cercor/bhh032.
    """
    decades = (age - 20) / 10
    return Folding(
        sulci=draw_waves(rng, 14, SULCUS_MM),
        depths=draw_waves(rng, 6, 50.0),
        folia=draw_waves(rng, 10, FOLIUM_MM, (3.0, 1.0, 1.0)),
        cortex_mm=float(rng.normal(2.75, 0.1)) - 0.02 * decades,
        sulcus_mm=float(rng.uniform(0.5, 0.8)) + 0.06 * decades,
        deep_mm=float(rng.uniform(13.0, 16.0)),
        leaf_mm=float(rng.uniform(0.65, 0.85)),
    )


def cerebrum_ids(
    depth: Float[ndarray, " n"], axes: Axes, folding: Folding
) -> UInt16[ndarray, " n"]:
    """Return fluid, cortex or white matter at points inside the hull; the sign of x gives the side.

    A sulcus is a sheet of fluid that follows a zero surface of the noise down to its own depth;
    cortex lines the hull and both faces of each sheet.

    Args:
        depth: depth of each point below the hull, mm.
        axes: x, y and z of the points, template mm.
        folding: folding of the person.

    Returns:
        FreeSurfer's ids 2, 3 (left), 41, 42 (right) and 24.
    """
    pia = depth.copy()
    near = np.flatnonzero(depth < DEEPEST_MM)
    inside = [axis[near] for axis in axes]
    moved = _projected(inside, depth[near])
    gap = folding.sulci.zero_mm(moved)
    bottom = folding.deep_mm * (1 + 0.35 * folding.depths.at(moved))
    sheet = np.hypot(gap, np.maximum(depth[near] - bottom, 0)) - folding.sulcus_mm
    pia[near] = np.minimum(pia[near], sheet)
    is_left = axes[0] < 0
    ids = np.where(is_left, 2, 41).astype(np.uint16)
    cortex = pia < folding.cortex_mm
    ids[cortex] = np.where(is_left, 3, 42)[cortex]
    ids[pia < 0] = 24
    return ids


def _projected(axes: Axes, depth: Float[ndarray, " n"]) -> Axes:
    """Move points most of the way to the hull, away from the axis of their hemisphere.

    Noise at these points varies along the hull more than with depth, as sulci run inwards.
    """
    x, y, z = axes
    middle = (np.where(x < 0, -24, 24).astype(np.float32), 0.6 * np.clip(y, -80, 50) - 5, 8)
    offset = [axis - centre for axis, centre in zip((x, y, z), middle, strict=True)]
    far = np.maximum(np.sqrt(sum(part**2 for part in offset)), 1)
    grown = 1 + RADIAL * depth / far
    # the two sides are folded differently
    moved = [centre + part * grown for centre, part in zip(middle, offset, strict=True)]
    return (moved[0] + np.where(x < 0, -200, 0).astype(np.float32), *moved[1:])


def cerebellum_ids(
    depth: Float[ndarray, " n"], axes: Axes, folding: Folding
) -> UInt16[ndarray, " n"]:
    """Return fluid, cortex or white matter at points inside the hull of the cerebellum.

    Arguments are as in `cerebrum_ids`; ids are 7, 8 (left), 46, 47 (right) and 24.
    """
    x, y, z = axes
    is_left = x < 0
    gap = folding.folia.zero_mm(axes)
    core = CEREBELLAR_CORE.depth_mm((np.abs(x), y, z))
    white = (core > 0) | ((gap < folding.leaf_mm) & (depth > 4.5) & (core > -14))
    ids = np.where(is_left, 8, 47).astype(np.uint16)
    ids[white] = np.where(is_left, 7, 46)[white]
    groove = folding.folia.at(axes)
    ids[(np.abs(groove) > 1.7) & (depth < 4.0)] = 24
    return ids
