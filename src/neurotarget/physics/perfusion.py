"""Perfusion from a bolus of contrast agent (DSC): blood volume, blood flow and transit time.

Time is the last axis of curves. A concentration is the change of R2*, which is proportional to the
concentration of the agent.
Source: Østergaard et al. 1996, doi:10.1002/mrm.1910360510; Wu et al. 2003, doi:10.1002/mrm.10522.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real
from numpy import ndarray
from scipy.linalg import circulant

from neurotarget.physics.first_pass import first_pass_area
from neurotarget.problems import DataError, error

PERCENT, PER_MINUTE = 100.0, 60.0
TISSUE_FACTOR = (1 - 0.45) / (1 - 0.25) / 1.04  # haematocrits of arteries, capillaries; g/ml
CUT = 0.1  # share of the largest singular value; smaller values are mostly noise
FEWEST_TIMES = 10
LEAST_SIGNAL = 1e-3  # share of the baseline; a smaller signal counts as lost

Curves = Float[ndarray, "*N T"]
Curve = Float[ndarray, " T"]
Artery = Float[ndarray, " _"]
Voxels = Float[ndarray, "*N"]


class Perfusion(NamedTuple):
    """Perfusion of voxels; NaN where the curve has no bolus."""

    cbv: Voxels  # ml/100 g, or ml/100 ml with a tissue factor of 1
    cbf: Voxels  # ml/100 g/min
    mtt_s: Voxels  # CBV / CBF
    tmax_s: Voxels  # delay of the largest residue


def concentrations(
    signals: Real[ndarray, "*N T"], te_s: float, baseline: int, *, skip: int = 0
) -> Curves:
    """Change of R2* in 1/s, −ln(S / S₀) / TE, with S₀ the mean of `baseline` volumes after `skip`.

    Voxels without signal before the bolus are NaN.

    Raises:
        DataError: the baseline has no volume, or there are too few volumes.
    """
    signals = np.asarray(signals, float)
    _check_volumes(signals.shape[-1], baseline, skip)
    first = signals[..., skip : skip + baseline].mean(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.maximum(signals / first, LEAST_SIGNAL)
        made = -np.log(part) / te_s
    return np.where(np.isfinite(first) & (first > 0), made, np.nan)


def _check_volumes(count: int, baseline: int, skip: int) -> None:
    if skip < 0 or not 0 < baseline <= count - FEWEST_TIMES - skip:
        found = f"{skip} volumes left out and {baseline} before the bolus, of {count}"
        wanted = f"at least 1 before the bolus, and {FEWEST_TIMES} after those left out"
        raise DataError(error(found, wanted, "correct baseline and skip"))


def bolus_arrival(mean_signal: Curve, *, skip: int = 0) -> int:
    """Number of volumes between `skip` and the bolus, from the mean signal of a brain.

    The bolus starts where the signal has fallen by a tenth of its largest fall. The two volumes
    before the start are not counted.

    Raises:
        DataError: no bolus is seen, or there are too few volumes.
    """
    _check_volumes(len(mean_signal), 1, skip)
    signal = np.asarray(mean_signal[skip:], float)
    lowest = int(np.argmin(signal))
    before = signal[: max(lowest // 2, 3)]
    fall = float(np.median(before) - signal[lowest])
    steps = np.diff(signal)
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2)
    if lowest < 4 or fall <= 5 * noise:
        found = f"a signal that falls by {fall:.3g} with a noise of {noise:.3g}"
        todo = "check that the volumes are in order, or give baseline=<number of volumes>"
        raise DataError(error(found, "the fall of a bolus", todo))
    has_fallen = signal < np.median(before) - fall / 10
    start = lowest
    while start > 0 and has_fallen[start - 1]:
        start -= 1
    return max(start - 2, 1)


def perfusion(
    tissue: Curves,
    artery: Artery,
    tr_s: float,
    *,
    tissue_factor: float = TISSUE_FACTOR,
    cut: float = CUT,
    only_first_pass: bool = False,
) -> Perfusion:
    """Perfusion from concentrations of tissue and of an artery, by circular deconvolution.

    CBV is the ratio of the areas under the curves, or under fitted gamma variates with
    `only_first_pass`; CBF is the largest residue. Singular values below the share `cut` of the
    largest are left out. The matrix is block-circulant, so that a delay does not change the flow.

    Raises:
        DataError: the artery has no bolus, or lengths or times do not fit.
    """
    area = check_artery(artery, tissue.shape[-1], tr_s)
    inverse = circular_inverse(artery, tr_s, cut=cut)
    flat = tissue.reshape(-1, tissue.shape[-1])
    is_known = np.isfinite(flat).all(axis=1)
    residue = np.where(is_known[:, None], flat, 0.0) @ inverse.T
    largest = residue.max(axis=1)
    delay = residue.argmax(axis=1)
    count = residue.shape[1]
    delay = np.where(delay > count // 2, delay - count, delay)  # negative: before the artery
    if only_first_pass:
        volume = first_pass_area(flat, tr_s) / first_pass_area(artery[None], tr_s)[0]
    else:
        volume = np.where(is_known, flat.sum(axis=1), np.nan) * tr_s / area
    with np.errstate(divide="ignore", invalid="ignore"):
        flow = np.where(is_known & (largest > 0), largest, np.nan)
        mtt_s = np.where(volume > 0, volume / flow, np.nan)
    shape = tissue.shape[:-1]
    made = (
        volume * PERCENT * tissue_factor,
        flow * PERCENT * PER_MINUTE * tissue_factor,
        mtt_s,
        np.where(is_known, delay * tr_s, np.nan),
    )
    return Perfusion(*(one.reshape(shape) for one in made))


def check_artery(artery: Artery, count: int, tr_s: float) -> float:
    """Area under the concentration of an artery over time, after checks.

    Raises:
        DataError: the artery has no bolus, or lengths or times do not fit.
    """
    if len(artery) != count or count < FEWEST_TIMES:
        found = f"{len(artery)} times of the artery and {count} of the tissue"
        todo = "take both from one scan, with all its volumes"
        raise DataError(error(found, f"the same number, of at least {FEWEST_TIMES}", todo))
    if not tr_s > 0:
        raise DataError(error(f"tr_s={tr_s:g}", "a time above 0", "correct tr_s"))
    area = float(artery.sum() * tr_s)
    if not area > 0 or not np.isfinite(artery).all():
        found = f"an arterial curve with an area of {area:.3g}"
        todo = "choose other voxels of an artery with aif=<mask>"
        raise DataError(error(found, "the bolus in an artery", todo))
    return area


def circular_inverse(artery: Artery, tr_s: float, *, cut: float) -> Float[ndarray, "M T"]:
    """Pseudo-inverse of the convolution with an artery, for curves padded with zeros to M times."""
    count = len(artery)
    padded = np.concatenate([artery, np.zeros(count)])
    left, singular, right = np.linalg.svd(circulant(padded) * tr_s)
    inverse = np.divide(
        1, singular, out=np.zeros_like(singular), where=singular > cut * singular[0]
    )
    return (right.T * inverse @ left.T)[:, :count]
