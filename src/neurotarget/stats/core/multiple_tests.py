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

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65; Benjamini and Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values = np.full(len(p), math.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])]
    rising, count = p[order], len(order)
    if method == "holm":
        steps = np.maximum.accumulate(rising * np.arange(count, 0, -1))
    else:
        steps = rising / (np.arange(1, count + 1) / count)
        steps = np.minimum.accumulate(steps[::-1])[::-1]
    values[order] = np.minimum(steps, 1)
    return values
