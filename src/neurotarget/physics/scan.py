"""Checks of a scan's arrays and numbers, and conversion of arrays to tensors."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from neurotarget.problems import DataError
from neurotarget.types import Triple

WEAKEST_T, STRONGEST_T = 0.05, 25.0
LEAST_VOX = 4  # smallest number of voxels per axis


def check_choices(name: str, settings: object, choices: Mapping[str, Sequence]) -> None:
    """Check that settings have one of the known values; `name` is their name in the message.

    Raises:
        DataError: a setting has another value.
    """
    for key, wanted in choices.items():
        if (value := getattr(settings, key)) not in wanted:
            raise DataError(
                f"{name}.{key}: found {value!r}, wanted {' or '.join(map(str, wanted))}; correct it"
            )


def check_arrays(
    magnitude: ndarray | Tensor, phase_rad: ndarray | Tensor, mask: ndarray | Tensor | None
) -> None:
    """Check that magnitude and phase (E, I, J, K) and mask (I, J, K) fit together and are finite.

    Raises:
        DataError: shapes do not fit, an axis has fewer than 4 voxels, or a value is not finite.
    """
    shape = tuple(magnitude.shape)
    if len(shape) != 4 or tuple(phase_rad.shape) != shape:
        raise DataError(
            f"scan: found magnitude of shape {shape} and phase of shape {tuple(phase_rad.shape)}, "
            "wanted both as (echoes, I, J, K) of one grid; give the two images of one scan"
        )
    if mask is not None and tuple(mask.shape) != shape[1:]:
        raise DataError(
            f"mask: found shape {tuple(mask.shape)} for a scan of shape {shape[1:]}, wanted the "
            "scan's own grid; resample the mask to the magnitude image"
        )
    if min(shape[1:]) < LEAST_VOX:
        raise DataError(
            f"scan: found {shape[1:]} voxels, wanted a volume of at least {LEAST_VOX} per axis; "
            "give all slices of the scan in one file"
        )
    for name, values in (("magnitude", magnitude), ("phase", phase_rad), ("mask", mask)):
        if values is None:
            continue
        finite = torch.isfinite(as_tensor(values, "cpu"))
        if not bool(finite.all()):
            raise DataError(
                f"{name}: found {int((~finite).sum())} of {finite.numel()} values that are not "
                "finite, wanted a number in every voxel; export the image again, or set them to "
                "0 and leave them out of the mask"
            )


def check_field(field_t: float, spacing_mm: Triple) -> None:
    """Check field strength in tesla and voxel size in mm.

    Raises:
        DataError: the field strength or the voxel size is out of range.
    """
    if not (math.isfinite(field_t) and WEAKEST_T <= field_t <= STRONGEST_T):
        raise DataError(
            f"field strength: found {field_t:g}, wanted {WEAKEST_T:g} to {STRONGEST_T:g} tesla; "
            "give tesla: 3 for 30000 gauss"
        )
    check_spacing(spacing_mm)


def check_spacing(spacing_mm: Sequence[float]) -> None:
    """Check that a voxel size is three positive lengths.

    Raises:
        DataError: the voxel size is not three positive lengths.
    """
    sides = tuple(float(side) for side in spacing_mm)
    if len(sides) != 3 or not all(math.isfinite(side) and side > 0 for side in sides):
        raise DataError(
            f"voxel size: found {sides} mm, wanted three lengths above 0; correct the header"
        )


def as_tensor(values: ndarray | Tensor, device: torch.device | str) -> Float[Tensor, "..."]:
    """Convert an array to a float32 tensor on a device, without a copy if possible."""
    if isinstance(values, Tensor):
        return values.to(device, torch.float32)
    array = np.asarray(values, dtype=np.float32)
    if any(step < 0 for step in array.strides) or not array.flags.writeable:
        array = array.copy()  # torch takes neither negative strides nor read-only memory
    return torch.from_numpy(array).to(device)
