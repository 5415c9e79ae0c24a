"""P values of several tests, corrected for their number."""

import math
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def corrected(
    p: Float[ndarray, " N"], method: Literal["holm", "fdr_bh"] = "holm"
) -> Float[ndarray, " N"]:
    """Return p values corrected by Holm, or Benjamini and Hochberg; NaN is kept and not counted.

    As in statsmodels, whose function collects garbage at each call: a quarter of a second beside
    torch.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65; Benjamini and Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values = np.full(len(p), math.nan)
    places = np.flatnonzero(np.isfinite(p))
    order = places[np.argsort(p[places])]
    rising, ranks = p[order], np.arange(1, len(order) + 1)
    if method == "holm":
        adjusted = np.maximum.accumulate(rising * ranks[::-1])
    else:
        adjusted = np.minimum.accumulate((rising / (ranks / len(order)))[::-1])[::-1]
    values[order] = np.minimum(adjusted, 1.0)
    return values
