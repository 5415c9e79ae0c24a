"""Whole heads with label maps, each with a generated pituitary gland."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from neurotarget.data.scans.geometry import whole_grid
from neurotarget.phantom.brain.cohort import Grown, HeadCohort
from neurotarget.phantom.brain.plan import HeadPlan, Person
from neurotarget.phantom.sella.landmarks import find_landmarks
from neurotarget.phantom.sella.scene import SellaScene
from neurotarget.phantom.sella.shape import draw_shape, paint
from neurotarget.synthesis.label_map import to_codes
from neurotarget.synthesis.tissues import known_tissues

BOX_MM = 32.0  # half the side of the cube that is generated again


@dataclass(frozen=True)
class SellaPlan(HeadPlan):
    """Heads as in `HeadPlan`, and settings of their generated sellae."""

    kind = "sella"

    scene: SellaScene = field(default_factory=SellaScene)


@dataclass(frozen=True)
class SellaCohort(HeadCohort):
    """Heads as in `HeadCohort`, with both lobes and the stalk of a generated gland in the maps."""

    bar_text: ClassVar[str] = "generating heads with glands"

    plan: SellaPlan = field(default_factory=SellaPlan)

    def grow(self, person: Person, number: int) -> Grown:
        """Return the label map of a person with a generated sella."""
        grown, scene = super().grow(person, number), self.plan.scene
        spacing = np.linalg.norm(grown.affine[:3, :3], axis=0)
        grid = whole_grid(grown.ids.shape, grown.affine, tuple(spacing.tolist()))
        codes = grid.canonical(to_codes(grown.ids, case_id=person.case_id))
        sides_mm = np.linalg.norm(grid.canonical_affine[:3, :3], axis=0)
        marks = find_landmarks(codes, sides_mm, case_id=person.case_id)
        rng = np.random.default_rng([self.plan.seed, 3, number])
        shape = draw_shape(marks, rng, empty=scene.empty, whole=scene.whole)
        box = tuple(
            slice(max(int((middle - BOX_MM) / side), 0), int((middle + BOX_MM) / side) + 1)
            for middle, side in zip(shape.centre_mm, sides_mm, strict=True)
        )
        lines = [
            np.arange(span.start, min(span.stop, side), dtype=np.float32) * np.float32(step)
            for span, side, step in zip(box, codes.shape, sides_mm, strict=True)
        ]
        where_mm = np.stack(np.meshgrid(*lines, indexing="ij"))
        paint(codes[box], where_mm, shape, spot=bool(rng.random() < scene.spot))
        ids = np.array(known_tissues().ids, dtype=np.uint16)
        return Grown(ids[grid.stored(codes)], grown.affine)
