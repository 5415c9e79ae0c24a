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

    Values equal those of statsmodels' `multipletests`, which collects garbage in each call.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65; Benjamini and Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values, known = np.full(len(p), math.nan), np.flatnonzero(np.isfinite(p))
    known = known[np.argsort(p[known])]  # from the smallest p to the largest
    count, place = len(known), np.arange(len(known))
    if method == "holm":
        adjusted = np.maximum.accumulate(p[known] * (count - place))
    else:
        shares = p[known] / ((place + 1) / count)
        adjusted = np.minimum.accumulate(shares[::-1])[::-1]
    values[known] = np.minimum(adjusted, 1)
    return values
