"""Size and shape of a region, and how its intensities lie in space.

Definitions of IBSI, arXiv:1612.07003, section 3.1. Lengths in mm, areas in mm², volumes in mm³. The
features of oriented and minimum-volume boxes and ellipsoids, which IBSI has no agreement on, are
left out.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from neurotarget.image_features.mesh import area_and_volume, triangles, vertices

TERMS = 20  # of the series of an ellipsoid's area


def shape_features(mask: Bool[ndarray, "K I J"], spacing_mm: Sequence[float]) -> dict[str, float]:
    """Features of the mask alone; axes are those of the covariance of the voxels' centres.

    A flat region has NaN for what only a solid one has. Keys are IBSI's abbreviations.

    Args:
        mask: of at least one voxel, slices first.
        spacing_mm: sides of a voxel along K, I and J.
    """
    faces = triangles(mask)
    area, volume = area_and_volume(faces, spacing_mm)
    points = vertices(faces, spacing_mm)
    sphere = (36 * math.pi * volume**2) ** (1 / 3)
    centres = np.argwhere(mask) * np.asarray(spacing_mm)
    return {
        "volume": volume,
        "vol_approx": len(centres) * math.prod(spacing_mm),
        "area_mesh": area,
        "av": area / volume,
        "comp_1": volume / (math.sqrt(math.pi) * area**1.5),
        "comp_2": 36 * math.pi * volume**2 / area**3,
        "sph_dispr": area / sphere,
        "sphericity": sphere / area,
        "asphericity": (area**3 / (36 * math.pi * volume**2)) ** (1 / 3) - 1,
        **_box(points, area, volume),
        **_axes(centres, area, volume),
        **_hull(points, area, volume),
    }


def _box(points: Float[ndarray, "N 3"], area: float, volume: float) -> dict[str, float]:
    a, b, c = (float(side) for side in np.ptp(points, axis=0))
    return {
        "vol_dens_aabb": volume / (a * b * c),
        "area_dens_aabb": area / (2 * (a * b + b * c + c * a)),
    }


def axis_lengths(centres: Float[ndarray, "N 3"], *, freedom: int = 1) -> list[float]:
    """Four times the deviations along the principal axes, the longest first.

    Args:
        centres: of the voxels, mm.
        freedom: subtracted from their number in the covariance: 1 by IBSI, 0 by pyradiomics.
    """
    around = centres - centres.mean(axis=0)
    spread = around.T @ around / max(len(centres) - freedom, 1)
    return (4 * np.sqrt(np.maximum(np.linalg.eigvalsh(spread)[::-1], 0))).tolist()


def _axes(centres: Float[ndarray, "N 3"], area: float, volume: float) -> dict[str, float]:
    major, minor, least = axis_lengths(centres)
    values = {
        "pca_maj_axis": major,
        "pca_min_axis": minor,
        "pca_least_axis": least,
        "pca_elongation": minor / major if major else math.nan,
        "pca_flatness": least / major if major else math.nan,
        "vol_dens_aee": math.nan,
        "area_dens_aee": math.nan,
    }
    if least > 1e-9 * major:
        halves = (major / 2, minor / 2, least / 2)
        values["vol_dens_aee"] = volume / (4 / 3 * math.pi * math.prod(halves))
        values["area_dens_aee"] = area / ellipsoid_area(*halves)
    return values


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Area of an ellipsoid with semi-axes a ≥ b ≥ c, by a series in Legendre polynomials.

    The terms (αβ)^n P_n((α² + β²) / 2αβ) follow from those before, which stays defined for α = 0.
    """
    square_a, square_b = 1 - (b / a) ** 2, 1 - (c / a) ** 2
    half, product = (square_a + square_b) / 2, square_a * square_b
    before, now, total = 0.0, 1.0, 0.0
    for n in range(TERMS + 1):
        total += now / (1 - 4 * n**2)
        before, now = now, ((2 * n + 1) * half * now - n * product * before) / (n + 1)
    return 4 * math.pi * a * b * total


def _hull(points: Float[ndarray, "N 3"], area: float, volume: float) -> dict[str, float]:
    try:
        hull = ConvexHull(points)
    except QhullError:
        return dict.fromkeys(("diam", "vol_dens_conv_hull", "area_dens_conv_hull"), math.nan)
    return {
        "diam": float(pdist(points[hull.vertices]).max()),
        "vol_dens_conv_hull": volume / hull.volume,
        "area_dens_conv_hull": area / hull.area,
    }
