"""The dentate nucleus in the cerebellum, and other structures that iron makes visible.

The dentate is a folded sheet bent about its hilum, which opens towards the fourth ventricle: a
crescent in axial and coronal slices. Coordinates are of MNI152, mm, scaled for each person.

Sources: centre of mass (∓13.8, −55.8, −36.4) mm in an atlas of 38 susceptibility maps, He et al.
2017, doi:10.1007/s12311-017-0872-7. The deep nuclei of the forebrain and the veins are
simple solids at textbook places in MNI152.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from neurotarget.types import Triple

CENTRE_MM = (13.8, -55.8, -36.4)  # of mass, on the right
WANDER_MM = (0.8, 1.2, 1.2)  # spread of the centre between people
REACH_MM = 14.0  # half side of a cube that holds a nucleus
SOFT_MM = 1.0  # over which the edge of a solid fades

# solids on the right: centre, half axes (mm) and rotation about the vertical axis (degrees, front
# towards the midline)
SOLIDS: dict[str, list[tuple[Triple, Triple, float]]] = {
    "caudate": [
        ((12.5, 14.0, 4.0), (4.5, 8.0, 8.5), 10.0),
        ((16.5, -2.0, 19.0), (3.2, 14.0, 3.6), 12.0),
    ],
    "putamen": [((26.5, 2.0, 0.0), (4.8, 16.5, 9.5), 12.0)],
    "pallidum": [((19.5, -4.0, -1.5), (4.0, 9.5, 5.8), 22.0)],
    "thalamus": [((11.5, -18.5, 8.0), (7.5, 14.0, 8.0), 20.0)],
    "red": [((5.2, -20.5, -8.0), (2.9, 3.2, 4.2), 0.0)],
    "nigra": [((10.0, -17.5, -12.0), (2.4, 7.0, 3.6), 42.0)],
}  # fmt: skip

# veins and sinuses, each a line of points with a radius; lines off the midline are mirrored
VEINS: list[tuple[float, list[Triple]]] = [
    (3.4, [(0, 76, 10), (0, 68, 38), (0, 46, 64), (0, 14, 80), (0, -20, 87), (0, -55, 82),
           (0, -85, 62), (0, -104, 32), (0, -109, 2), (0, -103, -12)]),
    (2.2, [(0, -40, 6), (0, -70, -2), (0, -103, -12)]),
    (3.2, [(0, -103, -12), (30, -98, -20), (52, -80, -27), (62, -56, -34), (56, -42, -44),
           (38, -34, -58), (32, -14, -64)]),
    (1.1, [(2.5, 4, 11), (2.5, -20, 16), (2, -36, 11), (0, -41, 6)]),
    (1.0, [(10, -2, -18), (18, -18, -13), (12, -36, -3), (0, -41, 5)]),
    (0.9, [(17, -8, 22), (7, 2, 17), (2.5, 4, 11)]),
    (1.1, [(2, -60, -44), (2, -78, -34), (0, -103, -12)]),
    (0.9, [(5, -50, -30), (7, -62, -46), (14, -78, -50), (20, -96, -24)]),
    (0.9, [(0, -46, -24), (0, -42, -6), (0, -41, 4)]),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dentate:
    """One person's nucleus in mm of the template; `size` multiplies every length."""

    side: int  # 1 right, −1 left
    centre: Triple  # of mass
    radii: Triple  # of the ellipsoid that the sheet lies on: lateral, front, up
    arc: float  # half angle of the sheet about the hilum, radians
    height: float  # half height of the sheet along its ellipsoid, mm
    thickness: float  # mm, in the middle
    turn_deg: Triple  # pitch (front up), yaw (front to the midline), roll
    folds: tuple[float, float, float]  # depth (mm) and phases (radians) of the folds
    size: float = 1.0
    hilum: Triple = (0.0, 0.0, 0.0)  # from the centre of mass to the ellipsoid's, own frame

    def sized(self, factor: float) -> "Dentate":
        """Return the nucleus with all lengths multiplied by a factor; the centre stays."""
        return replace(self, size=self.size * factor)


def sample_dentates(rng: np.random.Generator) -> tuple[Dentate, Dentate]:
    """Sample one person's left and right nucleus: one shape with small differences of the sides."""
    shape = {
        "radii": np.array([9.8, 10.0, 11.5]) * np.exp(rng.normal(0, 0.07, 3)),
        "arc": rng.normal(1.55, 0.10),
        "height": rng.normal(7.0, 0.5),
        "thickness": rng.normal(4.0, 0.25),
        "turn_deg": rng.normal((28.0, 12.0, 8.0), (5.0, 4.0, 4.0)),
        "folds": np.array([rng.normal(0.55, 0.1), *rng.uniform(0, 2 * np.pi, 2)]),
        "centre": np.array(CENTRE_MM) + rng.normal(0, WANDER_MM),
    }
    return tuple(_one_side(side, shape, rng) for side in (-1, 1))


def _one_side(side: int, shape: dict, rng: np.random.Generator) -> Dentate:
    away = (*shape["centre"] + rng.normal(0, 0.5, 3),)
    nucleus = Dentate(
        side=side,
        centre=(side * away[0], *away[1:]),
        radii=tuple(shape["radii"] * np.exp(rng.normal(0, 0.03, 3))),
        arc=float(shape["arc"] + rng.normal(0, 0.05)),
        height=float(shape["height"] * np.exp(rng.normal(0, 0.04))),
        thickness=float(shape["thickness"] * np.exp(rng.normal(0, 0.04))),
        turn_deg=tuple(shape["turn_deg"] + rng.normal(0, 2.0, 3)),
        folds=(*shape["folds"] + rng.normal(0, (0.03, 0.4, 0.4)),),
    )
    lattice = np.stack(np.meshgrid(*[np.arange(-16, 17.0)] * 3, indexing="ij"))
    inside = lattice[:, _in_sheet(nucleus, *lattice)]
    return replace(nucleus, hilum=tuple(float(mean) for mean in inside.mean(axis=1)))


def in_dentate(nucleus: Dentate, offset: Float[ndarray, "3 ..."]) -> Bool[ndarray, "..."]:
    """Mark points inside the nucleus.

    Args:
        nucleus: of one side.
        offset: x, y, z from its centre of mass, template mm.
    """
    mirrored = np.array([nucleus.side, 1, 1], dtype=np.float32)
    turn = Rotation.from_euler("XZY", nucleus.turn_deg, degrees=True)
    own = (turn.as_matrix().T / nucleus.size * mirrored).astype(np.float32)
    points = np.tensordot(own, offset, axes=1)
    return _in_sheet(
        nucleus, *(axis + mean for axis, mean in zip(points, nucleus.hilum, strict=True))
    )


def _in_sheet(
    nucleus: Dentate, lateral: ndarray, front: ndarray, up: ndarray
) -> Bool[ndarray, "..."]:
    """Mark points inside the sheet: near its surface and within its outline.

    Coordinates are relative to the centre of the ellipsoid.
    """
    a, b, c = nucleus.radii
    level = np.sqrt((lateral / a) ** 2 + (front / b) ** 2 + (up / c) ** 2) + 1e-6
    slope = np.sqrt((lateral / a**2) ** 2 + (front / b**2) ** 2 + (up / c**2) ** 2) / level + 1e-6
    angle = np.arctan2(front / b, lateral / a)
    depth, first, second = nucleus.folds
    waves = np.sin(11 * angle + first) + np.sin(0.9 * up + 3 * angle + second)
    outline = (angle / nucleus.arc) ** 2 + (up / nucleus.height) ** 2
    half = 0.5 * nucleus.thickness * np.sqrt(np.maximum(1 - outline**2, 0))
    return np.abs((level - 1) / slope - 0.5 * depth * waves) < half
