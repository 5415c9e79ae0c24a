"""Gradient-echo scans of a ball of brain that contains a smaller ball of iron, as files."""

import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from neurotarget.physics.dipole import GAMMA_HZ_PER_T, dipole_field

SHAPE, SIDE_MM = (38, 38, 36), 3.0
AFFINE = np.diag([SIDE_MM, SIDE_MM, SIDE_MM, 1.0])
TE_S = (0.004, 0.008, 0.012)
IRON_PPM = 0.2


def far_mm(centre_mm=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Distance of every voxel to a place, from the middle of the grid."""
    places = np.moveaxis(np.indices(SHAPE), 0, -1) * SIDE_MM
    middle = (np.array(SHAPE) - 1) / 2 * SIDE_MM
    return np.linalg.norm(places - middle - np.array(centre_mm), axis=-1)


BRAIN = far_mm() < 53.0
IRON = far_mm((12.0, 0.0, 0.0)) < 10.5


def echoes(te_s: Sequence[float] = TE_S, field_t: float = 3.0, b0=(0.0, 0.0, 1.0)):
    """Magnitude and wrapped phase in radians, (E, I, J, K)."""
    chi = torch.from_numpy((IRON_PPM * IRON).astype(np.float32))
    field = dipole_field(chi, (SIDE_MM,) * 3, b0).numpy()
    hz = field * GAMMA_HZ_PER_T * field_t * 1e-6 + 20 * far_mm((60.0, 0.0, 0.0)) / 60
    rng = np.random.default_rng(0)
    magnitude = np.stack([100.0 * BRAIN + 1 for _ in te_s])
    real, imaginary = rng.normal(0, 0.3, (2, len(te_s), *SHAPE))
    signal = np.stack([one * np.exp(2j * np.pi * hz * te) for one, te in zip(magnitude, te_s)])  # noqa: B905
    signal = signal + real + 1j * imaginary
    return np.abs(signal).astype(np.float32), np.angle(signal).astype(np.float32)


def save(path: Path, array: np.ndarray, *, affine=AFFINE, code: int = 1) -> Path:
    """Write NIfTI whose orientation codes are `code`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_sform(affine, code=code)
    header.set_qform(affine, code=code)
    nib.save(nib.Nifti1Image(array, None, header), path)  # an affine would set a code
    return path


def write_plain(folder: Path, *, stacked: bool = False, **how) -> dict[str, str]:
    """Plain files, and the words that name them."""
    magnitude, phase = echoes()
    arguments = {"te_ms": "4,8,12", "field_t": "3"}
    for key, arrays in (("magnitude", magnitude), ("phase", phase)):
        if stacked:
            arguments[key] = str(save(folder / f"{key}.nii.gz", np.moveaxis(arrays, 0, -1), **how))
        else:
            paths = [
                save(folder / f"{key}_{n}.nii.gz", one, **how) for n, one in enumerate(arrays, 1)
            ]
            arguments[key] = ",".join(map(str, paths))
    return arguments


def write_json(path: Path, content: object) -> None:
    """Write JSON into a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_bids(folder: Path, subjects: Sequence[str] = ("01",), *, arrays=None) -> Path:
    """MEGRE of people, echo times in the sidecars of phase, field strength in one at the top."""
    magnitude, phase = echoes() if arrays is None else arrays
    write_json(folder / "dataset_description.json", {"Name": "x", "BIDSVersion": "1.10.0"})
    write_json(folder / "MEGRE.json", {"MagneticFieldStrength": 3})
    for subject in subjects:
        for echo, te in enumerate(TE_S[: len(magnitude)], start=1):
            stem = f"sub-{subject}_echo-{echo}"
            anat = folder / f"sub-{subject}" / "anat"
            save(anat / f"{stem}_part-mag_MEGRE.nii.gz", magnitude[echo - 1])
            save(anat / f"{stem}_part-phase_MEGRE.nii.gz", phase[echo - 1])
            write_json(anat / f"{stem}_part-phase_MEGRE.json", {"EchoTime": te})
    return folder
