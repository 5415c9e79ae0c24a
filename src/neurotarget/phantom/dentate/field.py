"""The field of a synthetic head: from its tissues, and from the air and bone around them.

Air disturbs the field a hundred times as much as iron does, even from outside the scan. Sources in
the scan are on the scan's grid; sources outside are on a coarse grid, as their field is smooth
inside the scan. Neck and back of the head continue beyond the template; shoulders and lungs are
left out.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage
from scipy.interpolate import make_interp_spline

from neurotarget.phantom.dentate.anatomy import Maps, at_places
from neurotarget.phantom.dentate.template import AIR_PPM, qsm_template
from neurotarget.phantom.scanner import Warp
from neurotarget.physics.dipole import dipole_field
from neurotarget.physics.fourier import fast_sides
from neurotarget.types import Triple, TripleVox

COARSE_MM = 4.0
BEYOND_MM = 90.0  # reach of the coarse grid beyond the scan
SOFT_MM = 0.6  # SD of the smoothing of edges in the scan, less than from bone to brain
SOFT_VOX = 0.8  # the same on the coarse grid
APART_MM = 60.0  # distance between the scan and its periodic copies
FOREIGN_PPM = 0.02  # limit of bone or air in a brain voxel; brain tissues differ by as much


class Coarse(NamedTuple):
    """A coarse grid along the scan's axes.

    Attributes:
        places_vox: positions along I, J and K, in voxels of the scan.
        spacing_mm: between them.
    """

    places_vox: tuple[Float[ndarray, " n"], ...]
    spacing_mm: Triple


def field_ppm(maps: Maps, warp: Warp, spacing_mm: Triple, b0: Triple) -> Float[ndarray, "I J K"]:
    """Compute the field at every voxel, in ppm of the main field, after shimming of the brain.

    Args:
        maps: tissues of the scan.
        warp: of the head, which is continued beyond the scan.
        spacing_mm: sides of a voxel.
        b0: unit vector of the main field along the stored axes.
    """
    shape = maps.chi_ppm.shape
    sources = torch.from_numpy(maps.chi_ppm + _soft_bulk(maps, spacing_mm))
    wide = fast_sides(shape, APART_MM, spacing_mm)
    spare = [(0, side - own) for side, own in zip(wide, shape, strict=True)]
    sources = F.pad(sources, [step for pair in reversed(spare) for step in pair])
    inside = dipole_field(sources, spacing_mm, b0, pad=False)
    own = inside[tuple(slice(side) for side in shape)].numpy()
    total = own + _from_beyond(warp, shape, spacing_mm, b0)
    return _shimmed(total, maps.brain, spacing_mm)


def own_brain(maps: Maps, spacing_mm: Triple) -> Bool[ndarray, "I J K"]:
    """Mark brain voxels without bone or air, so that all background sources are outside."""
    return (maps.brain > 0.5) & (np.abs(_soft_bulk(maps, spacing_mm) + AIR_PPM) < FOREIGN_PPM)


def _soft_bulk(maps: Maps, spacing_mm: Triple) -> Float[ndarray, "I J K"]:
    return _soft(maps.bulk_ppm, SOFT_MM / np.array(spacing_mm))


def _from_beyond(
    warp: Warp, shape: TripleVox, spacing_mm: Triple, b0: Triple
) -> Float[ndarray, "I J K"]:
    """Compute the field (ppm) of the sources outside the scan."""
    coarse = _coarse(shape, spacing_mm)
    bulk = torch.from_numpy(qsm_template().bulk_ppm)[None]
    sources = at_places(bulk, _beyond(warp, coarse.places_vox, shape))[0]
    i, j, k = [(at > -1) & (at < n) for at, n in zip(coarse.places_vox, shape, strict=True)]
    sources[i[:, None, None] & j[:, None] & k] = 0
    sources = _soft(sources, np.full(3, SOFT_VOX))
    field = dipole_field(torch.from_numpy(sources), coarse.spacing_mm, b0, pad=False).numpy()
    return _upsampled(field, coarse.places_vox, shape)


def _soft(
    sources: Float[ndarray, "n m l"], spread_vox: Float[ndarray, "3"]
) -> Float[ndarray, "n m l"]:
    """Smooth the edges of strong sources, which would cause ringing in the whole field.

    The field outside a source does not change when the source is smoothed isotropically.
    """
    return ndimage.gaussian_filter(sources, spread_vox, mode="nearest", truncate=3.0)


def _coarse(shape: TripleVox, spacing_mm: Triple) -> Coarse:
    places, sides = [], []
    for side, step in zip(shape, spacing_mm, strict=True):
        jump = max(round(COARSE_MM / step), 1)
        before = int(np.ceil(BEYOND_MM / step / jump))
        count = before + int(np.ceil((side + BEYOND_MM / step) / jump))
        count += count % 2
        places.append((np.arange(count) - before) * float(jump))
        sides.append(jump * step)
    return Coarse(tuple(places), tuple(sides))


def _beyond(
    warp: Warp, places_vox: tuple[ndarray, ...], shape: TripleVox
) -> Float[ndarray, "3 n m l"]:
    """Continue the warp beyond the scan by its affine part, in template mm."""
    counts = warp.knots.shape[1:]
    index = np.stack(
        np.meshgrid(
            *[(np.arange(n) - 1) * step for n, step in zip(counts, warp.step_vox, strict=True)],
            indexing="ij",
        )
    ).reshape(3, -1)
    design = np.vstack([index, np.ones(index.shape[1])]).T
    slopes = np.linalg.lstsq(design, warp.knots.reshape(3, -1).T, rcond=None)[0][:3]
    inside = [np.clip(place, 0, side - 1) for place, side in zip(places_vox, shape, strict=True)]
    where = warp.at(*inside)
    for axis, (place, near) in enumerate(zip(places_vox, inside, strict=True)):
        sides = [1, 1, 1]
        sides[axis] = len(place)
        step = (place - near).reshape(sides)
        where = where + slopes[axis].reshape(3, 1, 1, 1).astype(np.float32) * step[None]
    return where


def _shimmed(
    field: Float[ndarray, "I J K"], brain: Float[ndarray, "I J K"], spacing_mm: Triple
) -> Float[ndarray, "I J K"]:
    """Subtract the mean and the harmonics up to second order that fit the brain best."""
    axes = [
        (np.arange(side) - side / 2) * (step / 100)
        for side, step in zip(field.shape, spacing_mm, strict=True)
    ]
    few = tuple(slice(None, None, max(round(COARSE_MM / step), 1)) for step in spacing_mm)
    here = brain[few] > 0.5
    terms = _harmonics(*[axis[part] for axis, part in zip(axes, few, strict=True)])
    design = np.stack([np.broadcast_to(term, here.shape)[here] for term in terms], axis=-1)
    coefficients = np.linalg.lstsq(design, field[few][here], rcond=None)[0].astype(np.float32)
    for term, amount in zip(_harmonics(*axes), coefficients, strict=True):
        field -= amount * term
    return field


def _harmonics(x: ndarray, y: ndarray, z: ndarray) -> list[Float[ndarray, "..."]]:
    x, y, z = np.ix_(*[axis.astype(np.float32) for axis in (x, y, z)])
    linear = [np.ones((1, 1, 1), dtype=np.float32), x, y, z]
    return [*linear, x * y, y * z, z * x, x**2 - y**2, 2 * z**2 - x**2 - y**2]


def _upsampled(
    field: Float[ndarray, "n m l"], places_vox: tuple[ndarray, ...], shape: TripleVox
) -> Float[ndarray, "I J K"]:
    """Interpolate by cubic splines: linear pieces would act as sources at their seams."""
    for axis, (place, side) in enumerate(zip(places_vox, shape, strict=True)):
        spline = make_interp_spline(place, np.eye(len(place)), k=3)
        matrix = spline(np.arange(side)).astype(np.float32)
        field = np.moveaxis(np.moveaxis(field, axis, -1) @ matrix.T, -1, axis)
    return np.ascontiguousarray(field)
