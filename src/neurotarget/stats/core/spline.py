"""Natural cubic splines, which are straight beyond their outer knots."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

KNOTS = (0.05, 0.35, 0.65, 0.95)  # quantiles; four knots cost three degrees of freedom

Cases = Float[ndarray, " N"]


def knots(values: Cases) -> Float[ndarray, " K"]:
    """Return knots at quantiles of `values`, in their unit; fewer than three give a straight line.

    Source: Harrell 2015, doi:10.1007/978-3-319-19425-7 (table 2.3).
    """
    places = np.unique(np.quantile(values, KNOTS)) if len(values) else np.empty(0)
    # with tied values two knots may differ by rounding error only
    return places[np.diff(places, prepend=-np.inf) > 1e-9 * np.abs(places).max(initial=1.0)]


def natural_spline(values: Cases, at: Float[ndarray, " K"]) -> Float[ndarray, "N P"]:
    """Return the basis of a natural cubic spline without the constant: a line and K − 2 curves.

    The line is `values` unchanged. With fewer than three knots it is the only column.

    Source: Stone and Koo 1985 as in Harrell 2015, doi:10.1007/978-3-319-19425-7 (2.4.5).
    """
    values = np.asarray(values, dtype=float)
    columns = [values]
    if len(at) > 2:
        last, end = at[-2], at[-1]
        for knot in at[:-2]:
            bend = _cube(values - knot)
            bend -= _cube(values - last) * (end - knot) / (end - last)
            bend += _cube(values - end) * (last - knot) / (end - last)
            columns.append(bend / (end - at[0]) ** 2)
    return np.column_stack(columns)


def _cube(values: Cases) -> Cases:
    return np.maximum(values, 0.0) ** 3
