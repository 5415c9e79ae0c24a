"""P values of several tests, corrected for their number."""

import math
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from statsmodels.stats.multitest import multipletests


def corrected(
    p: Float[ndarray, " N"], method: Literal["holm", "fdr_bh"] = "holm"
) -> Float[ndarray, " N"]:
    """Return p values corrected by Holm, or Benjamini and Hochberg; NaN is kept and not counted.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65; Benjamini and Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values, is_known = np.full(len(p), math.nan), np.isfinite(p)
    if is_known.any():
        values[is_known] = multipletests(p[is_known], method=method)[1]
    return values
