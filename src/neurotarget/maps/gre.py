"""Gradient-echo scans with magnitude and phase: checked, in radians, with the direction of B0.

Real and imaginary parts are converted to magnitude and phase. Field maps need echo times, field
strength and the direction of the main field in the scan, so each is required here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.scans.volume import Volume, inspect_volume, same_grid, shifted_grid
from neurotarget.maps.gre_echoes import (
    empty_problems,
    grid_problems,
    grid_texts,
    polar,
    read_echoes,
)
from neurotarget.physics.phase import to_radians
from neurotarget.problems import DataError, Problem, error, errors_of
from neurotarget.types import Triple

MOST_TE_S = 0.5  # no signal is left after it; a larger number is a time in ms
LEAST_TE_S = 1e-4
FIELDS_T = (0.01, 25.0)  # range of scanners for people and for animals
TEMPLATES = (3, 4)  # NIfTI codes of a scan that was rotated to an atlas's axes
SCANNER, ALIGNED = 1, 2
POLAR, COMPLEX = ("magnitude", "phase"), ("real part", "imaginary part")


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Paths and numbers of one gradient-echo scan, with one file per echo or one file for all.

    With `is_complex`, `magnitudes` are real parts and `phases` imaginary parts.
    """

    case_id: str
    magnitudes: tuple[Path, ...]
    phases: tuple[Path, ...]
    te_s: tuple[float, ...]
    field_t: float
    b0: Triple | None = None  # along the voxel axes; None: the scanner's z, by the affine
    mask: Path | None = None
    stem: str = ""  # prefix of the file names of its maps
    folder: str = ""  # folder of its maps inside an output folder, such as sub-01/anat
    sources: tuple[str, ...] = ()  # names of its files for the JSON, without private folders
    reference: Path | None = None  # a susceptibility map in ppm for comparison
    notes: tuple[str, ...] = ()
    is_complex: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that influences a reconstruction.

        These are the magnitudes, the phases and the mask. A reference map is absent: it is compared
        with the result only, so a new one does not make finished maps outdated.
        """
        return (*self.magnitudes, *self.phases, *((self.mask,) if self.mask else ()))


class GRE(NamedTuple):
    """A gradient-echo scan in memory, in the files' own voxel order; E echoes along the first axis.

    `notes` are sentences for the user: those of the acquisition, how the direction of B0 was found,
    and warnings about the files. They end up in the JSON of the maps.
    """

    magnitude: Float[ndarray, "E I J K"]
    phase_rad: Float[ndarray, "E I J K"]
    te_s: tuple[float, ...]
    field_t: float
    spacing_mm: Triple
    b0: Triple  # unit vector along the voxel axes
    affine: Float[ndarray, "4 4"]
    header: nib.Nifti1Header  # of one echo
    mask: Bool[ndarray, "I J K"] | None
    phase_scale: str  # how the stored phase was converted
    notes: tuple[str, ...]


def read_acquisition(acquisition: Acquisition, *, phase_scale: float | str = "auto") -> GRE:
    """Read a scan and check its voxels, grids and numbers.

    Args:
        acquisition: paths and numbers of the scan.
        phase_scale: how phase is stored, as in `neurotarget.physics.phase.to_radians`; ignored for
            real and imaginary parts, whose phase is in radians.

    Raises:
        DataError: files, echo times, field strength, mask or direction of B0 are wrong; the message
            lists all problems. Or the unit of phase is unknown; the message then ends in
            `(phase_scale=)`.
    """
    name = acquisition.case_id
    problems = [*te_problems(name, acquisition.te_s), *field_problems(name, acquisition.field_t)]
    magnitudes, phases, wrong = _read_parts(acquisition)
    problems += wrong
    first = next(iter((*magnitudes, *phases)), None)
    b0, note = None, ""
    if first is not None and first.is_placed:
        b0, note, wrong = _direction(acquisition, first)
        problems += wrong
    mask, wrong = _mask(acquisition, first)
    problems += wrong
    errors = errors_of(problems)
    if errors or first is None or b0 is None:
        raise DataError(errors)
    warnings = dict.fromkeys(f"{problem.found} ({problem.todo})" for problem in problems)
    phase_rad, scale = _radians(name, phases, "radians" if acquisition.is_complex else phase_scale)
    return GRE(
        magnitude=np.stack([volume.array for volume in magnitudes]).astype(np.float32),
        phase_rad=phase_rad,
        te_s=acquisition.te_s,
        field_t=acquisition.field_t,
        spacing_mm=first.spacing_mm,
        b0=b0,
        affine=first.affine,
        header=first.header,
        mask=mask,
        phase_scale=scale,
        notes=(*acquisition.notes, *((note,) if note else ()), *warnings),
    )


def _read_parts(acquisition: Acquisition) -> tuple[list[Volume], list[Volume], list[Problem]]:
    """Magnitude and phase of each echo, on one grid, and problems of the files."""
    kinds, problems = COMPLEX if acquisition.is_complex else POLAR, []
    read: dict[str, list[Volume]] = {}
    for kind, paths in zip(kinds, (acquisition.magnitudes, acquisition.phases), strict=True):
        read[kind], wrong = read_echoes(paths, kind, acquisition.case_id, len(acquisition.te_s))
        problems += wrong
    first = next((volume for volumes in read.values() for volume in volumes), None)
    if first is not None and first.is_placed:
        problems += grid_problems(acquisition.case_id, first, read)
    magnitudes, phases = read.values()
    if acquisition.is_complex and not errors_of(problems):
        magnitudes, phases, wrong = polar(acquisition.case_id, magnitudes, phases)
        problems += wrong
    is_unread = acquisition.is_complex and errors_of(problems)
    if first is not None and first.is_placed and not is_unread:
        problems += empty_problems(acquisition.case_id, magnitudes)
    return magnitudes, phases, problems


def te_problems(
    case_id: str, te_s: Sequence[float], todo: str = "set te_ms=4,8,12"
) -> list[Problem]:
    """Return the first problem of echo times in s, or an empty list.

    A time above 0.5 s is most likely in ms.

    Args:
        case_id: for the message.
        te_s: one time per echo, in rising order.
        todo: advice for the user, which depends on the source of the times.
    """
    listed = ", ".join(f"{1000 * time:g}" for time in te_s)
    claims = {
        "no echo time": not te_s,
        f"echo times of {', '.join(f'{time:g}' for time in te_s)} s": any(
            not time <= MOST_TE_S for time in te_s
        ),
        f"echo times of {listed} ms": any(not time >= LEAST_TE_S for time in te_s),
        f"one echo time twice ({listed} ms)": len(set(te_s)) < len(te_s),
        f"echo times that do not rise ({listed} ms)": list(te_s) != sorted(te_s),
    }
    wanted = f"one for each echo, rising, from {1000 * LEAST_TE_S:g} to {1000 * MOST_TE_S:g} ms"
    found = next((claim for claim, holds in claims.items() if holds), None)
    return [] if found is None else [error(found, wanted, todo, case_id=case_id)]


def field_problems(case_id: str, field_t: float, file: str = "") -> list[Problem]:
    """Return a problem if a field strength is NaN or outside 0.01 to 25 T, else an empty list.

    `file` is the name of the sidecar for the message.
    """
    low, high = FIELDS_T
    if low <= field_t <= high:
        return []
    todo = "write MagneticFieldStrength in T into the sidecar, or set field_t=3"
    found, wanted = f"a field strength of {field_t:g} T", f"{low:g} to {high:g} T"
    return [error(found, wanted, todo, case_id=case_id, file=file)]


def _radians(
    case_id: str, phases: Sequence[Volume], scale: float | str
) -> tuple[Float[ndarray, "E I J K"], str]:
    try:
        return to_radians(np.stack([volume.array for volume in phases]), scale=scale)
    except DataError as reason:
        raise DataError(f"{case_id}: {reason} (phase_scale=)") from reason


def _direction(
    acquisition: Acquisition, volume: Volume
) -> tuple[Triple | None, str, list[Problem]]:
    """Direction of B0 along the voxel axes, a note on it, and problems.

    B0 is the z axis of the scanner. The affine of a scan that was rotated to the axes of a template
    no longer shows that axis.
    """
    if acquisition.b0 is not None:
        return _unit(acquisition, np.array(acquisition.b0, dtype=float))
    header = volume.header
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    todo = "set b0=0,0,1, the direction of B0 along the voxel axes i, j, k of the file"
    wanted = "a known direction of B0"
    if not volume.is_oriented:
        found = "no orientation in the header"
        return None, "", [error(found, wanted, todo, case_id=acquisition.case_id)]
    if SCANNER not in (sform, qform) and (sform if sform > 0 else qform) in TEMPLATES:
        found = "a scan in the axes of a template (sform code of an atlas)"
        return None, "", [error(found, wanted, todo, case_id=acquisition.case_id)]
    use_qform = sform != SCANNER and qform == SCANNER
    axes = (header.get_qform() if use_qform else volume.affine)[:3, :3]
    along = (axes / np.linalg.norm(axes, axis=0))[2]
    b0, _, wrong = _unit(acquisition, along)
    is_aligned = SCANNER not in (sform, qform)
    note = "its axes were aligned to another scan; their z is taken as B0" if is_aligned else ""
    return b0, note, wrong


def _unit(acquisition: Acquisition, along: ndarray) -> tuple[Triple | None, str, list[Problem]]:
    length = float(np.linalg.norm(along))
    if along.shape != (3,) or not np.isfinite(length) or length < 1e-6:
        found, wanted = f"b0 {along.tolist()}", "three finite numbers, not all 0"
        wrong = error(found, wanted, "set b0=0,0,1", case_id=acquisition.case_id)
        return None, "", [wrong]
    i, j, k = along / length
    return (float(i), float(j), float(k)), "", []


def _mask(
    acquisition: Acquisition, first: Volume | None
) -> tuple[Bool[ndarray, "I J K"] | None, list[Problem]]:
    if acquisition.mask is None:
        return None, []
    case_id, file = acquisition.case_id, str(acquisition.mask)
    volume, problems = inspect_volume(acquisition.mask, case_id=case_id)
    if volume is None or errors_of(problems):
        return None, problems
    mask = volume.array > 0
    if not mask.any():
        found, todo = "an empty mask", "draw it, or leave it out to use one from the magnitude"
        return None, [error(found, "voxels above 0", todo, case_id=case_id, file=file)]
    if first is not None and first.is_placed and not same_grid(first, volume):
        there, here = grid_texts(volume, first)
        found, wanted = f"a mask on a grid of {there}", f"the scan's, {here}"
        todo = "resample the mask to the scan, or leave it out"
        return None, [error(found, wanted, todo, case_id=case_id, file=file)]
    if first is not None and first.is_placed:
        problems += shifted_grid(first, volume, "the scan", case_id=case_id, file=file)
    return mask, problems
