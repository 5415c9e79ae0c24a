"""The position of a head in its scan, and template coordinates of the scan's voxels."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.phantom.scanner import Warp
from neurotarget.types import TripleVox

SLAB_VOX = 600_000  # voxels rendered at a time, so that they fit into the processor's cache


class Scene(NamedTuple):
    """Position of a head in its scan."""

    warp: Warp
    shape: TripleVox
    affine: Float[ndarray, "4 4"]
    centre: Float[ndarray, "3"]  # of the rendered structure, template mm

    @property
    def voxel_mm3(self) -> float:
        """Return the volume of a stored voxel, mm³."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def box(self, reach_mm: float) -> tuple[slice, slice, slice]:
        """Return the box of voxels that contains a cube of template space around the centre.

        The cube's half side is `reach_mm`; the box has a margin.

        Raises:
            ValueError: the scan misses the cube.
        """
        lattice = [np.linspace(0, side - 1, 48) for side in self.shape]
        far = np.abs(self._offsets(lattice)).max(axis=0)
        if far.min() > reach_mm:
            raise ValueError(
                f"the structure at {self.centre.round()} mm of MNI152 lies outside the scan; widen "
                "site.extent_mm"
            )
        spans = []
        for axis, places in enumerate(lattice):
            hit = np.flatnonzero((far < reach_mm).any(axis=tuple({0, 1, 2} - {axis})))
            low, high = max(hit[0] - 1, 0), min(hit[-1] + 1, len(places) - 1)
            spans.append(slice(int(places[low]), int(np.ceil(places[high])) + 1))
        return tuple(spans)

    def offsets(self, box: Sequence[slice], samples: int) -> Float[ndarray, "3 i j k"]:
        """Compute offsets from the centre in template mm, at `samples` points per voxel side.

        Args:
            box: voxels of the scan.
            samples: per voxel and axis, evenly spaced in it.

        Returns:
            x, y, z of each sample; `blocks` takes the means over voxels.
        """
        inner = (np.arange(samples) + 0.5) / samples - 0.5
        spans = [np.arange(part.start, part.stop) for part in box]
        return self._offsets([(span[:, None] + inner).ravel() for span in spans])

    def _offsets(self, places_vox: list[ndarray]) -> Float[ndarray, "3 i j k"]:
        centre = self.centre.astype(np.float32)
        return self.warp.at(*places_vox) - centre[:, None, None, None]


def slabs(warp: Warp, shape: TripleVox) -> Iterator[tuple[slice, Float[ndarray, "3 n J K"]]]:
    """Yield slabs along a scan's first axis, with the template coordinates (mm) of their voxels."""
    rows = max(SLAB_VOX // (shape[1] * shape[2]), 1)
    others = [np.arange(side) for side in shape[1:]]
    for first in range(0, shape[0], rows):
        span = slice(first, min(first + rows, shape[0]))
        yield span, warp.at(np.arange(span.start, span.stop), *others)


def blocks(fine: Float[ndarray, "i j k"], side: int) -> Float[ndarray, "I J K"]:
    """Compute means of cubes of `side` samples along each axis.

    Sides must be multiples of `side`; other sides raise an error.
    """
    i, j, k = (length // side for length in fine.shape)
    return fine.reshape(i, side, j, side, k, side).mean(axis=(1, 3, 5))
