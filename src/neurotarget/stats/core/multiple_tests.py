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

    Holm's correction bounds the chance of one or more false findings; that of Benjamini and
    Hochberg bounds the expected share of false findings among all findings. Results equal those of
    statsmodels' `multipletests`, which is slow as every call runs Python's garbage collection.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65; Benjamini and Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values, known = np.full(len(p), math.nan), np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])]
    count = len(order)
    if method == "holm":
        raised = np.maximum.accumulate(p[order] * np.arange(count, 0, -1))
    else:
        shares = p[order] / (np.arange(1, count + 1) / count)
        raised = np.minimum.accumulate(shares[::-1])[::-1]
    values[order] = np.minimum(raised, 1)
    return values
