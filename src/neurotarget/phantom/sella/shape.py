"""Shapes of sellae with glands, more varied than in real people, and their labels at points.

Glands, bone, sinus, vessels and nerves have the shapes of the built-in cohort,
`neurotarget.phantom.gland.sella`. Here their sizes vary more, a gland may fill a part of its fossa
(partially empty sella), and the sphenoid may have air, fat or bone.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from neurotarget.phantom.canvas import Tissue, rod_mm
from neurotarget.phantom.gland.sella import PARTS, Axes, Sella, gland_faces, sample_sella, turned
from neurotarget.phantom.sella import landmarks as ids
from neurotarget.synthesis.tissues import BRAIN, FLUID, known_tissues

IDS = {
    Tissue.AIR: 0,
    Tissue.BONE: ids.BONE,
    Tissue.CSF: ids.CSF,
    Tissue.MARROW: ids.MARROW,
    Tissue.MUCOSA: ids.MUCOSA,
    Tissue.VEIN: ids.VEIN,
    Tissue.ARTERY: ids.ARTERY,
    Tissue.STALK: ids.STALK,
    Tissue.NERVE: ids.CHIASM,
}
OLD = (ids.ANTERIOR, ids.POSTERIOR, ids.STALK)  # of a gland that the map already has
NO_AIR_MM = 40.0  # start of the air in front of the gland, beyond a sphenoid without air
SHELL_MM = 1.0  # bone between the gland and air


class Shape(NamedTuple):
    """One sella with its gland, to be generated in a map."""

    sella: Sella  # the fossa's sizes, and its neighbours
    fill: float  # thickness of the gland as a share of the fossa's height
    hollow: float  # thinning of the gland from its rim to its middle, as a share
    posterior: tuple[float, float, float]  # half axes of the posterior lobe, mm
    is_whole: bool  # bone, sinus, vessels and nerves are generated too; else the map's are kept
    reach_mm: tuple[float, float, float]  # half axes of the generated region
    centre_mm: Float[ndarray, "3"]  # of the fossa, mm from the map's first voxel


def draw_shape(
    marks: ids.Landmarks, rng: np.random.Generator, *, empty: float, whole: float
) -> Shape:
    """Sample the sella of a map.

    Args:
        marks: chiasm and floor of the map, between which the gland lies.
        rng: of all sizes.
        empty: probability that the sella is partially empty.
        whole: probability that bone, sinus, vessels and nerves are generated too.
    """
    sex, age = rng.choice(["F", "M"]), rng.uniform(5, 85)
    sella = sample_sella(rng, age=age, sex=sex, volume_mm3=600.0, scale=1.0)
    size = rng.uniform(0.85, 1.25)
    is_empty = rng.random() < empty
    height = rng.uniform(6.0, 11.0) if is_empty else float(np.clip(rng.normal(7.2, 1.8), 3, 12))
    sella = replace(
        sella.with_height(height),
        width=sella.width * size * rng.uniform(0.85, 1.15),
        length=sella.length * size * rng.uniform(0.85, 1.25),
        dome=float(rng.uniform(-0.9, 0.9)),
        pitch=float(np.radians(rng.normal(3, 9))),
        carotid=float(rng.uniform(1.5, 3.0)),
        sinus_back=NO_AIR_MM if rng.random() < 0.2 else sella.sinus_back,
    )
    is_whole = bool(rng.random() < whole)
    centre = marks.floor_mm + rng.normal(0, (0.8, 1.2, 0.8)) + (0, 0, height / 2)
    room = marks.chiasm_mm[2] - centre[2]
    if is_whole:  # the generated chiasm has the position of the map's chiasm
        room = max(room + rng.normal(0.5, 2), height / 2 + 2.5)
        centre[2] = marks.chiasm_mm[2] - room
    sella = replace(sella, chiasm=(0.0, float(marks.chiasm_mm[1] - centre[1]), float(room)))
    return Shape(
        sella,
        fill=float(rng.uniform(0.2, 0.7)) if is_empty else 1.0,
        hollow=float(rng.uniform(0, 0.6)) if is_empty else 0.0,
        posterior=(rng.uniform(2.0, 5.5), rng.uniform(1.0, 2.4), rng.uniform(1.2, 3.5)),
        is_whole=is_whole,
        reach_mm=tuple(rng.uniform((15, 14, 16), (28, 26, 28))),
        centre_mm=centre,
    )


def paint(
    codes: UInt8[ndarray, "..."], where_mm: Float[ndarray, "3 ..."], shape: Shape, *, spot: bool
) -> None:
    """Paint a sella into the codes at points of a map, in place.

    Brain structures are kept.

    Args:
        codes: tissues at the points; a gland that the map already has is removed.
        where_mm: the points, mm from the map's first voxel.
        shape: the sella.
        spot: True to give the posterior lobe a separate code.
    """
    offset = where_mm - shape.centre_mm.astype(np.float32).reshape(3, *[1] * (where_mm.ndim - 1))
    far = sum((part / side) ** 2 for part, side in zip(offset, shape.reach_mm, strict=True))
    near = far < 1
    axes = turned(shape.sella, tuple(offset[:, near]))
    here = codes[near]
    here[np.isin(here, [ids.code_of(one) for one in OLD])] = ids.code_of(ids.CSF)
    brain = _is_kept(here)
    if shape.is_whole:
        _paint_whole(here, axes, shape, ~brain)
    else:
        _paint_pocket(here, axes, shape)
    _paint_gland(here, axes, shape, ~brain, spot=spot)
    codes[near] = here


def _is_kept(codes: UInt8[ndarray, " N"]) -> Bool[ndarray, " N"]:
    """Mark brain and fluid inside it, which are kept; chiasm and cisterns are generated anew."""
    known = known_tissues()
    places = np.array(known.places)[known.tissue_of_code]
    kept = np.isin(places, (BRAIN, FLUID))
    kept[[ids.code_of(value) for value in (ids.CHIASM, ids.CSF)]] = False
    return kept[codes]


def _paint_whole(here: ndarray, axes: Axes, shape: Shape, free: Bool[ndarray, " N"]) -> None:
    def into(tissue: Tissue, depth_mm: ndarray) -> None:
        """Give a tissue to the points inside of a solid that may be painted over."""
        here[(depth_mm > 0) & free] = ids.code_of(IDS[tissue])

    here[np.isin(here, [ids.code_of(value) for value in (ids.CHIASM, ids.NERVE)])] = ids.code_of(
        ids.CSF
    )
    for part in PARTS:
        part(into, shape.sella, axes)


def _paint_pocket(here: ndarray, axes: Axes, shape: Shape) -> None:
    """Paint cavernous sinuses into fluid, a bony floor into air, and a stalk."""
    x, y, z = axes
    sella = shape.sella
    half = 0.5 * sella.width
    pouch = np.abs((np.abs(x) - half - 2.5) / 5) ** 2.5
    pouch = pouch + np.abs(y / (0.5 * sella.length + 3)) ** 4 + np.abs((z + 0.5) / 5.5) ** 2.5
    fluid = here == ids.code_of(ids.CSF)
    here[fluid & (pouch < 1)] = ids.code_of(ids.VEIN)
    rim, low, _ = gland_faces(sella, x * 0.9, y * 0.9)
    floor = (rim < 1) & (z > low - SHELL_MM) & (z < 0) & (here == 0)
    here[floor] = ids.code_of(ids.BONE)
    _, ahead, up = sella.chiasm
    foot = (0.2 * sella.stalk_shift, -0.12 * sella.length, 0.25 * sella.height)
    top = (sella.stalk_shift, ahead - 3.5, up + 0.5)
    fluid = here == ids.code_of(ids.CSF)
    here[fluid & (rod_mm(axes, foot, top) < 1.15)] = ids.code_of(ids.STALK)


def _paint_gland(
    here: ndarray, axes: Axes, shape: Shape, free: Bool[ndarray, " N"], *, spot: bool
) -> None:
    """Paint the gland on the floor of its fossa, fluid above it, and the posterior lobe behind."""
    x, y, z = axes
    sella = shape.sella
    rim, low, high = gland_faces(sella, x, y)
    if not shape.is_whole:
        free = free & (here != ids.code_of(ids.ARTERY))
    fossa = (rim < 1) & (z > low) & (z < high) & free
    gland = fossa
    if shape.fill < 1:  # the gland lines the floor and the walls
        share = shape.fill * (1 - shape.hollow * (1 - np.minimum(rim, 1) ** 2))
        gland = fossa & (z < low + share * sella.height)
    here[fossa & ~gland & (here != ids.code_of(ids.STALK))] = ids.code_of(ids.CSF)
    here[gland] = ids.code_of(ids.ANTERIOR)
    wide, deep, tall = shape.posterior
    behind = y + 0.5 * sella.length - deep - 0.5
    level = (
        (x / wide) ** 2 + (behind / deep) ** 2 + ((z - 0.5 * low * (1 - shape.fill)) / tall) ** 2
    )
    if spot:
        here[gland & (level < 1)] = ids.code_of(ids.POSTERIOR)
