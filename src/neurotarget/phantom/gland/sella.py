"""The sella turcica of one person: the gland and its neighbours, as smooth solids.

All lengths are in template mm from the middle of the gland, x to the right, y to the front, z up,
as the rest of the head is defined in that space; only the gland's volume is native, and its height
is fitted to it. Positions are those of usual T1 scans: sphenoid sinus below and in front, clivus
and dorsum behind, cavernous sinuses with the carotids at the sides, chiasm and cistern above,
stalk between.

Sources: Brooks et al. 1989, AJNR 10:737 (normal T1 picture); Radiology 1987, 165:481 (posterior
bright spot); sizes as in `neurotarget.phantom.gland.plan`;
Doraiswamy et al. 1992, AJNR 13:1295 (domed roofs in women and the young).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.phantom.canvas import Tissue, mirror, rod_mm
from neurotarget.types import Triple

CENTRE_MM = (0.5, 2.8, -31.8)  # of the gland in MNI152: 33 manual masks of HCP subjects
REACH_MM = 27.0  # half the side of the box that is rendered
FADE_MM = 6.0  # transition from the box to the coarse head
SOFT_MM = 0.7  # width of an edge
CLIVUS_SLOPE = 2.6  # mm down per mm back
Axes = tuple[ndarray, ndarray, ndarray]


@dataclass(frozen=True, slots=True)
class Sella:
    """Sizes and shape of one person's gland and its neighbours, template mm."""

    width: float
    length: float
    height: float
    dome: float  # of the gland's roof: 1 convex, 0 flat, −1 concave
    lean: float  # of the roof to one side
    pitch: float  # radians, nose up
    bright_spot: Triple | None  # half axes of the posterior bright spot
    stalk_shift: float  # of the stalk's upper end to one side
    chiasm: Triple  # its middle
    sinus_back: float  # how far back (y) the air of the sphenoid reaches
    sinus_depth: float
    septum: float  # place (x) of the wall in the sinus
    mucosa: float  # thickness on the sinus's floor
    carotid: float  # radius
    carotid_gap: tuple[float, float]  # from the gland's side, right and left

    def with_height(self, height: float) -> "Sella":
        """Return the same sella with another height of the gland."""
        return replace(self, height=height)


def sample_sella(
    rng: np.random.Generator, *, age: float, sex: str, volume_mm3: float, scale: float
) -> Sella:
    """Sample one person's sella; `scale` is native length divided by template length.

    Larger glands are mainly higher, and a little wider and longer. Young women have domed glands,
    and the roof sinks with age. At 20 years, 95 % of people have the bright spot; this share falls
    by 1 % per year, down to 50 %.
    """
    dome = 0.45 - 0.018 * (age - 25) + (0.25 if sex == "F" else 0.0) + rng.normal(0, 0.3)
    girth = (volume_mm3 / 650) ** 0.2 / scale
    has_spot = rng.random() < max(0.95 - 0.01 * (age - 20), 0.5)
    spot = (rng.uniform(1.4, 4.0), rng.uniform(0.7, 1.9), rng.uniform(1.0, 2.2))
    return Sella(
        width=14.3 * girth * float(np.exp(rng.normal(0, 0.07))),
        length=10.8 * girth * float(np.exp(rng.normal(0, 0.07))),
        height=7.0,
        dome=float(np.clip(dome, -0.8, 0.9)),
        lean=float(rng.normal(0, 0.07)),
        pitch=float(np.radians(rng.normal(4, 5))),
        bright_spot=spot if has_spot else None,
        stalk_shift=float(rng.normal(0, 1.0)),
        chiasm=(0.0, float(rng.normal(-0.5, 1.0)), float(rng.normal(12.5, 0.8))),
        sinus_back=float(rng.choice([rng.uniform(-7, -1), rng.uniform(0, 8)], p=[0.75, 0.25])),
        sinus_depth=float(rng.uniform(14, 24)),
        septum=float(rng.normal(0, 3)),
        mucosa=float(0.6 + rng.exponential(0.5)),
        carotid=float(rng.uniform(1.9, 2.6)),
        carotid_gap=tuple(float(gap) for gap in rng.uniform(-0.2, 2.5, 2)),
    )


def turned(sella: Sella, offset: Axes) -> Axes:
    """Transform coordinates to the frame of the sella, which is pitched against the template."""
    x, y, z = offset
    sine, cosine = np.sin(sella.pitch), np.cos(sella.pitch)
    return x, cosine * y + sine * z, cosine * z - sine * y


def gland_faces(sella: Sella, x: ndarray, y: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Compute distance from the axis (1 at the rim), lower and upper face (mm) of the gland.

    `x` and `y` are in the sella's frame, in mm; beyond the rim both faces are at 0.
    """
    rim = (np.abs(2 * x / sella.width) ** 2.5 + np.abs(2 * y / sella.length) ** 2.5) ** 0.4
    thick = np.sqrt(np.maximum(1 - rim**2.5, 0)) * sella.height
    middle = np.exp(-((x / (0.22 * sella.width)) ** 2)) - 0.4
    roof = 0.5 + 0.32 * sella.dome * middle + sella.lean * x / (0.5 * sella.width)
    return rim, -0.5 * thick, roof * thick


def in_gland(sella: Sella, axes: Axes) -> Bool[ndarray, "..."]:
    """Mark points of the sella's frame inside the gland: both lobes, without the stalk."""
    x, y, z = axes
    rim, low, high = gland_faces(sella, x, y)
    return (rim < 1) & (z > low) & (z < high)


def near(axes: Axes) -> Float[ndarray, "..."]:
    """Weight of the fine rendering at points of the sella's frame: 1 around the gland, 0 beyond
    `REACH_MM`, falling over `FADE_MM`.
    """
    x, y, z = axes
    edge = REACH_MM - np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z))
    return np.clip(edge / FADE_MM, 0, 1)


def paint_sella(
    image: Float[ndarray, "..."],
    axes: Axes,
    brain: Float[ndarray, "..."],
    *,
    sella: Sella,
    brightness: Float[ndarray, " T"],
) -> None:
    """Paint the sella over the coarse head, in place.

    Args:
        image: brightness at some points.
        axes: coordinates of the points in the sella's frame, mm.
        brain: share of brain at the points; brain is not painted over.
        sella: of the person.
        brightness: of each `Tissue` by its number.
    """
    free = 1 - np.clip(brain * 1.5, 0, 1)

    def paint(tissue: Tissue, depth_mm: ndarray) -> None:
        """Mix a tissue into the points below its surface, with a soft edge."""
        share = np.clip(0.5 + depth_mm / SOFT_MM, 0, 1) * free
        image[...] += share * (brightness[tissue] - image)

    for part in PARTS:
        part(paint, sella, axes)
    gland = in_gland(sella, axes)
    image[gland] = brightness[Tissue.GLAND]
    if sella.bright_spot is not None:
        share = _bright_spot(sella, sella.bright_spot, axes) * gland
        image += share * (brightness[Tissue.BRIGHT] - image)


Paint = Callable[..., None]


def _bone(paint: Paint, sella: Sella, axes: Axes) -> None:
    """Paint CSF where no brain is, then the body of the sphenoid with dorsum and clivus."""
    x, y, z = axes
    hind = y - _clivus_back(sella, z)  # mm in front of the clivus's posterior surface
    paint(Tissue.CSF, np.minimum(24 - np.abs(x), z + 7))
    paint(Tissue.CSF, np.minimum(16 - np.abs(x), -hind))
    block = np.minimum(_bone_surface(sella, x, y) - z, 21 - np.abs(x))
    paint(Tissue.BONE, np.minimum(block, hind))
    sides = 16 - np.abs(x) - 0.015 * (z + 14) ** 2
    spongy = np.minimum(np.minimum(block, hind) - 0.9, sides)
    paint(Tissue.MARROW, np.minimum(spongy, _sinus_back(sella, z) - y + 1.0))


def _clivus_back(sella: Sella, z: ndarray) -> ndarray:
    return -0.5 * sella.length - 3.0 + np.minimum(z, 0) / CLIVUS_SLOPE


def _sinus_back(sella: Sella, z: ndarray) -> ndarray:
    return np.maximum(sella.sinus_back, _clivus_back(sella, z) + 7)


def _bone_surface(sella: Sella, x: ndarray, y: ndarray) -> ndarray:
    """Return the upper face of the bone, mm: dorsum, fossa, tuberculum and planum."""
    half = 0.5 * sella.length
    dorsum = 0.42 * sella.height + 1.0 - 0.04 * x**2
    planum = np.interp(y, [half, half + 1.5, half + 9, 40], [0, 1, 1.6, 2.2]).astype(np.float32)
    planum = planum * (0.35 * sella.height + 1.0)
    _, low, _ = gland_faces(sella, x, y)
    is_lateral = np.abs(x) > 0.5 * sella.width + 0.5
    fossa = np.where(is_lateral, -0.5 * sella.height - 1.5, low - 0.5)
    return np.select([y < -half, y > half], [dorsum, np.maximum(planum, fossa)], fossa)


def _sinus(paint: Paint, sella: Sella, axes: Axes) -> None:
    """Paint air into the sphenoid sinus, lined by mucosa and divided by a thin wall."""
    x, y, z = axes
    wall = 1.2
    roof = np.where(
        np.abs(y) < 0.5 * sella.length + 1,
        -0.5 * sella.height - 0.5 - wall,
        0.3 * sella.height - wall,
    )
    low = -0.5 * sella.height - sella.sinus_depth
    back = _sinus_back(sella, z)
    bend = 0.02 * x**2
    cavity = np.minimum(np.minimum(roof - z - bend, z - low - bend), 13.5 - np.abs(x))
    cavity = np.minimum(cavity, y - back - bend)
    paint(Tissue.MUCOSA, cavity)
    air = np.minimum(cavity - 0.7, np.abs(x - sella.septum) - 0.7)
    paint(Tissue.AIR, np.minimum(air, z - low - bend - sella.mucosa - 0.7))


def _cavernous_sinuses(paint: Paint, sella: Sella, axes: Axes) -> None:
    """Paint cavernous sinuses, and carotids as dark tubes that run up, forward and back."""
    x, y, z = axes
    half = 0.5 * sella.width
    pouch = np.abs((np.abs(x) - half - 3.0) / 5.5) ** 2.5
    pouch = pouch + np.abs(y / (0.5 * sella.length + 4)) ** 4 + np.abs((z + 0.5) / 6.0) ** 2.5
    paint(Tissue.VEIN, (1 - pouch) * 2.0)
    for side, gap in zip((1, -1), sella.carotid_gap, strict=True):
        at = side * (half + gap + sella.carotid)
        path = [
            (at * 1.05, -9.0, -22.0),
            (at * 1.05, -9.0, -7.0),
            (at, -6.0, -1.5),
            (at * 0.97, 4.0, -1.0),
            (at * 0.92, 7.5, 2.5),
            (at * 0.92, 4.5, 6.5),
            (at * 1.0, 1.0, 10.0),
            (at * 1.6, 1.0, 14.0),
        ]
        gaps = [rod_mm(axes, start, end) for start, end in pairwise(path)]
        paint(Tissue.ARTERY, sella.carotid - np.min(gaps, axis=0))


def _above(paint: Paint, sella: Sella, axes: Axes) -> None:
    """Paint stalk, chiasm, optic nerves and tracts, and basilar artery, but no thin diaphragm."""
    _, y, z = sella.chiasm
    top = (sella.stalk_shift, y - 4.5, z + 1.5)
    foot = (0.2 * sella.stalk_shift, -0.12 * sella.length, 0.3 * sella.height)
    paint(Tissue.STALK, 1.15 - rod_mm(axes, foot, top))
    ahead, behind = (3.0, y + 1, z), (4.0, y - 1.5, z + 0.7)
    canal, tract = (12.0, y + 13, z - 5), (13.0, y - 11, z + 2)
    right = [(ahead, canal), (behind, tract), (ahead, behind)]
    left = [(mirror(start), mirror(end)) for start, end in right]
    gaps = [rod_mm(axes, *ends) for ends in (*right, *left, (behind, mirror(behind)))]
    paint(Tissue.NERVE, 1.7 - np.min(gaps, axis=0))
    back = -0.5 * sella.length - 6.0
    paint(Tissue.ARTERY, 1.4 - rod_mm(axes, (0.5, back - 5, -24), (-0.3, back - 1.5, 1)))


def _bright_spot(sella: Sella, half_axes: Triple, axes: Axes) -> Float[ndarray, "..."]:
    """Return the share of the bright spot (stored vasopressin) in the posterior gland."""
    wide, deep, tall = half_axes
    x, y, z = axes
    y = y + 0.5 * sella.length - deep - 0.5
    level = np.sqrt((x / wide) ** 2 + (y / deep) ** 2 + (z / tall) ** 2)
    return np.clip((1 - level) * deep + 0.5, 0, 1)


PARTS = (_bone, _sinus, _cavernous_sinuses, _above)  # in the order in which they are painted
