"""Features of matrices that count elements of a grey level by a size.

The matrices of run lengths, zone sizes, zone distances and dependences share their formulas; only
the names of the columns differ (short runs, small zones, small distances, low dependence).
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.image_features.aggregation import FeaturesOf, Values
from neurotarget.image_features.cooccurrence import bits
from neurotarget.image_features.feature_names import tags


def emphasis_features(
    family: str,
    columns: Integer[ndarray, " N"],
    voxels: Integer[ndarray, " N"] | None = None,
) -> FeaturesOf:
    """Return a function that computes a family's features from matrices with these columns.

    Args:
        family: rlm, szm, dzm or ngl, which decides the names.
        columns: size that each column of the matrices stands for.
        voxels: voxels that an element of each column stands for; None takes its size, as for
            runs and zones.
    """
    covered = (columns if voxels is None else voxels).astype(float)
    return partial(_features, names=tags(family), columns=columns.astype(float), covered=covered)


def _features(
    counts: Integer[ndarray, "B G N"],
    *,
    names: Sequence[str],
    columns: Float[ndarray, " N"],
    covered: Float[ndarray, " N"],
) -> Values:
    levels = np.arange(1, counts.shape[1] + 1, dtype=float)
    number = counts.sum(axis=(1, 2)).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts / number[:, None, None]
        of_level, of_size = p.sum(axis=2), p.sum(axis=1)
        squares = ((of_level**2).sum(axis=1), (of_size**2).sum(axis=1))
        values = [
            of_size @ columns**-2,
            of_size @ columns**2,
            of_level @ levels**-2,
            of_level @ levels**2,
            *(
                p @ columns**size @ levels**level
                for size, level in ((-2, -2), (-2, 2), (2, -2), (2, 2))
            ),
            squares[0] * number,
            squares[0],
            squares[1] * number,
            squares[1],
            1 / (of_size @ covered),
            _variance(of_level, levels),
            _variance(of_size, columns),
            bits(p),
            (p**2).sum(axis=(1, 2)),
        ]
    return dict(zip(names, values, strict=False))


def _variance(p: Float[ndarray, "B N"], values: Float[ndarray, " N"]) -> Float[ndarray, " B"]:
    around = values - (p @ values)[:, None]
    return (p * around**2).sum(axis=1)
