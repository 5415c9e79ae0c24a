"""Reading of echoes from one 3-D file per echo, or from one 4-D file with echoes last."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from neurotarget.data.scans.volume import Volume, inspect_stack, same_grid
from neurotarget.problems import Problem, error


def read_echoes(
    paths: Sequence[Path], kind: str, case_id: str, wanted: int
) -> tuple[list[Volume], list[Problem]]:
    """Read all echoes of one kind of image, in the order of the files and of their last axis.

    Args:
        paths: one 3-D file per echo, or one 4-D file.
        kind: magnitude, phase, real part or imaginary part, for messages.
        case_id: for messages.
        wanted: number of echo times.

    Returns:
        The volumes that could be read, and the problems. These are unreadable files and, if at
        least one file could be read, a number of echoes that differs from `wanted`.
    """
    volumes, problems = [], []
    for path in paths:
        found, wrong = inspect_stack(path, case_id=case_id)
        volumes += found
        problems += wrong
    if volumes and len(volumes) != wanted:
        found = f"{len(volumes)} echoes of {kind} for {wanted} echo times"
        todo = "give as many echo times as there are echoes"
        problems.append(error(found, "one each", todo, case_id=case_id))
    return volumes, problems


def polar(
    case_id: str, reals: Sequence[Volume], imaginaries: Sequence[Volume]
) -> tuple[list[Volume], list[Volume], list[Problem]]:
    """Convert real and imaginary parts to magnitude and phase in radians, echo by echo.

    `reals` and `imaginaries` have one volume per echo, on one grid.

    Returns:
        Magnitudes, phases and problems. Parts without a negative value were stored with an unknown
        offset, so their phase cannot be computed: both lists are empty, and there is one problem.
    """
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
    """Return a problem for each kind of image whose grid differs from that of the first image.

    Args:
        case_id: for the message.
        first: image whose grid all images must have.
        read: the two kinds of image with their echoes. Images without a known position are skipped,
            since a problem was already reported when they were read.
    """
    problems, (one, other_kind) = [], read
    for kind, volumes in read.items():
        other = next((v for v in volumes if v.is_placed and not same_grid(first, v)), None)
        if other is not None:
            there, here = grid_texts(other, first)
            found = f"{kind} on a grid of {there}"
            wanted = f"the grid of the first echo's {one}, {here}"
            todo = f"export {one} and {other_kind} of one scan, without resampling either"
            problems.append(error(found, wanted, todo, case_id=case_id))
    return problems


def empty_problems(case_id: str, magnitudes: Sequence[Volume]) -> list[Problem]:
    """Return a problem of magnitude images without signal, or an empty list.

    The message lists the echoes, counted from 1, that have no value above 0.
    """
    dark = [number for number, one in enumerate(magnitudes, 1) if not (one.array > 0).any()]
    if not dark:
        return []
    found = f"no value above 0 in the magnitude of echo {', '.join(map(str, dark))}"
    todo = "export the magnitude again, or leave that echo out"
    return [error(found, "signal", todo, case_id=case_id)]


def grid_texts(one: Volume, other: Volume) -> tuple[str, str]:
    """Describe two grids for a message: sides in voxels and spacing in mm.

    If both are equal, the texts also state the axes and the position of the first voxel in mm.
    """
    sizes = tuple(_voxels(volume) for volume in (one, other))
    if sizes[0] != sizes[1]:
        return sizes
    return tuple(f"{sizes[0]} {_place(volume)}" for volume in (one, other))


def _voxels(volume: Volume) -> str:
    shape = " × ".join(map(str, volume.array.shape))
    return f"{shape} voxels of {' × '.join(f'{side:.3g}' for side in volume.spacing_mm)} mm"


def _place(volume: Volume) -> str:
    axes = "".join(nib.aff2axcodes(volume.affine))
    corner = ", ".join(f"{place:.1f}" for place in volume.affine[:3, 3])
    return f"with axes {axes} from ({corner}) mm"
