"""The 107 features of pyradiomics, by its names and formulas, for comparison with its tables.

It differs from IBSI in the kurtosis (3 for a normal distribution), the axes (the covariance divided
by the number of voxels), the edges of bins of a fixed size (multiples of the size), and the
aggregation (features averaged over directions); it also has features of its own.

Source: van Griethuysen et al. 2017, doi:10.1158/0008-5472.CAN-17-0339, and its documentation.
"""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from neurotarget.image_features.aggregation import mean
from neurotarget.image_features.cooccurrence import cooccurrences
from neurotarget.image_features.feature_names import feature_names
from neurotarget.image_features.level_grid import LevelGrid
from neurotarget.image_features.mesh import triangles, vertices
from neurotarget.image_features.morphology import axis_lengths
from neurotarget.image_features.region import Region

PLANES = {"Slice": 0, "Column": 2, "Row": 1}  # axis of a region that a plane is across


def pyradiomics_features(
    made: Mapping[str, float], region: Region, grid: LevelGrid | None, *, in_plane: bool
) -> dict[str, float]:
    """Features of a region by pyradiomics' names, from those of IBSI's averaged over directions.

    Args:
        made: features by IBSI's names; those that are not made are left out here too.
        region: for the features that IBSI does not have.
        grid: grey levels; None without a family of grey levels.
        in_plane: whether directions were those of slices (2_5D_avg), not of space.
    """
    ends = ("", "_2_5D_avg", "_2_5D") if in_plane else ("", "_3D_avg", "_3D")
    values = {}
    for one in feature_names():
        for end in ends if one.pyradiomics else ():
            if (name := f"{one.family}_{one.tag}{end}") in made:
                values[f"original_{one.pyradiomics}"] = made[name]
    if "stat_kurt" in made:
        values["original_firstorder_Kurtosis"] += 3 if made["stat_var"] else 0
        volume = math.prod(region.spacing_mm)
        values["original_firstorder_TotalEnergy"] = made["stat_energy"] * volume
    if "morph_volume" in made:
        values |= {f"original_shape_{name}": value for name, value in _shape(region).items()}
    if grid is not None and any(name.startswith("cm_") for name in made):
        values["original_glcm_MCC"] = _of_directions(grid, in_plane=in_plane)
    return values


def _shape(region: Region) -> dict[str, float]:
    """Axes by pyradiomics' formula, and the largest diameters in the three planes."""
    centres = np.argwhere(region.mask) * np.asarray(region.spacing_mm)
    major, minor, least = axis_lengths(centres, freedom=0)
    points = vertices(triangles(region.mask), region.spacing_mm)
    diameters = {f"Maximum2DDiameter{name}": widest(points, axis) for name, axis in PLANES.items()}
    axes = {"MajorAxisLength": major, "MinorAxisLength": minor, "LeastAxisLength": least}
    return diameters | axes


def widest(points: Float[ndarray, "N 3"], axis: int) -> float:
    """Largest distance of two points with the same coordinate along an axis, in their unit."""
    order = np.argsort(points[:, axis], kind="stable")
    flat = np.delete(points[order], axis, axis=1)
    cuts = np.flatnonzero(np.diff(points[order, axis]) > 1e-6) + 1
    return max(map(_diameter, np.split(flat, cuts)))


def _diameter(points: Float[ndarray, "N 2"]) -> float:
    try:
        corners = points[ConvexHull(points).vertices] if len(points) > 50 else points
    except QhullError:  # all on one line
        corners = points
    return float(pdist(corners).max(initial=0))


def _of_directions(grid: LevelGrid, *, in_plane: bool) -> float:
    """Maximal correlation coefficient, the mean over directions."""
    counts = sum(cooccurrences(grid, in_plane=in_plane))
    there = counts.any(axis=(0, 2))
    return mean(np.array([maximal_correlation(one[there][:, there]) for one in counts]))


def maximal_correlation(counts: Integer[ndarray, "G G"]) -> float:
    """Root of the second largest eigenvalue of the matrix Q of Haralick; 1 for one level.

    Q is similar to the square of the symmetric matrix p(i, j) / √(p(i) p(j)).

    Source: Haralick et al. 1973, doi:10.1109/TSMC.1973.4309314.
    """
    is_used: Bool[ndarray, " G"] = counts.any(axis=0)
    p = counts[is_used][:, is_used] / max(counts.sum(), 1)
    if len(p) < 2:
        return 1.0 if len(p) else math.nan
    edge = np.sqrt(p.sum(axis=0))
    return float(np.sort(np.abs(np.linalg.eigvalsh(p / edge[:, None] / edge)))[-2])
