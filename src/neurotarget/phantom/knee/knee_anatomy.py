"""A right knee from formulas: tissue at any point, with torn or whole ligaments and menisci.

Points are (x, y, z) in mm: x to the medial side, y to the front, z up; the joint space is at 0.
Sizes are rounded sizes of adults. The pictures are recognisable as a knee, but not realistic.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.phantom.knee.knee_plan import YES, KneePerson

Coordinates = tuple[ndarray, ndarray, ndarray]
Places = Bool[ndarray, "I J K"]


class Tissue(IntEnum):
    """Materials of a knee."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    CORTEX = 3
    MARROW = 4
    CARTILAGE = 5
    MENISCUS = 6
    LIGAMENT = 7
    FLUID = 8
    OEDEMA = 9  # of marrow
    FRAYED = 10  # torn fibres in fluid


class Mark(IntEnum):
    """Labels of the findings in label maps of marks."""

    NONE = 0
    ACL = 1
    MENISCUS = 2
    OTHER = 3


class Tear(NamedTuple):
    """Position and shape of the tears of one knee, as shares from 0 to 1 of their ranges."""

    place: float  # along the ligament
    gap: float
    angle: float  # along the arc of the meniscus
    tilt: float
    spot: float  # of another finding


ACL = ((-8.0, -13.0, 17.0), (2.0, 12.0, -9.0))  # from the lateral condyle to the front of the tibia
PCL = ((7.0, 6.0, 7.0), (0.0, -23.0, -16.0))
RING_MM, WIDE_MM, HIGH_MM = 14.5, 5.5, 3.6  # menisci: radius of the arc, half width, half height
SIDES = {"medial": 22.0, "lateral": -22.0}


class Knee:
    """Tissues and marks of one knee at a grid of points.

    Args:
        points: coordinates of the points in mm, three arrays of one shape.
        person: findings to generate.
        tear: position and shape of the tears.

    `tissue` and `mark` have the shape of the points, and values of `Tissue` and `Mark`.
    """

    def __init__(self, points: Coordinates, person: KneePerson, tear: Tear) -> None:
        self.x, self.y, self.z = points
        self.person, self.tear = person, tear
        self.tissue = np.zeros(self.x.shape, dtype=np.uint8)
        self.mark = np.zeros(self.x.shape, dtype=np.uint8)
        self._soft()
        self._bones()
        self._joint()
        self._ligaments()
        for side in SIDES:
            self._meniscus(side)
        self._other()

    def _soft(self) -> None:
        leg = self._radius((0, -6, 0), (57, 60, 1e6))
        self._paint(leg < 1, Tissue.FAT)
        inner = self._radius((0, -8, 0), (48, 50, 1e6))
        behind = (inner < 1) & (self.y < -14 + 0.15 * np.abs(self.z))
        self._paint(behind, Tissue.MUSCLE)
        self._paint((inner < 1) & (self.z > 28) & (self.y < 34), Tissue.MUSCLE)
        self._paint(self._radius((0, -34, 0), (5, 5, 1e6)) < 1, Tissue.FLUID)  # popliteal vessels
        self._paint(self._rod((0, 43, 0), (0, 30, -42)) < 4, Tissue.LIGAMENT)
        self._paint(self._rod((0, 42, 34), (0, 34, 90)) < 5, Tissue.LIGAMENT)

    def _bones(self) -> None:
        for grown, tissue in ((0.0, Tissue.CORTEX), (-1.6, Tissue.MARROW)):
            self._paint(self._femur(grown) | self._tibia(grown), tissue)
            self._paint(self._radius((0, 42, 18), (20, 9, 19), grown) < 1, tissue)
            self._paint(self._rod((-32, -16, -24), (-32, -16, -90)) < 8 + grown, tissue)

    def _femur(self, grown: float) -> Places:
        condyles = [self._radius((x, -6, 19), (19, 30, 22), grown) < 1 for x in SIDES.values()]
        trochlea = self._radius((0, 14, 24), (24, 16, 18), grown) < 1
        shaft = (np.hypot(self.x, self.y - 6) < 15 + grown + 0.2 * (48 - self.z).clip(0, 20)) & (
            self.z > 26 - grown
        )
        notch = (np.abs(self.x) < 9 - grown) & (self.y < 4 - grown) & (self.z < 26)
        return (condyles[0] | condyles[1] | trochlea | shaft) & ~notch

    def _tibia(self, grown: float) -> Places:
        depth = (-8 - self.z).clip(0, 60)
        wide = (38 - 0.75 * depth).clip(16) + grown
        long = (25 - 0.35 * depth).clip(14) + grown
        inside = (self.x / wide) ** 2 + ((self.y + 2) / long) ** 2 < 1
        spines = self._radius((0, -1, -9), (6, 7, 6), grown) < 1
        return (inside & (self.z < -8 + grown)) | (spines & (self.z < 0))

    def _joint(self) -> None:
        """Paint cartilage on condyles and plateau, and fluid."""
        free = (self.tissue == Tissue.FAT) | (self.tissue == Tissue.MUSCLE)
        for x in SIDES.values():
            near = self._radius((x, -6, 19), (19, 30, 22), 3.0) < 1
            self._paint(free & near & (self.z < 14) & (np.abs(self.x) > 8), Tissue.CARTILAGE)
        plateau = (np.hypot(self.x / 36, (self.y + 2) / 23) < 1) & (self.z > -8) & (self.z < -5.5)
        self._paint(free & plateau & (np.abs(self.x) > 7), Tissue.CARTILAGE)
        thick = 6.0 if self.person.effusion == YES else 1.2
        pouch = self._radius((0, 33, 44), (24, thick, 22)) < 1
        at_sides = self._radius((0, 20, 6), (42, 14, 2.0 + thick)) < 1
        free = (self.tissue == Tissue.FAT) | (self.tissue == Tissue.MUSCLE)
        self._paint(free & (pouch | (at_sides & (np.abs(self.x) > 20))), Tissue.FLUID)

    def _ligaments(self) -> None:
        self._paint(self._rod(*PCL) < 5, Tissue.LIGAMENT)
        for x in (41.0, -42.0):
            self._paint(self._rod((x, -2, 22), (0.9 * x, 0, -34)) < 2.2, Tissue.LIGAMENT)
        if self.person.acl != YES:
            self._paint(self._rod(*ACL) < 4.2, Tissue.LIGAMENT)
            return
        start, end = (np.array(point) for point in ACL)
        share = 0.3 + 0.4 * self.tear.place
        half = (0.12 + 0.2 * self.tear.gap) / 2
        middle = start + share * (end - start)
        sunk = np.array([0.0, 2.0, -4.0])  # the lower stump sags
        upper, lower = (
            start + (share - half) * (end - start),
            start + (share + half) * (end - start),
        )
        haze = self._rod(start, end) < 7.0
        notch = haze & (self.tissue != Tissue.CORTEX) & (self.tissue != Tissue.MARROW)
        self._paint(notch, Tissue.FRAYED, Mark.ACL)
        self._paint(self._rod(start, upper) < 3.6, Tissue.LIGAMENT)
        self._paint(self._rod(lower + sunk, end) < 3.6, Tissue.LIGAMENT)
        self._paint(self._radius(middle, (6, 6, 6)) < 1, Tissue.FLUID, Mark.ACL)
        if self.person.bruise == YES:
            self._bruise((-24, 8, 8), 11)
            self._bruise((-24, -18, -15), 12)

    def _bruise(self, centre: Sequence[float], radius: float) -> None:
        wave = 1 + 0.25 * np.sin(0.5 * self.x + 3 * self.tear.spot) * np.cos(0.6 * self.z)
        near = self._radius(centre, (radius, radius, radius)) < wave
        self._paint(near & (self.tissue == Tissue.MARROW), Tissue.OEDEMA)

    def _meniscus(self, side: str) -> None:
        centre = SIDES[side]
        outward = np.sign(centre) * (self.x - centre)
        angle = np.arctan2(self.y + 2, outward)  # 0 points away from the middle of the knee
        across = np.hypot(self.x - centre, self.y + 2) - RING_MM
        wedge = HIGH_MM * (0.35 + 0.65 * ((across + WIDE_MM) / (2 * WIDE_MM)).clip(0, 1))
        body = (np.abs(across) < WIDE_MM) & (np.abs(self.z + 2.5) < wedge) & (np.abs(angle) < 2.5)
        free = (self.tissue != Tissue.CORTEX) & (self.tissue != Tissue.MARROW)
        self._paint(body & free, Tissue.MENISCUS)
        if self.person.torn_side != side:
            return
        # the posterior horn tears most often; the slit runs obliquely to a surface
        place = -1.9 + 1.3 * self.tear.angle
        near = np.abs(angle - place) < 0.55
        slope = 0.7 * (self.tear.tilt - 0.5)
        slit = np.abs(self.z + 2.5 - slope * across) < 1.7
        self._paint(body & free & near & slit, Tissue.FLUID, Mark.MENISCUS)
        frayed = (across < -WIDE_MM + 4) & near & body & free
        self._paint(frayed, Tissue.FRAYED, Mark.MENISCUS)

    def _other(self) -> None:
        side = "medial" if self.tear.spot < 0.5 else "lateral"
        centre = SIDES[side]
        if self.person.other == "oedema":
            self._bruise((centre, -4, 12), 13)
            self._bruise((centre, 0, -20), 9)
            self.mark[self.tissue == Tissue.OEDEMA] = Mark.OTHER
        if self.person.other == "cartilage":
            bare = self._radius((centre, -2, -4), (11, 15, 7)) < 1
            self._paint(bare & (self.tissue == Tissue.CARTILAGE), Tissue.FLUID, Mark.OTHER)
            under = self._radius((centre, -2, 2), (9, 12, 7)) < 1
            self._paint(under & (self.tissue == Tissue.MARROW), Tissue.OEDEMA, Mark.OTHER)

    def _paint(self, where: Places, tissue: Tissue, mark: Mark | None = None) -> None:
        self.tissue[where] = tissue
        if mark is not None:
            self.mark[where] = mark

    def _radius(
        self, centre: Sequence[float], radii: Sequence[float], grown: float = 0.0
    ) -> Float[ndarray, "I J K"]:
        """Distance from a centre in units of the radii of an ellipsoid, each `grown` mm longer."""
        terms = zip((self.x, self.y, self.z), centre, radii, strict=True)
        return np.sqrt(sum(((a - c) / (r + grown)) ** 2 for a, c, r in terms))

    def _rod(self, start: Sequence[float], end: Sequence[float]) -> Float[ndarray, "I J K"]:
        """Distance in mm from a line between two points."""
        # plain numbers keep the grids in float32, which halves the time
        begin, along = [*map(float, start)], [float(b - a) for a, b in zip(start, end, strict=True)]
        apart = [axis - at for axis, at in zip((self.x, self.y, self.z), begin, strict=True)]
        share = sum(a * d for a, d in zip(apart, along, strict=True))
        share = (share / sum(d * d for d in along)).clip(0, 1)
        return np.sqrt(sum((a - share * d) ** 2 for a, d in zip(apart, along, strict=True)))
