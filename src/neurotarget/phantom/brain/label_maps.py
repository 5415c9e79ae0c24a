"""One synthetic label map of a whole head at 1 mm: a person's shape, folds and structures.

The hulls of all heads are looked up through a smooth warp (pose, size, individual shape); folds and
structures are then computed at each voxel, so that nothing is resampled.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt16
from numpy import ndarray

from neurotarget.phantom.atlas import CSF_MM, INNER_MM, MARROW_MM, OUTER_MM
from neurotarget.phantom.brain import nuclei
from neurotarget.phantom.brain.folds import cerebellum_ids, cerebrum_ids, draw_folding
from neurotarget.phantom.brain.hulls import IDS, LATTICE_MM, Hulls, brain_hulls
from neurotarget.phantom.brain.solids import Waves, draw_waves
from neurotarget.phantom.canvas import ORIGIN_MM, SHAPE, Tissue
from neurotarget.phantom.scanner import Site, sample_warp, stored_grid
from neurotarget.phantom.scene import slabs

EVERY_VOX = 8  # step of the coordinates that locate the window of a structure
ROUGH_MM = 0.5  # SD of the noise of a structure's surface


class Anatomy(NamedTuple):
    """A person to generate.

    Attributes:
        age: years; sulci and ventricles widen with it.
        tiv_ml: intracranial volume, which scales the whole head.
        seed: seed of the person's shape; equal seeds give equal voxels on one site.
    """

    age: float
    tiv_ml: float
    seed: tuple[int, ...]


class DrawnHead(NamedTuple):
    """Ids of FreeSurfer and of SynthSeg's generator on a grid of 1 mm."""

    ids: UInt16[ndarray, "I J K"]
    affine: Float[ndarray, "4 4"]


def draw_head(person: Anatomy, site: Site, *, voxel_scale: float = 1.0) -> DrawnHead:
    """Generate one head on the grid of a site; the same person gives the same voxels.

    Args:
        person: age in years, intracranial volume and seed.
        site: grid and axes of the scanner.
        voxel_scale: factor of the site's voxel sides.

    Returns:
        Ids of FreeSurfer and of SynthSeg's generator in the site's stored order, and the affine in
        mm.
    """
    rng = np.random.default_rng(person.seed)
    hulls = brain_hulls()
    shape, affine = stored_grid(site, voxel_scale, rng)
    warp = sample_warp(shape, affine, (person.tiv_ml / hulls.intracranial_ml) ** (1 / 3), rng)
    ids = np.zeros(shape, dtype=np.uint16)
    where = np.empty((3, *shape), dtype=np.float32)  # template mm
    for slab, part in slabs(warp, shape):
        where[:, slab] = part
        ids[slab] = _nearest(hulls.ids, part)
    box = _box(where, np.array([-76.0, -112, -78]), np.array([76.0, 78, 88]))
    _paint_brain(ids[box], where[:, *box], hulls, person=person, rng=rng)
    return DrawnHead(ids, affine)


def _nearest(template: UInt16[ndarray, "I J K"], where: Float[ndarray, "3 i j k"]) -> ndarray:
    """Return ids of the template's nearest voxels; the neck continues beyond its lower end."""
    index = np.zeros(where.shape[1:], dtype=np.int32)
    inside = np.ones(where.shape[1:], dtype=bool)
    for axis, (part, first, side) in enumerate(zip(where, ORIGIN_MM, SHAPE, strict=True)):
        place = np.rint(part - np.float32(first)).astype(np.int32)
        low = 0 if axis < 2 else -side
        inside &= (place >= low) & (place < side)
        index = index * side + place.clip(0, side - 1)
    return template.ravel()[index] * inside


def _box(where: Float[ndarray, "3 I J K"], low: ndarray, high: ndarray) -> tuple[slice, ...]:
    """Return a box around the voxels that lie between two corners in template mm."""
    coarse = where[:, ::EVERY_VOX, ::EVERY_VOX, ::EVERY_VOX]
    margin = EVERY_VOX * 1.3
    edges = zip(coarse, low - margin, high + margin, strict=True)
    hit = np.logical_and.reduce([(part > a) & (part < b) for part, a, b in edges])
    spans = []
    for axis in range(3):
        line = np.flatnonzero(hit.any(axis=tuple({0, 1, 2} - {axis})))
        first, last = (line[0], line[-1] + 1) if line.size else (0, 0)
        spans.append(slice(int(first) * EVERY_VOX, int(last) * EVERY_VOX))
    return tuple(spans)


def _paint_brain(
    ids: UInt16[ndarray, "I J K"],
    where: Float[ndarray, "3 I J K"],
    hulls: Hulls,
    *,
    person: Anatomy,
    rng: np.random.Generator,
) -> None:
    """Paint vault, cerebrum, cerebellum and structures into the box of the brain, in place."""
    outside, *depths = _look_up(hulls, where)
    _paint_vault(ids, outside, where, rng)
    folding = draw_folding(rng, person.age)
    for depth, ids_of in zip(depths, (cerebellum_ids, cerebrum_ids), strict=True):
        inside = depth > 0
        points = [axis[inside] for axis in where]
        ids[inside] = ids_of(depth[inside], points, folding)
    rough = draw_waves(rng, 8, 14.0)
    for part in nuclei.PARTS:
        shared, growth = rng.normal(0, 0.05), _growth(part.right, person.age)
        for side, value in ((1, part.right), (-1, part.left)):
            if value:
                scale = float(np.exp(shared + rng.normal(0, 0.02)) * growth)
                _paint_part(ids, where, part, value=value, side=side, scale=scale, rough=rough)


def _look_up(hulls: Hulls, where: Float[ndarray, "3 I J K"]) -> Float[ndarray, "D I J K"]:
    """Interpolate depths below the hulls linearly at points in mm."""
    fields = torch.from_numpy(hulls.depths)
    sides = np.array(fields.shape[1:])
    first, step = (ORIGIN_MM, 2 / (sides - 1) / LATTICE_MM)
    parts = [
        torch.from_numpy((part - np.float32(a)) * np.float32(b) - 1)
        for part, a, b in zip(where, first, step, strict=True)
    ]
    grid = torch.stack(parts[::-1], dim=-1)[None]
    return F.grid_sample(fields[None], grid, padding_mode="border", align_corners=True)[0].numpy()


def _growth(value: int, age: float) -> float:
    """Return the factor of the lengths of a structure, 1 at 50 years.

    Ventricles double in volume from 20 to 80 years, and the hippocampus loses up to 1.2 % per year
    after 60: Fjell 2013, doi:10.1093/cercor/bhs214; Raz 2005, doi:10.1093/cercor/bhi044.
    """
    if value in nuclei.FLUID_PARTS:
        return float(2 ** ((age - 50) / 60 / 2))  # tubes grow in two dimensions
    loss = 0.0015 * (age - 50) + (0.007 * max(age - 60, 0) if value in nuclei.SHRINKING else 0)
    return float((1 - loss) ** (1 / 3))


def _paint_vault(
    ids: UInt16[ndarray, "I J K"], outside: ndarray, where: ndarray, rng: np.random.Generator
) -> None:
    """Paint the tables of the skull and the marrow again, with this person's thickness."""
    thick, wave = float(rng.uniform(0.85, 1.0)), draw_waves(rng, 6, 30.0)
    bone, marrow, soft = IDS[Tissue.BONE], IDS[Tissue.MARROW], IDS[Tissue.MUSCLE]
    vault = ((ids == bone) | (ids == marrow)) & (outside < OUTER_MM) & (outside > 0)
    gap = outside[vault] - CSF_MM
    points = [axis[vault] for axis in where]
    waved = 1 + 0.2 * wave.at(points)
    outer = (OUTER_MM - CSF_MM) * thick * waved
    spongy = wave.at([axis * 3 for axis in points]) > 0.3
    inner = (gap > (INNER_MM - CSF_MM) * waved) & (gap < outer - (OUTER_MM - MARROW_MM))
    painted = np.where(spongy & inner, marrow, bone)
    ids[vault] = np.where(gap > outer, soft, painted)


def _paint_part(
    ids: UInt16[ndarray, "I J K"],
    where: Float[ndarray, "3 I J K"],
    part: nuclei.Part,
    *,
    value: int,
    side: int,
    scale: float,
    rough: Waves,
) -> None:
    """Paint one side of a structure, in place."""
    for solid in part.solids:
        low, high = solid.box()
        if side < 0:
            low, high = np.array([-high[0], *low[1:]]), np.array([-low[0], *high[1:]])
        box = _box(where, low, high)
        x, y, z = where[:, *box]
        depth = solid.depth_mm((x * side, y, z), scale) + ROUGH_MM * rough.at((x, y, z))
        inside = depth > 0
        if part.left:
            inside &= x * side > nuclei.SEPTUM_MM
        if part.over:
            inside &= np.isin(ids[box], part.over)
        ids[box][inside] = value
