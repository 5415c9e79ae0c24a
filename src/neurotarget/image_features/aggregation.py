"""Aggregation of texture matrices over slices and directions, as IBSI names them.

| name | IBSI | matrices that are merged | features that are averaged |
|---|---|---|---|
| 2D_avg | 2D:avg | none | of slices and directions |
| 2D_comb | 2D:mrg | directions of a slice | of slices |
| 2_5D_avg | 2.5D:avg | slices of a direction | of directions |
| 2_5D_comb | 2.5D:mrg | all | none |
| 3D_avg | 3D:avg | none | of directions |
| 3D_comb | 3D:mrg | directions | none |

A matrix that counts nothing has NaN features, which no average includes.
Source: Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145, and arXiv:1612.07003.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

AGGREGATIONS = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb")
DIMENSIONS = ("2D", "2_5D", "3D")  # of families without directions

Values = dict[str, Float[ndarray, " _"]]  # features of B matrices, by name
FeaturesOf = Callable[[ndarray], Values]  # of matrices (B, G, N)


def dimension(aggregation: str) -> str:
    """Dimension of an aggregation, such as 3D_comb: 2D, 2_5D or 3D."""
    return aggregation.rpartition("_")[0]


def aggregated(
    layers: Iterable[ndarray], features_of: FeaturesOf, wanted: Sequence[str], *, in_plane: bool
) -> dict[str, float]:
    """Features of matrices (D, G, N), one array per layer, with the aggregation after each name.

    Args:
        layers: matrices of D directions by layer: by slice (`in_plane`), or one of the whole
            region.
        features_of: formulas of a family.
        wanted: aggregations; those are made that such layers allow, the others are left out.
            Families without directions have 2D, 2_5D and 3D.
        in_plane: whether layers are slices.

    Returns:
        Values by `<feature>_<aggregation>`; NaN where no matrix counts anything.
    """
    per_layer: dict[str, list[Values]] = {name: [] for name in ("2D_avg", "2D_comb", "2D")}
    total: ndarray | int = 0
    for matrices in layers:
        total = total + matrices
        for name in per_layer if in_plane else ():
            if name in wanted:
                is_merged = name == "2D_comb"
                per_layer[name].append(features_of(merged(matrices) if is_merged else matrices))
    made = {name: joined(values) for name, values in per_layer.items() if values}
    for name in wanted:
        if (
            dimension(name) == ("2_5D" if in_plane else "3D")
            or name == ("2_5D", "3D")[not in_plane]
        ):
            made[name] = features_of(merged(total) if name.endswith("comb") else total)
    return {f"{tag}_{name}": mean(v) for name, values in made.items() for tag, v in values.items()}


def merged(matrices: ndarray) -> ndarray:
    """The sum of the matrices of all directions, as one matrix (1, G, N)."""
    return matrices.sum(axis=0, keepdims=True)


def joined(values: Sequence[Values]) -> Values:
    """Features of several layers, one after the other."""
    return {tag: np.concatenate([one[tag] for one in values]) for tag in values[0]}


def mean(values: Float[ndarray, " B"]) -> float:
    """Mean of the features of matrices that count something; NaN if none does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # mean of an empty slice
        return float(np.nanmean(values))
