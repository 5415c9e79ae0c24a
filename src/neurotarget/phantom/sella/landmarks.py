"""Position of the sella in a label map: below the optic chiasm, on the floor of the fossa."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from neurotarget.problems import DataError, error
from neurotarget.synthesis.tissues import known_tissues

CHIASM, ARTERY, CSF, BONE, MARROW, MUCOSA, VEIN, NERVE = 85, 502, 24, 515, 516, 509, 514, 530
ANTERIOR, POSTERIOR, STALK = 541, 542, 543  # the generated gland; its target has the first two
LEAST_MM, MOST_MM, USUAL_MM = 8.0, 17.0, 12.0  # from the chiasm down to the floor of the sella
AHEAD_MM = (-4.0, 5.0)  # in front of the chiasm: range of the search for the lowest floor point
HALF_MM = 2.0  # half the width of the midline strip in which the floor is measured


class Landmarks(NamedTuple):
    """Points of a label map in canonical order, mm from its first voxel."""

    chiasm_mm: Float[ndarray, "3"]
    floor_mm: Float[ndarray, "3"]  # the lowest point of the floor in the midline


def code_of(value: int) -> int:
    """Return the code, in coded label maps, of a structure's FreeSurfer or SynthSeg id."""
    return known_tissues().ids.index(value)


def find_landmarks(
    codes: UInt8[ndarray, "I J K"], spacing_mm: Sequence[float], *, case_id: str = ""
) -> Landmarks:
    """Find chiasm and floor in a coded label map in canonical order.

    The floor is the first bone or air below the chiasm, two voxels thick or more. If a map has no
    floor within `MOST_MM`, the floor is set `USUAL_MM` below the chiasm.

    Raises:
        DataError: the map has no optic chiasm.
    """
    found = np.argwhere(codes == code_of(CHIASM))
    if not len(found):
        todo = "leave the map out, or label its chiasm"
        wanted = f"an optic chiasm ({CHIASM}), below which the sella is generated"
        raise DataError(error("a label map without one", wanted, todo, case_id=case_id))
    spacing = np.array(spacing_mm, dtype=float)
    chiasm = found.mean(0)
    depths = {ahead: _floor_mm(codes, chiasm, ahead, spacing) for ahead in np.arange(*AHEAD_MM)}
    ahead = max(depths, key=lambda place: (depths[place], -abs(place)))
    depth = depths[ahead] or USUAL_MM
    centre_mm = chiasm * spacing
    step = np.array([0.0, ahead if depths[ahead] else 1.0, -max(depth, LEAST_MM)])
    return Landmarks(centre_mm, centre_mm + step)


def _floor_mm(
    codes: UInt8[ndarray, "I J K"],
    chiasm: Float[ndarray, "3"],
    ahead_mm: float,
    spacing: Float[ndarray, "3"],
) -> float:
    """Return the median depth (mm) of the floor below the chiasm at the midline; 0 without one."""
    solid = [code_of(value) for value in (BONE, MARROW, MUCOSA)] + [0]
    across = np.arange(-HALF_MM, HALF_MM + 0.1) / spacing[0]
    down = np.arange(3.0, MOST_MM + 2) / spacing[2]
    i = np.rint(chiasm[0] + across).astype(int).clip(0, codes.shape[0] - 1)
    j = int(np.clip(round(chiasm[1] + ahead_mm / spacing[1]), 0, codes.shape[1] - 1))
    k = np.rint(chiasm[2] - down).astype(int).clip(0, codes.shape[2] - 1)
    is_solid = np.isin(codes[np.ix_(i, [j], k)][:, 0], solid)
    pairs = is_solid[:, :-1] & is_solid[:, 1:]
    depths = [3.0 + line.argmax() for line in pairs if line.any()]
    return float(np.median(depths)) if len(depths) > len(pairs) / 2 else 0.0
