"""Echoes from disk: one 3-D file each, or one 4-D file with echoes last."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from neurotarget.data.found import error
from neurotarget.data.volume import UNREADABLE, Volume, inspect_volume, missing_file, same_grid
from neurotarget.types import Problem


def read_echoes(
    paths: Sequence[Path], kind: str, case_id: str, wanted: int
) -> tuple[list[Volume], list[Problem]]:
    """`wanted` echoes of one kind, and what is wrong with them."""
    volumes, problems = [], []
    for path in paths:
        found, wrong = _inspect(path, case_id)
        volumes += found
        problems += [problem for problem in wrong if problem.level == "error"]
    if volumes and len(volumes) != wanted:
        found = f"{len(volumes)} echoes of {kind} beside {wanted} echo times"
        todo = "give as many echo times as there are echoes"
        problems.append(error(found, "one each", todo, case_id=case_id))
    return volumes, problems


def _inspect(path: Path, case_id: str) -> tuple[list[Volume], list[Problem]]:
    if missing_file(path, case_id=case_id) is None and _has_echoes(path):
        return _inspect_echoes(path, case_id)
    volume, problems = inspect_volume(path, case_id=case_id)
    return ([] if volume is None else [volume]), problems


def _has_echoes(path: Path) -> bool:
    try:
        shape = nib.load(path).shape
    except UNREADABLE:
        return False
    return len(shape) == 4 and shape[-1] > 1


def _inspect_echoes(path: Path, case_id: str) -> tuple[list[Volume], list[Problem]]:
    """Echoes of a 4-D file as volumes, each with a header of its own."""

    def wrong(found: str, wanted: str, todo: str) -> tuple[list[Volume], list[Problem]]:
        return [], [error(found, wanted, todo, case_id=case_id, file=str(path))]

    try:
        image = nib.load(path)
        array = np.asanyarray(image.dataobj)
    except UNREADABLE as reason:
        said = " ".join(str(reason).split())[-200:] or type(reason).__name__
        return wrong(f"an unreadable file ({said})", "a whole image", "copy or export it again")
    axes = image.affine[:3, :3]
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(axes)) < 1e-9:
        return wrong("an affine that cannot be inverted", "three independent axes", "export again")
    header = nib.Nifti1Header.from_header(image.header)
    header.set_data_shape(array.shape[:3])
    affine = image.affine.astype(np.float64)
    volumes = [Volume(array[..., echo], affine, header) for echo in range(array.shape[3])]
    absent = 0 if array.dtype.kind != "f" else int((~np.isfinite(array)).sum())
    found = f"NaN or Inf in {absent} of {array.size} voxels"
    todo = "fill them (outside the head with 0) or export the scan again"
    return volumes, wrong(found, "finite voxels", todo)[1] if absent else []


def polar(
    case_id: str, reals: Sequence[Volume], imaginaries: Sequence[Volume]
) -> tuple[list[Volume], list[Volume], list[Problem]]:
    """Magnitude and phase in radians of real and imaginary parts, echo by echo."""
    if min(float(one.array.min()) for one in (*reals, *imaginaries)) >= 0:
        found = "no negative value in real and imaginary parts"
        todo = "export them with their sign; a stored offset belongs into the rescale intercept"
        return [], [], [error(found, "values of either sign", todo, case_id=case_id)]
    magnitudes, phases = [], []
    for real, imaginary in zip(reals, imaginaries, strict=True):
        signal = real.array.astype(np.float32) + 1j * imaginary.array.astype(np.float32)
        magnitudes.append(real._replace(array=np.abs(signal)))
        phases.append(imaginary._replace(array=np.angle(signal)))
    return magnitudes, phases, []


def grid_problems(
    case_id: str, first: Volume, read: Mapping[str, Sequence[Volume]]
) -> list[Problem]:
    """One problem for each kind of image that lies elsewhere than the first."""
    problems, (one, other_kind) = [], read
    for kind, volumes in read.items():
        other = next((v for v in volumes if v.is_placed and not same_grid(first, v)), None)
        if other is not None:
            there, here = grid_words(other, first)
            found = f"{kind} on a grid of {there}"
            wanted = f"the grid of the first echo's {one}, {here}"
            todo = f"export {one} and {other_kind} of one scan, without resampling either"
            problems.append(error(found, wanted, todo, case_id=case_id))
    return problems


def empty_problems(case_id: str, magnitudes: Sequence[Volume]) -> list[Problem]:
    """One problem for magnitude without any signal."""
    dark = [number for number, one in enumerate(magnitudes, 1) if not (one.array > 0).any()]
    if not dark:
        return []
    found = f"no value above 0 in the magnitude of echo {', '.join(map(str, dark))}"
    todo = "export the magnitude again, or leave that echo out"
    return [error(found, "signal", todo, case_id=case_id)]


def grid_words(one: Volume, other: Volume) -> tuple[str, str]:
    """Sides and spacing of two grids; axes and place too where they have the same voxels."""
    words = tuple(_voxels(volume) for volume in (one, other))
    if words[0] != words[1]:
        return words
    return tuple(f"{words[0]} {_place(volume)}" for volume in (one, other))


def _voxels(volume: Volume) -> str:
    shape = " × ".join(map(str, volume.array.shape))
    return f"{shape} voxels of {' × '.join(f'{side:.3g}' for side in volume.spacing_mm)} mm"


def _place(volume: Volume) -> str:
    axes = "".join(nib.aff2axcodes(volume.affine))
    corner = ", ".join(f"{place:.1f}" for place in volume.affine[:3, 3])
    return f"with axes {axes} from ({corner}) mm"
