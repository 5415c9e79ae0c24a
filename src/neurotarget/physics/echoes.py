"""One field map from the phase of one or several echoes."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from neurotarget.physics.extent import bounding_box, placed
from neurotarget.physics.fourier import MaskVolume, Volume, smooth
from neurotarget.physics.phase import TURN, wrap
from neurotarget.physics.unwrap import Steps, integrate, pairs, unwrap_path
from neurotarget.problems import DataError
from neurotarget.types import Triple

OFFSET_MM = 6.0  # SD of the smoothing of the coils' phase (at echo time 0)

Echoes = Float[Tensor, "E I J K"]


class _Scan(NamedTuple):
    """Echoes in the box of the mask, in the order of their times (s); signals are 0 outside it."""

    phases: list[Volume]
    signals: list[Volume]
    times: list[float]
    spacing_mm: Triple
    mask: MaskVolume


class FieldMap(NamedTuple):
    """Field in Hz, and its inverse noise, scaled to a median of 1 in the mask."""

    hz: Volume
    weight: Volume


def combine_echoes(
    phase_rad: Echoes,
    magnitude: Echoes,
    te_s: Sequence[float],
    *,
    spacing_mm: Triple,
    mask: MaskVolume,
    unwrap: Literal["laplacian", "path"] = "laplacian",
) -> FieldMap:
    """Field in Hz inside the mask, fitted over the echoes with weights magnitude² · TE².

    The phase of the coils (at echo time 0) is estimated from the echoes, smoothed, and subtracted;
    with one echo it cannot be separated from the field. Later echoes are unwrapped with the help of
    earlier echoes. `laplacian` uses differences between neighbours, and solves one Poisson equation
    for all echoes: the field is correct up to a part that obeys Laplace's equation in the mask.
    `path` gives the field without that part.

    Source: Robinson et al. 2017, doi:10.1002/nbm.3601 (review); Eckstein et al. 2018,
    doi:10.1002/mrm.26963 (the offset from two echoes).

    Raises:
        DataError: an echo time is not positive or two are the same, or `unwrap` is unknown.
    """
    times = check_times(te_s, len(phase_rad))
    if unwrap not in ("laplacian", "path"):
        raise DataError(f"unwrap: found {unwrap!r}, wanted laplacian or path; correct it")
    order = sorted(range(len(times)), key=times.__getitem__)
    times = [times[echo] for echo in order]
    box = bounding_box(mask)
    inner = mask[box]
    phases = [phase_rad[echo][box].float() for echo in order]
    most = float(magnitude.max()) or 1.0  # keeps fourth powers within float32
    signals = [magnitude[echo][box].float() * inner / most for echo in order]
    fit = _by_steps if unwrap == "laplacian" else _by_path
    field = fit(_Scan(phases, signals, times, spacing_mm, inner))
    power = sum(signal.square() * time**2 for signal, time in zip(signals, times, strict=True))
    sure = power.sqrt()
    weight = sure / sure[inner].median().clamp(min=1e-12)
    return FieldMap(placed(field / TURN * inner, box, mask), placed(weight, box, mask))


def fitted(values: Sequence[Tensor], weights: Sequence[Tensor], times: Sequence[float]) -> Tensor:
    """Slope of the line through 0 that fits values over the echo times, by least squares."""
    top, bottom = torch.zeros_like(values[0]), torch.zeros_like(values[0])
    for value, weight, time in zip(values, weights, times, strict=True):
        top += weight * value * time
        bottom += weight * time**2
    return top / bottom.clamp(min=1e-20)


def check_times(te_s: Sequence[float], echoes: int) -> list[float]:
    """Echo times in seconds, one for each echo.

    Raises:
        DataError: the number of times is not `echoes`, or a time is not positive, is not in
            seconds, or occurs twice.
    """
    times = [float(time) for time in te_s]
    text = ", ".join(f"{time:g}" for time in times)
    if len(times) != echoes:
        raise DataError(
            f"echo times: found {len(times)} ({text}) for {echoes} echoes, wanted one for each; "
            "give all echo times in seconds"
        )
    if not all(math.isfinite(time) and 0 < time < 1 for time in times):
        raise DataError(
            f"echo times: found {text}, wanted seconds above 0 and below 1; 20 ms are 0.02"
        )
    if len(set(times)) != len(times):
        raise DataError(
            f"echo times: found {text}, wanted each echo time once; average repeated scans first, "
            "or give one of the scans"
        )
    return times


def _by_steps(scan: _Scan) -> Volume:
    """Field in rad/s from differences between neighbours, fitted over the echoes."""
    phases, signals, times, spacing_mm, mask = scan
    steps = []
    for axis in range(3):
        inside = pairs(mask, axis)
        grown = _grown_steps(phases, axis)
        weights = [_pair_weight(signal, axis) for signal in signals]
        offset = _step_offset(grown, weights, times, spacing_mm) if len(times) > 1 else 0.0
        steps.append(fitted([step - offset for step in grown], weights, times) * inside)
    return integrate(steps, spacing_mm)


def _grown_steps(phases: list[Volume], axis: int) -> list[Steps]:
    """Phase differences of neighbours, echo by echo, each unwrapped with the previous one.

    From one echo to the next, the field changes the difference far less than it did from excitation
    to that echo.
    """
    steps = [wrap(phases[0].diff(dim=axis))]
    for phase in phases[1:]:
        steps.append(steps[-1] + wrap(phase.diff(dim=axis) - steps[-1]))
    return steps


def _pair_weight(signal: Volume, axis: int) -> Steps:
    """Inverse variance of the phase difference of two voxels, each with a noise of 1 / signal."""
    side = signal.shape[axis] - 1
    one = signal.narrow(axis, 0, side).square()
    other = signal.narrow(axis, 1, side).square()
    return one * other / (one + other).clamp(min=1e-20)


def _step_offset(
    steps: list[Steps], weights: list[Steps], times: list[float], spacing_mm: Triple
) -> Steps:
    """Phase difference of neighbours at echo time 0: the smoothed intercept of a line."""
    total = sum(weights)
    mean_time = sum(w * t for w, t in zip(weights, times, strict=True)) / total.clamp(min=1e-20)
    mean_step = sum(w * s for w, s in zip(weights, steps, strict=True)) / total.clamp(min=1e-20)
    spread, slope = torch.zeros_like(total), torch.zeros_like(total)
    for weight, time, step in zip(weights, times, steps, strict=True):
        spread += weight * (time - mean_time).square()
        slope += weight * (time - mean_time) * (step - mean_step)
    start = mean_step - slope / spread.clamp(min=1e-20) * mean_time
    return _smoothed(start, total, spacing_mm)


def _by_path(scan: _Scan) -> Volume:
    """Field in rad/s from phase unwrapped voxel by voxel, fitted over the echoes."""
    phases, signals, times, _, mask = scan
    if len(times) > 1:
        offset, guess = _offset(scan)
        phases = [wrap(phase - offset) for phase in phases]
    first = unwrap_path(phases[0], mask)
    if len(times) > 1:  # the offset determines the multiple of 2π in the first echo
        first += TURN * torch.round(((guess * times[0] - first)[mask]).median() / TURN)
    top = signals[0].square() * first * times[0]
    bottom = signals[0].square() * times[0] ** 2
    for phase, signal, time in zip(phases[1:], signals[1:], times[1:], strict=True):
        expected = top / bottom.clamp(min=1e-20) * time
        grown = phase + TURN * torch.round((expected - phase) / TURN)
        top += signal.square() * grown * time
        bottom += signal.square() * time**2
    return top / bottom.clamp(min=1e-20)


def _offset(scan: _Scan) -> tuple[Volume, Volume]:
    """Smooth phase at echo time 0, and the field (rad/s) from the first two echoes.

    Slopes are smoothed, not values, since the mean at the rim contains only voxels inside.
    """
    phases, signals, times, spacing_mm, mask = scan
    phase_change = wrap(phases[1] - phases[0])
    field = unwrap_path(phase_change, mask) / (times[1] - times[0])
    start = phases[0] - field * times[0]
    weight = signals[0] * signals[1]
    slopes = []
    for axis in range(3):
        trust = _pair_weight(weight, axis)
        slopes.append(_smoothed(wrap(start.diff(dim=axis)), trust, spacing_mm))
    offset = integrate(slopes, spacing_mm)
    rest = start - offset
    level = torch.atan2((weight * torch.sin(rest)).sum(), (weight * torch.cos(rest)).sum())
    return offset + level, field


def _smoothed(values: Volume, weights: Volume, spacing_mm: Triple) -> Volume:
    """Weighted Gaussian mean with a standard deviation of `OFFSET_MM`."""
    sigma = (OFFSET_MM,) * 3
    total = smooth(weights, sigma, spacing_mm)
    return smooth(weights * values, sigma, spacing_mm) / total.clamp(min=1e-20)
