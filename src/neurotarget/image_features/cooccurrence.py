"""Grey level co-occurrence matrix (GLCM): how often two levels are neighbours.

Distance 1 by Chebyshev's norm, symmetric. Source: Haralick et al. 1973,
doi:10.1109/TSMC.1973.4309314; definitions of IBSI, arXiv:1612.07003, section 3.6.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.special import entr

from neurotarget.image_features.aggregation import Values
from neurotarget.image_features.level_grid import Events, LevelGrid, counted


def cooccurrences(grid: LevelGrid, *, in_plane: bool) -> Iterator[Integer[ndarray, "D G G"]]:
    """Count the pairs of neighbours, in both orders, for each layer and direction.

    Yields:
        Symmetric matrices of one layer after the other: a slice if `in_plane`, else the whole
            region.
    """
    own, layers, directions = grid.own - 1, grid.layers(in_plane=in_plane), []
    for step in grid.steps(in_plane=in_plane):
        other = grid.at(step)
        is_pair = other > 0
        keys = own[is_pair] * grid.top + other[is_pair] - 1
        directions.append(Events(layers[is_pair], keys))
    for matrices in counted(directions, (grid.top, grid.top), grid.count(in_plane=in_plane)):
        yield matrices + matrices.transpose(0, 2, 1)


def cooccurrence_features(counts: Integer[ndarray, "B G G"]) -> Values:
    """Features of each matrix by IBSI's abbreviation; NaN for one that counts no pair.

    Source: Haralick et al. 1973, doi:10.1109/TSMC.1973.4309314; IBSI, arXiv:1612.07003, section
    3.6.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts / counts.sum(axis=(1, 2), keepdims=True)
        return {**_joint(p), **_sums_and_differences(p), **_correlations(p)}


def _total(weighted: Float[ndarray, "B G G"]) -> Float[ndarray, " B"]:
    return weighted.sum(axis=(1, 2))


def bits(p: Float[ndarray, "B ..."]) -> Float[ndarray, " B"]:
    """Entropy of each distribution, in bits.

    Each of the B distributions sums to 1 over its other axes.
    """
    return entr(p).reshape(len(p), -1).sum(axis=1) / np.log(2)


def _joint(p: Float[ndarray, "B G G"]) -> Values:
    i, j = np.ogrid[1 : p.shape[1] + 1, 1 : p.shape[2] + 1]
    average = _total(i * p)
    apart = np.abs(i - j)
    return {
        "joint_max": p.max(axis=(1, 2)),
        "joint_avg": average,
        "joint_var": _total((i - average[:, None, None]) ** 2 * p),
        "joint_entr": bits(p),
        "energy": _total(p**2),
        "contrast": _total(apart**2 * p),
        "dissimilarity": _total(apart * p),
        "inv_diff": _total(p / (1 + apart)),
        "inv_diff_norm": _total(p / (1 + apart / p.shape[1])),
        "inv_diff_mom": _total(p / (1 + apart**2)),
        "inv_diff_mom_norm": _total(p / (1 + (apart / p.shape[1]) ** 2)),
        "inv_var": _total(p * np.where(apart, 1 / np.maximum(apart, 1) ** 2, 0)),
        "auto_corr": _total(i * j * p),
    }


def _sums_and_differences(p: Float[ndarray, "B G G"]) -> Values:
    top = p.shape[1]
    i, j = np.indices((top, top))
    of_difference = np.stack([np.bincount(np.abs(i - j).ravel(), one.ravel()) for one in p])
    of_sum = np.stack([np.bincount((i + j).ravel(), one.ravel()) for one in p])
    difference, total = np.arange(top), np.arange(2, 2 * top + 1)
    mean_difference, mean_sum = of_difference @ difference, of_sum @ total
    around = total - mean_sum[:, None]  # twice the mean level subtracted
    return {
        "diff_avg": mean_difference,
        "diff_var": ((difference - mean_difference[:, None]) ** 2 * of_difference).sum(axis=1),
        "diff_entr": bits(of_difference),
        "sum_avg": mean_sum,
        "sum_var": (around**2 * of_sum).sum(axis=1),
        "sum_entr": bits(of_sum),
        "clust_tend": (around**2 * of_sum).sum(axis=1),
        "clust_shade": (around**3 * of_sum).sum(axis=1),
        "clust_prom": (around**4 * of_sum).sum(axis=1),
    }


def _correlations(p: Float[ndarray, "B G G"]) -> Values:
    """Correlation is 1, and both information correlations are 0, for pairs of one level alone."""
    levels = np.arange(1, p.shape[1] + 1)
    edge = p.sum(axis=2)
    mean, square = edge @ levels, edge @ levels**2
    variance = square - mean**2
    is_flat = variance < 1e-12 * square
    product = (levels * (p @ levels)).sum(axis=1)
    joint, single = bits(p), bits(edge)
    both = edge[:, :, None] * edge[:, None, :]
    logs = np.log2(both, where=both > 0, out=np.zeros_like(both))
    crossed = -_total(p * logs)
    information = np.sqrt(np.maximum(1 - np.exp(-2 * (2 * single - joint)), 0))
    return {
        "corr": np.where(is_flat, 1.0, (product - mean**2) / variance),
        "info_corr1": np.where(is_flat, 0.0, (joint - crossed) / single),
        "info_corr2": np.where(np.isnan(mean), np.nan, information),
    }
