"""Volumes adjusted for head size: two methods that remove total intracranial volume (TIV).

The third method, ANCOVA, has TIV as a term of the model. All keep the unit of the volumes. The
residual method is preferred: it removes the association with TIV, whereas the proportion reverses
the association in structures that grow less than the head (Opfer 2022,
doi:10.1007/s00234-022-02961-6; Sanfilipo 2004, doi:10.1016/j.neuroimage.2004.03.037). But where
two groups differ in TIV, as women and men do, a slope from all subjects attributes part of the
group difference to head size; ANCOVA separates the two.
"""

import re
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

NAMES = re.compile(
    r"(e?tiv|e?icv|estimatedtotalintracranialvol(ume)?)(_(mm3|cm3|ml|l))?|brain_mm3", re.IGNORECASE
)
CONTROLS = frozenset({"control", "controls", "cn", "hc", "healthy", "0"})  # groups, in lower case

Subjects = Float[ndarray, " N"]


def find_tiv(columns: Iterable[str]) -> str | None:
    """Return the first column of head size, in upper or lower case and any unit, or None.

    It is a column named like TIV, or `brain_mm3`, the brain volume that a study measures.
    """
    return next((name for name in columns if NAMES.fullmatch(str(name))), None)


def residual(
    volumes: Subjects, tiv: Subjects, *, controls: Bool[ndarray, " N"] | None = None
) -> Subjects:
    """Return V − b (TIV − mean TIV) in mm³; b is the slope of V on TIV in `controls`, or in all.

    A subject with NaN in V or TIV gets NaN and is left out of slope and mean. Where TIV does not
    vary among the controls, volumes are returned unchanged.

    Source: Opfer 2022, doi:10.1007/s00234-022-02961-6; Sanfilipo 2004,
    doi:10.1016/j.neuroimage.2004.03.037.
    """
    volumes, tiv = np.asarray(volumes, dtype=float), np.asarray(tiv, dtype=float)
    known = np.isfinite(volumes) & np.isfinite(tiv)
    if not known.any():
        return volumes + tiv  # NaN where V or TIV is NaN
    away = tiv - tiv[known].mean()
    is_fitted = known if controls is None else known & np.asarray(controls, dtype=bool)
    if is_fitted.sum() < 2 or np.ptp(tiv[is_fitted]) == 0:
        return volumes + 0 * away
    among = tiv[is_fitted] - tiv[is_fitted].mean()
    slope = (among @ volumes[is_fitted]) / (among @ among)
    return volumes - slope * away


def proportion(volumes: Subjects, tiv: Subjects) -> Subjects:
    """Return V / TIV × mean TIV in mm³; NaN where V or TIV is NaN, or TIV is 0 or less.

    Source: Sanfilipo 2004, doi:10.1016/j.neuroimage.2004.03.037; the factor mean TIV, our addition,
    keeps the unit.
    """
    volumes, tiv = np.asarray(volumes, dtype=float), np.asarray(tiv, dtype=float)
    head = np.where(tiv > 0, tiv, np.nan)
    known = np.isfinite(volumes) & np.isfinite(head)
    return volumes / head * head[known].mean() if known.any() else volumes + head
