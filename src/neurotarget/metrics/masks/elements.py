"""The surface of a mask as small elements with areas, as in DeepMind's surface-distance.

A corner is the point where 2 × 2 × 2 voxels meet. A corner with voxels inside and outside the mask
has the triangles of marching cubes. For a mask in 2D, the corner of 2 × 2 pixels has pieces of the
outline.

Source: Nikolov et al. 2021, doi:10.2196/26151; the triangles are those of their code, DeepMind's
`surface-distance` (Apache-2.0).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

# For each configuration of eight voxels, the first of which is outside: the normals of its at most
# four triangles, as absolute components times 8. A configuration and its inverse have equal
# triangles, and signs do not change the area.
TRIANGLES = """
- 111 111 220,220 111 202,202 111,111 111,222,400 111 111,111 202,202 111,222,400 220,220
111,222,400 111,222,400 400,400 111 022,022 111,111 040,111,222 111,111 004,111,222
111,111,111 111,111,222,222 111,111 022,022,111 111,202,202 022,111,202,333 111,220,220
022,111,220,333 111,111,222,400 111,222,400 111 111,111 022,022 040,111,222 111,111
111,202,202 022,022,111 022,111,202,333 111,111 111,111,111 004,111,222 111,111,222,222
111,220,220 111,111,222,400 022,111,220,333 111,222,400 220,220 040,111,222 040,111,222
040,040 111,220,220 111,202,220,333 040,111,111,222 040,111,222 111,220,220 040,111,111,222
111,202,220,333 040,111,222 220,220,220,220 111,220,220 111,220,220 220,220 111 111,111
111,111 111,220,220 022,022 004,111,222 022,022,111 022,111,220,333 111,111 111,111,111
111,202,202 111,111,222,400 040,111,222 111,111,222,222 022,111,202,333 111,222,400 202,202
004,111,222 111,202,202 111,202,220,333 004,111,222 004,004 004,111,111,222 004,111,222
111,202,202 004,111,111,222 202,202,202,202 111,202,202 111,202,220,333 004,111,222
111,202,202 202,202 111,111 111,111,111 022,022,111 040,111,111,222 022,022,111
004,111,111,222 022,022,022,022 022,022,111 111,111,111 111,111,111,111 004,111,111,222
111,111,111 040,111,111,222 111,111,111 022,022,111 111,111 111,222,400 111,111,222,222
022,111,202,333 040,111,222 022,111,220,333 004,111,222 022,022,111 022,022 111,111,222,400
111,111,111 111,202,202 111,111 111,220,220 111,111 111,111 111
"""

Region = Bool[ndarray, "*axes"]  # a mask in 2D or 3D


class Elements(NamedTuple):
    """Positions of corners with elements, in voxels, and the summed size of their elements.

    Corner i is between voxels i − 1 and i.
    """

    corners: Integer[ndarray, "E D"]
    sizes: Float[ndarray, " E"]  # mm², or mm for masks in 2D


def surface_elements(
    mask: Region, spacing_mm: tuple[float, ...], ignored: Region | None = None
) -> Elements:
    """Return the elements of a 2D or 3D mask; voxels beyond the array count as outside the mask.

    A corner that touches an `ignored` voxel has no element, as the mask may extend into the voxel.
    """
    code = _codes(mask)
    is_surface = (code != 0) & (code != 2 ** (2**mask.ndim) - 1)
    if ignored is not None:
        is_surface &= _codes(ignored) == 0
    sizes = _sizes(tuple(map(float, spacing_mm)))
    return Elements(np.argwhere(is_surface), sizes[code[is_surface]])


def _codes(mask: Region) -> Integer[ndarray, "..."]:
    """Configuration of the voxels at each corner as a binary number; the last voxel is bit 0."""
    code = np.zeros([side + 1 for side in mask.shape], dtype=np.uint8)
    voxels = mask.view(np.uint8) if mask.flags.c_contiguous else mask.astype(np.uint8)
    corners = list(np.ndindex(*(2,) * mask.ndim))
    for number, corner in enumerate(corners):
        # the voxel before a corner is at the end of the longer array's first part
        where = tuple(
            slice(1 - after, 1 - after + side)
            for after, side in zip(corner, mask.shape, strict=True)
        )
        code[where] += voxels << (len(corners) - 1 - number)
    return code


@lru_cache(maxsize=64)
def _sizes(spacing_mm: tuple[float, ...]) -> Float[ndarray, " C"]:
    """Summed size of the elements at a corner, by its configuration, in mm² (mm in 2D)."""
    if len(spacing_mm) == 2:
        first, second = spacing_mm
        slanted = math.hypot(first, second) / 2
        half = [0, slanted, slanted, second, slanted, first, 2 * slanted, slanted]
        return np.array(half + half[::-1])
    faces_mm2 = np.prod(spacing_mm) / np.array(spacing_mm)
    half = [
        sum(
            float(np.linalg.norm(np.array([*triangle], dtype=float) / 8 * faces_mm2))
            for triangle in triangles.split(",")
            if triangle != "-"
        )
        for triangles in TRIANGLES.split()
    ]
    return np.array(half + half[::-1])
