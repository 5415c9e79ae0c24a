"""Susceptibility-weighted images: magnitude darkened where phase indicates veins and iron."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from neurotarget.physics.echoes import check_times, fitted
from neurotarget.physics.fourier import MaskVolume, Volume, across, smooth
from neurotarget.physics.mask import brain_mask
from neurotarget.physics.scan import as_tensor, check_arrays, check_choices, check_spacing
from neurotarget.physics.unwrap import unwrap_laplacian
from neurotarget.problems import DataError
from neurotarget.types import Triple

CHOICES = {
    "high_pass": ("homodyne", "unwrap"),
    "phase_mask": ("positive", "negative", "triangular", "tanh"),
    "handedness": (1, -1),
}


@dataclass(frozen=True)
class SWIResult:
    """Images in the voxel order of the scan, float32.

    `mip` is the minimum of `swi` over a slab around each slice, and has the shape of `swi`.
    `phase_mask` is in [0, 1], already raised to the power `mask_power`. `filtered_phase` is in
    radians at `facts["te_s"]`, positive where precession is faster.
    """

    swi: Float[ndarray, "I J K"]
    mip: Float[ndarray, "I J K"]
    phase_mask: Float[ndarray, "I J K"]
    filtered_phase: Float[ndarray, "I J K"]
    facts: dict[str, Any]


@dataclass(frozen=True)
class SWI:
    """Settings for filtering the phase and weighting the magnitude; `make` runs it.

    `homodyne` divides the complex image of each slice by its low-pass version, the central
    `window_vox` × `window_vox` of k-space. `unwrap` subtracts a Gaussian mean of `high_pass_mm`
    within the slice from the unwrapped phase, and is safer where the field is steep.

    The phase mask falls from 1 at phase 0 to 0 at +π (`positive`: veins and iron if `handedness` is
    right), at −π (`negative`), or at both (`triangular`). `tanh` falls smoothly around the median
    of the positive phase, whatever its scale. `handedness` −1 inverts the sign of the phase.

    Veins along B0 have positive phase. So have veins across B0 that are thinner than a slice; thick
    veins across B0 have negative phase, which `positive` leaves bright.

    Source: Haacke et al. 2004, doi:10.1002/mrm.20198; unwrapping and tanh: Eckstein et al. 2021,
    doi:10.1016/j.neuroimage.2021.118175; veins across B0: Xu and Haacke 2006,
    doi:10.1016/j.mri.2005.10.030.
    """

    high_pass: Literal["homodyne", "unwrap"] = "homodyne"
    phase_mask: Literal["positive", "negative", "triangular", "tanh"] = "positive"
    mask_power: float = 4.0
    mip_mm: float = 14.0
    window_vox: int = 64
    high_pass_mm: float = 4.0
    handedness: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        check_choices("swi", self, CHOICES)
        for name in ("mask_power", "mip_mm", "window_vox", "high_pass_mm"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise DataError(f"swi.{name}: found {value}, wanted more than 0; correct it")

    def make(
        self,
        magnitude: ndarray | Tensor,
        phase_rad: ndarray | Tensor,
        te_s: Sequence[float],
        *,
        spacing_mm: Triple,
        axis: int = 2,
        mask: ndarray | Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> SWIResult:
        """Make the susceptibility-weighted image of one echo (I, J, K) or several (E, I, J, K).

        Phase is in radians, echo times are in s; `axis` is the slice axis. The mask, by default
        from the magnitude, limits the unwrapped phase and the median of `tanh`; the homodyne filter
        needs no mask.

        Raises:
            DataError: shapes, values, echo times or voxel size are not usable, or no brain was
                found.
        """
        if len(magnitude.shape) == 3:
            magnitude, phase_rad = magnitude[None], phase_rad[None]
        check_arrays(magnitude, phase_rad, mask)
        check_spacing(spacing_mm)
        times = check_times(te_s, len(magnitude))
        if axis not in (0, 1, 2):
            raise DataError(f"swi: found slice axis {axis}, wanted 0, 1 or 2; correct it")
        signal, phase = as_tensor(magnitude, device), as_tensor(phase_rad, device)
        brain = self._brain(signal[0], mask, spacing_mm)
        filtered = [
            self._filtered(one, turn * self.handedness, brain, spacing_mm=spacing_mm, axis=axis)
            for one, turn in zip(signal, phase, strict=True)
        ]
        combined, te = _combined(filtered, signal, times)
        weights = self._phase_mask(combined, brain) ** self.mask_power
        whole = signal[0] if len(signal) == 1 else signal.square().mean(dim=0).sqrt()
        swi = whole * weights
        slices = max(round(self.mip_mm / spacing_mm[axis]), 1)
        facts = {
            "high_pass": self.high_pass,
            "phase_mask": self.phase_mask,
            "mask_power": self.mask_power,
            "handedness": self.handedness,
            "mip_slices": slices,
            "te_s": te,
        }
        maps = (swi, slab_minimum(swi, slices, axis), weights, combined)
        return SWIResult(*(one.float().cpu().numpy() for one in maps), facts)

    def _brain(
        self, magnitude: Volume, mask: ndarray | Tensor | None, spacing_mm: Triple
    ) -> MaskVolume | None:
        if mask is not None:
            return as_tensor(mask, magnitude.device) != 0
        if self.high_pass == "homodyne" and self.phase_mask != "tanh":
            return None
        return brain_mask(magnitude, spacing_mm)

    def _filtered(
        self,
        magnitude: Volume,
        phase: Volume,
        mask: MaskVolume | None,
        *,
        spacing_mm: Triple,
        axis: int,
    ) -> Volume:
        """High-pass phase of one echo, radians."""
        if self.high_pass == "homodyne":
            return homodyne(magnitude, phase, self.window_vox, axis)
        sigma = [self.high_pass_mm] * 3
        sigma[axis] = 0.0
        unwrapped = unwrap_laplacian(phase, spacing_mm, mask)
        weight = mask.float()
        mean = smooth(unwrapped * weight, tuple(sigma), spacing_mm)
        mean /= smooth(weight, tuple(sigma), spacing_mm).clamp(min=1e-6)
        return (unwrapped - mean) * weight

    def _phase_mask(self, phase: Volume, mask: MaskVolume | None) -> Volume:
        if self.phase_mask == "tanh":
            values = phase[mask] if mask is not None else phase.flatten()
            positive = values[values > 0]
            middle = float(positive.median()) if positive.numel() else 1.0
            middle *= 10 / self.mask_power
            return ((1 + torch.tanh(1 - phase / middle)) / 2) ** (1 / self.mask_power)
        above, below = 1 - phase / math.pi, 1 + phase / math.pi
        kinds = {
            "positive": above,
            "negative": below,
            "triangular": torch.minimum(above, below),
        }
        return kinds[self.phase_mask].clamp(0, 1)


def homodyne(magnitude: Volume, phase: Volume, window_vox: int, axis: int) -> Volume:
    """Phase in radians, −π to π, after each slice is divided by its low-pass version.

    The low-pass image keeps `window_vox` × `window_vox` samples around the centre of k-space, at
    most half of each side, under a Hann window. Without signal, phase is 0.

    Source: Noll et al. 1991, doi:10.1109/42.79473; Reichenbach et al. 1997,
    doi:10.1148/radiology.204.1.9205259.
    """
    image = torch.polar(magnitude, phase)
    within = [other for other in range(3) if other != axis]
    wave = torch.fft.fftn(image, dim=within)
    for other in within:
        wave *= across(_hann(magnitude.shape[other], window_vox, magnitude.device), other)
    low = torch.fft.ifftn(wave, dim=within)
    return torch.where(magnitude > 0, torch.angle(image * low.conj()), 0.0)


def _hann(side: int, window_vox: int, device: torch.device) -> Float[Tensor, " N"]:
    """Hann window around frequency 0, in the order of the FFT."""
    width = min(window_vox, max(side // 2, 1))
    away = torch.fft.fftfreq(side, d=1 / side, device=device).abs() * 2 / width
    return torch.where(away < 1, 0.5 * (1 + torch.cos(math.pi * away)), 0.0)


def slab_minimum(image: Volume, slices: int, axis: int) -> Volume:
    """Minimum over `slices` slices around each slice, over fewer at the ends; same shape."""
    moved = -image.movedim(axis, -1)
    before, after = (slices - 1) // 2, slices // 2
    padded = F.pad(moved, (before, after), value=-math.inf)
    least = -F.max_pool1d(padded.flatten(0, 1)[:, None], slices, stride=1)
    return least[:, 0].reshape(moved.shape).movedim(-1, axis)


def _combined(phases: list[Volume], signals: Tensor, times: list[float]) -> tuple[Volume, float]:
    """Phase of the fitted field at the mean echo time, and that time in s.

    The fit has weights magnitude² · TE². At the mean echo time, `filtered_phase` has the scale of
    the phase of an echo.
    """
    if len(phases) == 1:
        return phases[0], times[0]
    te = sum(times) / len(times)
    return fitted(phases, [signal.square() for signal in signals], times) * te, te
