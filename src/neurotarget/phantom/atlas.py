"""The template head that is warped to each synthetic person: tissues at 1 mm in MNI152 space.

The brain is nilearn's packaged MNI152 (grey and white matter maps). All other tissues are painted
here: layers of the vault by distance from the brain, and below it a face and a neck of simple
solids. These are accurate enough far from the target only. For each person,
`neurotarget.phantom.gland.sella` renders the neighbourhood of the gland again, at finer resolution.

Source: Fonov et al. 2011, doi:10.1016/j.neuroimage.2010.07.033 (MNI152, 2009 release).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
from numpy import ndarray
from scipy import ndimage

from neurotarget.phantom.canvas import SHAPE, Canvas, Tissue, depth_mm, double, grain, window

BRAIN_AT = (0, 0, 80)  # first voxel of the packaged template in our grid
CLOSE_MM = 10.0  # gaps between parts of the brain narrower than twice this are filled with CSF
CSF_MM, INNER_MM, MARROW_MM, OUTER_MM = 2.4, 3.8, 6.6, 8.2  # outer ends of the vault's layers
SCALP_MM, FAT_MM, SKIN_MM = 13.0, 5.5, 1.6  # from the brain; below the skin; below the skin
# the skull's base, below which the layers of the vault end: front to back (y, z)
BASE_MM = ((-120.0, -50.0), (-60.0, -62.0), (-20.0, -60.0), (20.0, -40.0), (75.0, -22.0))


class Atlas(NamedTuple):
    """Tissues on the grid that starts at `ORIGIN_MM` with a side of 1 mm."""

    tissue: UInt8[ndarray, "I J K"]  # outside the brain
    grey: Float[ndarray, "i j k"]  # shares inside the brain's box; the rest is CSF
    white: Float[ndarray, "i j k"]
    brain: Float[ndarray, "i j k"]
    box: tuple[slice, slice, slice]  # bounding box of the brain
    intracranial_ml: float

    def intensity(self, brightness: Float[ndarray, " T"]) -> Float[ndarray, "I J K"]:
        """Paint every tissue with its brightness.

        Args:
            brightness: brightness of each `Tissue`, by its number; white matter usually has 1.

        Returns:
            The head on the grid of `ORIGIN_MM`, float32; brain voxels are mixtures of grey and
            white matter and CSF by their shares.
        """
        image = brightness.astype(np.float32)[self.tissue]
        csf, grey, white = (float(brightness[t]) for t in (Tissue.CSF, Tissue.GREY, Tissue.WHITE))
        inside = csf + (grey - csf) * self.grey + (white - csf) * self.white
        part = image[self.box]
        part += self.brain * (inside - part)
        return image

    def brain_map(self) -> Float[ndarray, "I J K"]:
        """Return the share of brain without the CSF of its sulci, 0 to 1, on the whole grid."""
        result = np.zeros(SHAPE, dtype=np.float32)
        result[self.box] = np.minimum(self.grey + self.white, 1) * self.brain
        return result


@cache
def head_atlas() -> Atlas:
    """Build the head; takes a few seconds, once per process."""
    grey, white, brain = _brain()
    outside = double(closed_distance_mm(brain[::2, ::2, ::2] > 0.5))
    canvas = paint_head(outside)
    box = ndimage.find_objects((brain > 0).astype(np.uint8))[0]
    maps = [np.ascontiguousarray(part[box]) for part in (grey, white, brain)]
    intracranial_ml = float((outside < CSF_MM).sum()) / 1000
    return Atlas(canvas.tissue, *maps, box, intracranial_ml)


def paint_head(outside: Float[ndarray, "I J K"]) -> Canvas:
    """Paint all tissues around a brain.

    Args:
        outside: distance from the brain with its gaps closed, in mm, 0 inside, on the grid of
            `ORIGIN_MM`.
    """
    canvas = Canvas()
    _flesh(canvas, outside)
    _skull(canvas, outside)
    _face(canvas)
    _neck(canvas)
    _base(canvas)
    return canvas


def _brain() -> tuple[ndarray, ndarray, ndarray]:
    """Return shares of grey and white matter, sharpened from average to person, and brain mask."""
    maps = [load(resolution=1) for load in (load_mni152_gm_template, load_mni152_wm_template)]
    grey, white = (np.clip(m.get_fdata(dtype=np.float32), 0, 1) for m in maps)
    mask = load_mni152_template(resolution=1).get_fdata(dtype=np.float32) > 0
    shares = [part**2.5 for part in (grey, white, np.clip(1 - grey - white, 0, 1))]
    total = np.maximum(sum(shares), 1e-6)
    soft = ndimage.uniform_filter(mask.astype(np.float32), 3)
    return tuple(_placed(part) for part in (shares[0] / total, shares[1] / total, soft))


def _placed(part: Float[ndarray, "i j k"]) -> Float[ndarray, "I J K"]:
    whole = np.zeros(SHAPE, dtype=np.float32)
    spans = zip(BRAIN_AT, part.shape, strict=True)
    whole[tuple(slice(start, start + side) for start, side in spans)] = part
    return whole


def closed_distance_mm(coarse: Bool[ndarray, "i j k"]) -> Float[ndarray, "i j k"]:
    """Distance from the brain after closing its gaps, mm, 0 inside; on a grid of 2 mm."""
    grown = ndimage.distance_transform_edt(~coarse) * 2 < CLOSE_MM
    hull = (ndimage.distance_transform_edt(grown) * 2 > CLOSE_MM) | coarse
    outside = ndimage.distance_transform_edt(~hull) * 2.0
    return ndimage.gaussian_filter(outside, 1.0).astype(np.float32)


def _flesh(canvas: Canvas, outside: ndarray) -> None:
    """Paint the outline of the head, then muscle, strands of fat, subcutaneous fat and skin."""
    canvas.tissue[outside < SCALP_MM] = Tissue.MUSCLE
    for centre, radii in (
        ((0, 40, -62), (66, 56, 56)),  # cheeks
        ((0, 50, -105), (46, 46, 36)),  # jaw
        ((0, 86, -122), (22, 14, 16)),  # chin
        ((0, 96, -58), (15, 20, 15)),  # tip of the nose
        ((0, 90, -42), (10, 14, 26)),  # its bridge
        ((0, -22, -130), (60, 66, 110)),  # neck
    ):
        canvas.ellipsoid(Tissue.MUSCLE, centre, radii, power=2.4)
    canvas.ellipsoids(Tissue.MUSCLE, (83, -22, -38), (5, 14, 28))  # ears
    depth = depth_mm(canvas.tissue > 0)
    body = canvas.tissue > 0
    strands = (grain(1, (2.0, 4.0, 5.0)) > 0.9) & body & (outside > OUTER_MM)
    canvas.tissue[strands] = Tissue.FAT
    thick = FAT_MM + 1.5 * grain(2, (14.0, 14.0, 14.0))
    canvas.tissue[body & (depth < thick)] = Tissue.FAT
    canvas.tissue[body & (depth < SKIN_MM)] = Tissue.SKIN


def _skull(canvas: Canvas, outside: ndarray) -> None:
    """Paint CSF, inner table, marrow and outer table of the vault, and a thin dark skull base."""
    _, (_, y, z) = window(np.full(3, -1e3), np.full(3, 1e3))
    rows, levels = zip(*BASE_MM, strict=True)
    above = z - np.interp(y, rows, levels).astype(np.float32)
    wave = 1 + 0.25 * grain(3, (12.0, 12.0, 12.0))
    vault = above > 0
    canvas.tissue[vault & (outside < OUTER_MM)] = Tissue.BONE
    marrow = vault & (outside > INNER_MM) & (outside < INNER_MM + (MARROW_MM - INNER_MM) * wave)
    canvas.tissue[marrow] = Tissue.MARROW
    canvas.tissue[~vault & (outside < MARROW_MM)] = Tissue.BONE
    canvas.tissue[outside < CSF_MM] = Tissue.CSF


def _face(canvas: Canvas) -> None:
    """Paint orbits, nose and its sinuses, mouth and jaw."""
    canvas.ellipsoids(Tissue.MUSCLE, (33, 62, -28), (24, 22, 22))
    canvas.ellipsoids(Tissue.SKIN, (33, 72, -28), (15, 14, 15))
    canvas.ellipsoids(Tissue.BONE, (33, 53, -28), (22, 25, 20))
    canvas.ellipsoids(Tissue.FAT, (33, 53, -28), (20.5, 24, 18.5))
    canvas.rods(Tissue.MUSCLE, (27, 62, -19), (14, 36, -26), radius=2.0)
    canvas.rods(Tissue.MUSCLE, (27, 62, -38), (14, 36, -28), radius=2.0)
    canvas.rods(Tissue.MUSCLE, (44, 62, -28), (17, 38, -27), radius=2.0)
    canvas.rods(Tissue.NERVE, (32, 60, -28), (12, 26, -24), radius=2.2)
    canvas.ellipsoids(Tissue.MUSCLE, (33, 67, -28), (12.6, 12.6, 12.6))
    canvas.ellipsoids(Tissue.VITREOUS, (33, 67, -28), (11.8, 11.8, 11.8))
    canvas.ellipsoid(Tissue.MUCOSA, (0, 58, -52), (17, 36, 32), power=4)
    canvas.ellipsoids(Tissue.AIR, (7.5, 58, -56), (5.5, 36, 21), power=3)
    canvas.ellipsoids(Tissue.MUCOSA, (8, 56, -66), (3.5, 26, 6))
    canvas.ellipsoids(Tissue.MUCOSA, (7, 54, -50), (2.5, 22, 5))
    for step in range(4):
        canvas.ellipsoids(Tissue.AIR, (8, 36 + 8 * step, -29), (5, 3.4, 7), power=3)
    canvas.ellipsoids(Tissue.BONE, (32, 50, -62), (17, 20, 19), power=2.5)
    canvas.ellipsoids(Tissue.AIR, (32, 50, -62), (15, 18, 17), power=2.5)
    canvas.ellipsoid(Tissue.AIR, (4, 82, -14), (13, 4, 10))  # frontal sinus
    canvas.ellipsoid(Tissue.BONE, (0, 54, -79), (24, 34, 3), power=4)  # palate
    canvas.ellipsoid(Tissue.MUSCLE, (0, 48, -100), (22, 34, 19))  # tongue
    canvas.rods(Tissue.BONE, (8, 86, -90), (30, 60, -90), radius=6)  # teeth
    for tissue, radius in ((Tissue.BONE, 7.0), (Tissue.MARROW, 4.5)):
        canvas.rods(tissue, (6, 86, -112), (44, 22, -106), radius=radius)  # jaw
        canvas.rods(tissue, (46, 20, -104), (50, 10, -60), radius=radius)


def _neck(canvas: Canvas) -> None:
    """Paint the airway, spine with its canal and cord, and vessels."""
    canvas.rod(Tissue.MUCOSA, (0, 12, -66), (0, 4, -152), radius=9)
    canvas.rod(Tissue.AIR, (0, 13, -66), (0, 5, -152), radius=6)
    canvas.rod(Tissue.BONE, (0, -18, -72), (0, -18, -152), radius=10)
    for level in range(4):
        height = -88 - 18 * level
        canvas.ellipsoid(Tissue.MARROW, (0, -17, height), (9, 8, 7.5), power=4)
        canvas.ellipsoid(Tissue.MARROW, (0, -66, height - 4), (3, 12, 4))  # spinous processes
    canvas.rod(Tissue.CSF, (0, -36, -60), (0, -36, -160), radius=9)
    canvas.rod(Tissue.NERVE, (0, -37, -68), (0, -37, -160), radius=5)
    canvas.rods(Tissue.ARTERY, (24, -6, -56), (26, 0, -152), radius=2.5)
    canvas.rods(Tissue.VEIN, (32, -12, -60), (32, -8, -152), radius=5)


def _base(canvas: Canvas) -> None:
    """Paint petrous bones, clivus, body of the sphenoid, and cisterns before the brain stem."""
    canvas.rods(Tissue.BONE, (16, -14, -42), (50, -34, -42), radius=8)
    where, _ = window(np.array([-66.0, -60, -66]), np.array([66.0, -24, -34]))
    cells = (grain(4, (1.5, 1.5, 1.5)) > 0)[where]
    petrous = canvas.tissue[where] == Tissue.BONE
    canvas.tissue[where][petrous & cells] = Tissue.MARROW
    clivus = ((0.0, -10.0, -38.0), (0.0, -17.0, -62.0))
    where, (x, y, z) = window(np.array([-18.0, -46, -72]), np.array([18.0, 8, -28]))
    canvas.tissue[where][(y < -2 - (z + 38) * -0.3) & (np.abs(x) < 16)] = Tissue.CSF
    for dx in (-9, -3, 3, 9):
        for tissue, radius in ((Tissue.BONE, 6.2), (Tissue.MARROW, 4.8)):
            ends = [(dx, end[1] + 3, end[2]) for end in clivus]
            canvas.rod(tissue, *ends, radius=radius)
    canvas.ellipsoid(Tissue.BONE, (0, 20, -42), (19, 18, 15), power=4)
    canvas.ellipsoids(Tissue.AIR, (8, 20, -42), (7, 16, 12), power=3)
