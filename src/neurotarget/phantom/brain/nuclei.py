"""The structures inside the brain: ventricles, deep grey matter, brain stem, hippocampus.

Positions are in MNI152 mm, of the right side; the left side is a mirror image. Volumes follow the
means of healthy adults, scaled to the size of MNI152 space (about 1.25 times that of a person).
"""

from collections.abc import Sequence
from typing import NamedTuple

from neurotarget.phantom.brain.hulls import BRAIN_STEM
from neurotarget.phantom.brain.solids import Solid, Superquadric, Tube


class Part(NamedTuple):
    """A structure as a union of solids; `left` is 0 if it lies in the middle.

    The structure is painted only over the ids `over`; empty means over all ids.
    """

    right: int
    left: int
    solids: Sequence[Solid]
    over: tuple[int, ...] = ()


LATERAL = (  # body and horns of a lateral ventricle, front to back
    Tube(((7.0, 32.0, 1.0), (8.0, 22.0, 9.0), (8.5, 8.0, 17.0)), (3.9, 6.3, 6.6), 1.3),
    Tube(((8.5, 8.0, 17.0), (10.0, -10.0, 22.0), (15.0, -28.0, 20.0)), (6.6, 6.0, 6.6), 1.2),
    Tube(((15.0, -28.0, 20.0), (24.0, -42.0, 11.0), (28.0, -42.0, 2.0)), (6.6, 9.9, 6.3), 1.2),
    Tube(((24.0, -42.0, 11.0), (25.0, -58.0, 8.0), (22.0, -74.0, 6.0)), (9.0, 5.1, 2.1), 1.2),
)
CHOROID = (
    Tube(((8.0, 2.0, 14.0), (11.0, -14.0, 18.0), (18.0, -32.0, 15.0)), (2.0, 2.7, 3.6)),
    Tube(((18.0, -32.0, 15.0), (24.0, -42.0, 8.0)), (3.6, 4.8)),
)
INFERIOR_HORN = (
    Tube(
        ((30.0, -42.0, 0.0), (36.0, -30.0, -8.0), (36.0, -17.0, -15.0), (30.0, -7.0, -18.0)),
        (3.4, 2.4, 2.3, 2.5),
    ),
)
HIPPOCAMPUS = (
    Tube(
        ((22.0, -9.0, -21.0), (27.0, -15.0, -20.0), (31.0, -26.0, -13.0), (28.0, -35.0, -4.0)),
        (5.4, 6.9, 5.6, 4.5),
    ),
    Tube(((28.0, -35.0, -4.0), (21.0, -39.0, 4.0)), (4.5, 2.6)),
)
CAUDATE = (
    Tube(
        ((11.0, 19.0, -3.0), (13.0, 16.0, 5.0), (14.5, 6.0, 15.0), (17.0, -8.0, 21.0)),
        (4.8, 6.7, 5.5, 3.8),
    ),
    Tube(((17.0, -8.0, 21.0), (21.0, -22.0, 20.0), (29.0, -33.0, 10.0)), (3.8, 2.9, 1.8)),
)
WHITE = (2, 41)
DEEP = (*WHITE, 3, 42, 24)

PARTS = (
    Part(60, 28, (Superquadric((10.5, -15.0, -9.0), (10.2, 12.4, 9.6), 2.3),), DEEP),
    Part(16, 0, BRAIN_STEM, (*DEEP, 7, 46, 8, 47, 28, 60)),
    Part(43, 4, LATERAL),
    Part(50, 11, CAUDATE),
    Part(51, 12, (Superquadric((27.0, 2.0, 1.0), (7.3, 21.5, 12.1), 2.0, (0.0, -12.0, -10.0)),)),
    Part(58, 26, (Superquadric((10.0, 12.0, -7.5), (5.2, 6.0, 4.8)),)),
    Part(52, 13, (Superquadric((19.5, -4.0, 0.0), (4.9, 11.7, 8.1), 2.0, (0.0, -15.0, -22.0)),)),
    Part(49, 10, (Superquadric((12.0, -18.5, 7.5), (10.6, 17.1, 11.0), 2.3, (0.0, 0.0, 20.0)),)),
    Part(44, 5, INFERIOR_HORN),
    Part(53, 17, HIPPOCAMPUS),
    Part(54, 18, (Superquadric((23.0, -2.0, -20.0), (8.2, 7.4, 7.4), 2.2),)),
    Part(163, 136, CHOROID, (4, 43)),
    Part(14, 0, (Superquadric((0.0, -12.0, 0.0), (2.6, 15.0, 11.0), 2.6),)),
    Part(15, 0, (Superquadric((0.0, -43.0, -34.0), (7.0, 6.4, 13.9), 1.8, (18.0, 0.0, 0.0)),)),
    Part(85, 0, (Superquadric((0.0, 5.0, -17.0), (8.5, 3.6, 2.0), 2.2),), (*DEEP, 28, 60, 14)),
)
SEPTUM_MM = 0.5  # half of the gap between the two sides
FLUID_PARTS = frozenset({4, 5, 14, 15, 43, 44})
SHRINKING = frozenset({17, 18, 53, 54})  # faster than the rest of the brain after 60 years
