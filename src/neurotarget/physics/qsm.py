"""Quantitative susceptibility mapping: from magnitude and phase to χ in ppm, as one pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from neurotarget.physics.background import pdf, sharp, vsharp
from neurotarget.physics.dipole import GAMMA_HZ_PER_T, direction
from neurotarget.physics.echoes import check_times, combine_echoes
from neurotarget.physics.extent import bounding_box, placed
from neurotarget.physics.fourier import MaskVolume, Volume
from neurotarget.physics.inversion import invert_l2, invert_tkd, invert_tv
from neurotarget.physics.mask import brain_mask, reliable
from neurotarget.physics.phase import handedness
from neurotarget.physics.scan import as_tensor, check_arrays, check_choices, check_field
from neurotarget.types import Triple

LOOK = "look at the map"  # end of the message if the sign of phase contradicts the argument
CHOICES = {
    "unwrap": ("laplacian", "path"),
    "background": ("vsharp", "sharp", "pdf"),
    "inversion": ("l2", "tkd", "tv"),
    "reference": ("brain", "none"),
    "handedness": ("auto", 1, -1),
}


@dataclass(frozen=True)
class Reconstruction:
    """Result of a reconstruction; maps are float32, 0 outside their mask, in the given voxel order.

    `mask` is where χ is known: `brain_mask` without the rim that the background removal eroded.
    `field_ppm` is the field before that removal; after Laplacian unwrapping it is correct up to a
    harmonic part, which the removal subtracts. `facts` describes each step in text and numbers.
    """

    chi_ppm: Float[ndarray, "I J K"]
    mask: Bool[ndarray, "I J K"]
    field_ppm: Float[ndarray, "I J K"]
    local_field_ppm: Float[ndarray, "I J K"]
    brain_mask: Bool[ndarray, "I J K"]
    facts: dict[str, Any]


@dataclass(frozen=True)
class QSM:
    """Settings of a reconstruction; `reconstruct` runs it.

    Options are passed to the functions of a step by name: `background_options` to
    `neurotarget.physics.background`, `inversion_options` to `neurotarget.physics.inversion`.
    `handedness` −1 inverts the sign of the phase; `auto` derives the sign from the map (see
    `neurotarget.physics.phase.handedness`). `reference` brain sets the mean of χ over `mask` to 0.
    `weighted_edges` excludes edges of the magnitude from the total variation.
    """

    unwrap: Literal["laplacian", "path"] = "laplacian"
    background: Literal["vsharp", "sharp", "pdf"] = "vsharp"
    inversion: Literal["l2", "tkd", "tv"] = "l2"
    reference: Literal["brain", "none"] = "brain"
    handedness: Literal["auto", 1, -1] = "auto"
    weighted_edges: bool = False
    background_options: Mapping[str, Any] = field(default_factory=dict)
    inversion_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choices("qsm", self, CHOICES)

    def reconstruct(
        self,
        magnitude: ndarray | Tensor,
        phase_rad: ndarray | Tensor,
        te_s: Sequence[float],
        *,
        field_t: float,
        spacing_mm: Triple,
        b0: Sequence[float],
        mask: ndarray | Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Reconstruction:
        """Compute susceptibility in ppm from echoes (E, I, J, K); phase may be wrapped.

        Echo times are in s, the field strength in T. `b0` is the direction of the main field along
        the voxel axes. A missing mask is made from the magnitude.

        Raises:
            DataError: shapes, values, echo times, field strength, voxel size or direction of B0
                are not usable, or the mask is empty.
        """
        check_arrays(magnitude, phase_rad, mask)
        times = check_times(te_s, len(magnitude))
        check_field(field_t, spacing_mm)
        b0, spacing_mm = direction(b0), tuple(map(float, spacing_mm))
        place = {"spacing_mm": spacing_mm, "b0": b0}
        sign = -1 if self.handedness == -1 else 1
        signal, phase = as_tensor(magnitude, device), as_tensor(phase_rad, device)
        brain = _brain(signal, phase, spacing_mm) if mask is None else as_tensor(mask, device) != 0
        box = bounding_box(brain)
        inner = brain[box]
        signal, phase = signal[(slice(None), *box)], phase[(slice(None), *box)] * sign
        total = combine_echoes(
            phase, signal, times, spacing_mm=spacing_mm, mask=inner, unwrap=self.unwrap
        )
        maps = [total.hz / (GAMMA_HZ_PER_T * field_t) * 1e6]
        local, left = self._local(maps[0], inner, total.weight, **place)
        chi, facts = self._inverted(local, left, signal[0], **place)
        turn, note = handedness(chi, left, spacing_mm)
        maps = [maps[0], local, chi]
        if self.handedness == "auto":
            maps, sign = [one * turn for one in maps], turn
        elif turn == -1:
            note += f"; the given handedness was kept, {LOOK}"
        mean = float(maps[2][left].mean()) if self.reference == "brain" else 0.0
        maps[2] = (maps[2] - mean) * left
        facts |= self._settings() | {
            "handedness": sign,
            "handedness_found": note,
            "brain_mask": "from the magnitude" if mask is None else "given",
            "mask_share": float(left.sum() / inner.sum()),
            "reference_ppm": mean,
            "te_s": times,
            "field_t": float(field_t),
            "b0": list(b0),
        }
        field_ppm, local, chi, left = (
            placed(one, box, brain).cpu().numpy() for one in (*maps, left)
        )
        return Reconstruction(chi, left, field_ppm, local, brain.cpu().numpy(), facts)

    def _local(
        self,
        field_ppm: Volume,
        mask: MaskVolume,
        weight: Volume,
        *,
        spacing_mm: Triple,
        b0: Triple,
    ) -> tuple[Volume, MaskVolume]:
        if self.background == "pdf":
            options = {"weight": weight, **self.background_options}
            return pdf(field_ppm, mask, spacing_mm, b0, **options)
        remove = {"sharp": sharp, "vsharp": vsharp}[self.background]
        return remove(field_ppm, mask, spacing_mm, **self.background_options)

    def _inverted(
        self,
        local: Volume,
        mask: MaskVolume,
        magnitude: Volume,
        *,
        spacing_mm: Triple,
        b0: Triple,
    ) -> tuple[Volume, dict[str, Any]]:
        options = dict(self.inversion_options)
        if self.inversion != "tv":
            invert = {"l2": invert_l2, "tkd": invert_tkd}[self.inversion]
            return invert(local, mask, spacing_mm, b0, **options), {}
        changes: list[float] = []
        edges = magnitude if self.weighted_edges else None
        options = {"magnitude": edges, "changes": changes, **options}
        chi = invert_tv(local, mask, spacing_mm, b0, **options)
        return chi, {"rounds": len(changes), "last_change": changes[-1]}

    def _settings(self) -> dict[str, Any]:
        left_out = ("handedness", "weighted_edges")
        return {key: value for key, value in asdict(self).items() if key not in left_out}


def _brain(signal: Tensor, phase: Tensor, spacing_mm: Triple) -> MaskVolume:
    """Brain in the first echo, without the rim where the phase of the middle echo is unreliable."""
    return reliable(phase[len(phase) // 2], brain_mask(signal[0], spacing_mm))
