"""The first pass of a bolus, described by a gamma variate, without recirculation.

Source: Thompson et al. 1964, doi:10.1161/01.RES.14.6.502; Madsen 1992,
doi:10.1088/0031-9155/37/7/010.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import gammaln

ONSET, TAIL = 0.05, 0.33  # shares of the peak at which the bolus and the recirculation begin
FEWEST_POINTS = 4

Curves = Float[ndarray, "V T"]


def gamma_variate(
    times_s: Float[ndarray, " T"], top: float, peak_s: float, power: float
) -> Float[ndarray, " T"]:
    """Concentration with the peak `top` at `peak_s` after arrival: top · x^α · exp(α (1 − x))."""
    x = np.maximum(times_s, 0) / peak_s
    return top * x**power * np.exp(power * (1 - x))


def first_pass_area(curves: Curves, tr_s: float) -> Float[ndarray, " V"]:
    """Area under the gamma variate of each curve, fitted from its onset to a third of its peak.

    Curves without a peak, with fewer than four points in that range, or of another form give NaN.
    """
    return np.array([_area(curve, tr_s) for curve in curves])


def fitted(curve: Float[ndarray, " T"], tr_s: float) -> tuple[float, float, float, float] | None:
    """Arrival in s, peak, its time in s after arrival, and power of a curve; None without a fit.

    For a given arrival, ln C is linear in the three other parameters. Arrivals from 0.1 to 2.9 TR
    before the first fitted point are tried; the arrival with the smallest sum of squares is taken.
    """
    peak = int(np.argmax(curve)) if np.isfinite(curve).all() else 0
    top = float(curve[peak])
    if peak < 1 or not top > 0:
        return None
    low = np.flatnonzero(curve[:peak] < ONSET * top)
    first = int(low[-1]) + 1 if len(low) else 0
    below = np.flatnonzero(curve[peak:] < TAIL * top)
    last = peak + int(below[0]) if len(below) else len(curve)
    values, at_s = curve[first:last], np.arange(first, last) * tr_s
    if len(values) < FEWEST_POINTS or (values <= 0).any():
        return None
    best: tuple[float, tuple[float, float, float, float]] | None = None
    for start_s in at_s[0] - np.arange(1, 30) * tr_s / 10:
        t = at_s - start_s
        design = np.stack([np.ones_like(t), np.log(t), -t], axis=1)
        solution = np.linalg.lstsq(design * values[:, None], np.log(values) * values, rcond=None)[0]
        _, power, rate = solution
        if power <= 0 or rate <= 0:
            continue
        made = np.exp(design @ solution)
        wrong = float(((made - values) ** 2).sum())
        if best is None or wrong < best[0]:
            peak_s = power / rate
            height = np.exp(solution[0] + power * np.log(peak_s) - power)
            best = wrong, (float(start_s), float(height), float(peak_s), float(power))
    return None if best is None else best[1]


def _area(curve: Float[ndarray, " T"], tr_s: float) -> float:
    found = fitted(curve, tr_s)
    if found is None:
        return float("nan")
    _, top, peak_s, power = found
    log = power - (power + 1) * np.log(power) + gammaln(power + 1)
    return float(top * peak_s * np.exp(log))
