"""Base of the simulated scanners: the grid and shading of a site, and the warp of a head."""

from dataclasses import dataclass
from typing import NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Float, Real
from numpy import ndarray
from scipy.spatial.transform import Rotation

from neurotarget.types import Triple, TripleVox

MIDDLE_MM = np.array([0.0, -6.0, -8.0])  # template point placed near the middle of the scan
KNOT_MM = 32.0  # between the control points of the warp
SHADING_KNOTS = 5  # per axis: the bias field of a head coil is smooth


@dataclass(frozen=True, slots=True)
class Site:
    """A scanner. Lengths run to the right, to the front and to the top of the patient.

    `axes` names the directions of the stored axes; the whole grid is rotated by up to
    `oblique_deg`. `white` is the stored brightness of white matter. Brightness is raised to the
    power `gamma`; values below 1 flatten the contrast. `shading` is the SD of the log of the bias
    field, and `noise` is the SD of the noise relative to white matter.
    """

    name: str
    spacing_mm: Triple
    extent_mm: Triple
    axes: str = "RAS"
    oblique_deg: float = 0.0
    white: float = 400.0
    gamma: float = 1.0
    shading: float = 0.10
    noise: float = 0.05

    def __post_init__(self) -> None:
        for name in ("spacing_mm", "extent_mm"):
            sides = tuple(float(side) for side in getattr(self, name))
            object.__setattr__(self, name, sides)
            if len(sides) != 3 or min(sides) <= 0:
                raise ValueError(f"site {self.name}: {name} is {sides}, wanted 3 positive lengths")
        if sorted(self._ends()) != ["AP", "IS", "LR"]:
            raise ValueError(f"site {self.name}: axes is {self.axes!r}, wanted one like RAS or PSR")

    def _ends(self) -> list[str]:
        pairs = ("LR", "AP", "IS")
        return [pair for axis in self.axes for pair in pairs if axis in pair]


class Warp(NamedTuple):
    """Cubic B-spline from stored voxels to template mm; exact for its affine part."""

    knots: Float[ndarray, "3 P Q R"]
    step_vox: Triple  # voxels between two knots

    def at(self, *places_vox: Real[ndarray, " _"]) -> Float[ndarray, "3 n m l"]:
        """Return template coordinates (mm) on the grid that three lists of voxel indices span.

        Indices may be fractions, within the scan.
        """
        weights = [
            _spline(np.asarray(places) / step, count)
            for places, step, count in zip(
                places_vox, self.step_vox, self.knots.shape[1:], strict=True
            )
        ]
        return np.stack([_spread(part, weights) for part in self.knots])


def stored_grid(
    site: Site, voxel_scale: float, rng: np.random.Generator
) -> tuple[TripleVox, Float[ndarray, "4 4"]]:
    """Return shape and affine (mm) of a scan in the site's stored order, centred in the scanner.

    Args:
        site: spacing, extent, axes and obliqueness.
        voxel_scale: factor of the sides of its voxels; the extent stays.
        rng: of the angles of an oblique grid.
    """
    spacing = np.array(site.spacing_mm) * voxel_scale
    sides = np.maximum(np.round(np.array(site.extent_mm) / spacing), 8).astype(int)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * (sides - 1) / 2
    if site.oblique_deg:
        tilt = np.eye(4)
        angles = rng.uniform(-site.oblique_deg, site.oblique_deg, 3)
        tilt[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
        affine = tilt @ affine
    wanted = nib.orientations.axcodes2ornt(site.axes)
    turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), wanted)
    shape = tuple(int(sides[np.flatnonzero(turn[:, 0] == axis)[0]]) for axis in range(3))
    return shape, affine @ nib.orientations.inv_ornt_aff(turn, sides)


def sample_warp(
    shape: TripleVox, affine: Float[ndarray, "4 4"], scale: float, rng: np.random.Generator
) -> Warp:
    """Sample pose, proportions and a smooth individual shape.

    Args:
        shape: sides of the scan.
        affine: of the scan, mm.
        scale: native length divided by template length; the proportions keep the head's volume.
        rng: of the person.
    """
    proportions = rng.normal(0, 0.025, 3)
    stretch = scale * np.exp(proportions - proportions.mean())
    angles = rng.normal(0, (4.0, 2.5, 3.0)).clip(-10, 10)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    shift = rng.normal(0, (3.0, 5.0, 4.0)).clip(-10, 10)
    linear = np.diag(1 / stretch) @ turn.T
    voxel = np.linalg.norm(affine[:3, :3], axis=0)
    counts = [int(np.ceil(side * mm / KNOT_MM)) + 3 for side, mm in zip(shape, voxel, strict=True)]
    step = tuple((side - 1) / (n - 3) for side, n in zip(shape, counts, strict=True))
    index = [(np.arange(n) - 1) * s for n, s in zip(counts, step, strict=True)]
    world = np.stack(np.meshgrid(*index, indexing="ij"), -1) @ affine[:3, :3].T + affine[:3, 3]
    template = (world - shift) @ linear.T + MIDDLE_MM
    template += rng.normal(0, 3.0, template.shape)
    return Warp(np.moveaxis(template, -1, 0).astype(np.float32), step)


def sample_shading(
    shape: TripleVox, spread: float, rng: np.random.Generator
) -> Float[ndarray, "I J K"]:
    """Sample a smooth pattern as of a head coil, whose SD over the grid is `spread`."""
    knots = rng.standard_normal([SHADING_KNOTS] * 3, dtype=np.float32)
    places = [np.linspace(0, SHADING_KNOTS - 3, side) for side in shape]
    shading = _spread(knots, [_spline(place, SHADING_KNOTS) for place in places])
    return shading * (spread / float(shading.std()))


def _spline(places: Float[ndarray, " n"], count: int) -> Float[ndarray, "n P"]:
    """Return weights of uniform cubic B-splines whose second knot is at 0."""
    distance = np.abs(places[:, None] + 1 - np.arange(count)[None, :])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - np.minimum(distance, 2)) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


def _spread(
    knots: Float[ndarray, "P Q R"], weights: list[Float[ndarray, "..."]]
) -> Float[ndarray, "I J K"]:
    """Interpolate control points to a grid, one axis after the other."""
    result = knots
    for axis, matrix in enumerate(weights):
        result = np.moveaxis(np.moveaxis(result, axis, -1) @ matrix.T, -1, axis)
    return result
