"""Shapes of populations: fields that enlarge or shrink structures, and shapes of heads.

Ageing and Alzheimer's disease enlarge ventricles and sulci, and shrink hippocampus and amygdala;
many East Asian heads are shorter and wider. A network that trains on such shapes meets them before
it sees such people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from neurotarget.synthesis.tissues import BRAIN, FLUID, known_tissues

FIELDS: Mapping[str, tuple[str, ...]] = {  # tissues that each field enlarges
    "ventricles": ("ventricle", "inferior_ventricle", "third_ventricle", "choroid_plexus"),
    "medial_temporal": ("hippocampus", "amygdala"),
    "sulci": ("csf",),
}
WIDTH_MM = {"ventricles": 4.0, "medial_temporal": 3.0, "sulci": 2.5}  # SD of the edge


@dataclass(frozen=True)
class Population:
    """Probability and largest strength of each change of shape; a probability of 0 turns it off.

    The strength of ageing is uniform between 0 and 1. At 1 the walls of the ventricles move
    outwards by `ventricles_mm`, those of hippocampus and amygdala inwards by `medial_temporal_mm`,
    and sulci widen by `sulci_mm` on each side, each times a factor from 0.5 to 1. With the usual
    values a real map's ventricles grew by up to 71 %, hippocampus and amygdala shrank by up to
    30 % and the fluid around the brain grew by up to 24 %. A wide head is shorter by up to
    `shorter` and wider by up to `wider`, as shares.
    """

    ageing: float = 0.5
    ventricles_mm: float = 4.0
    medial_temporal_mm: float = 1.2
    sulci_mm: float = 0.8
    young: float = 0.2  # probability of narrower ventricles
    narrower_mm: float = 0.7
    wide_head: float = 0.3
    shorter: float = 0.1
    wider: float = 0.08

    def amounts_mm(self, rng: np.random.Generator) -> Float[ndarray, " fields"]:
        """Draw the movement in mm of the walls of each field's structures; outwards is positive.

        Values are in the order of `FIELDS`; all are 0 in a head that neither ages nor has narrow
        ventricles.
        """
        kind, strength = rng.random(), rng.random()
        factors = strength * rng.uniform(0.5, 1.0, len(FIELDS))
        if kind < self.ageing:
            largest = (self.ventricles_mm, -self.medial_temporal_mm, self.sulci_mm)
            return factors * np.array(largest)
        if kind < self.ageing + self.young:
            return factors * np.array((-self.narrower_mm, 0.0, 0.0))
        return np.zeros(len(FIELDS))

    def scale(self, rng: np.random.Generator) -> Float[ndarray, "3"]:
        """Factors of a head's width, length and height.

        All are 1 in a head that is not wide.
        """
        strength = rng.random() if rng.random() < self.wide_head else 0.0
        return np.array([1 + self.wider * strength, 1 - self.shorter * strength, 1.0])


def displacement_fields(
    codes: ndarray, spacing_mm: Sequence[float], *, step: Sequence[int]
) -> Float[ndarray, "channels i j k"]:
    """Unit displacements of the three fields on every `step`-th voxel, float16, 3 axes each.

    Reading a map at x + a·u moves the walls of a field's structures outwards by about a, in mm: u
    is the gradient of the blurred structure, which points inwards and has a length of 1 at a
    straight wall. It is smaller away from the wall, so that a wall moves by somewhat less than a.

    Args:
        codes: of the map, (I, J, K).
        spacing_mm: sides of a voxel.
        step: voxels between the displacements along each axis.
    """
    known = known_tissues()
    fields = []
    for name, tissues in FIELDS.items():
        numbers = [known.names.index(tissue) for tissue in tissues]
        inside = np.isin(known.tissue_of_code, numbers)[codes].astype(np.float32)
        width = WIDTH_MM[name]
        blurred = gaussian_filter(inside, [width / side for side in spacing_mm], truncate=3)
        edges = np.gradient(blurred, *spacing_mm)
        every = tuple(slice(None, None, one) for one in step)
        fields += [edge[every] * (width * np.sqrt(2 * np.pi)) for edge in edges]
    return np.stack(fields).astype(np.float16)


def is_of_brain() -> ndarray:
    """Mark the codes of brain and fluid, which skull stripping keeps; (codes,) bool."""
    known = known_tissues()
    kept = [place in (BRAIN, FLUID) for place in known.places]
    return np.array(kept)[known.tissue_of_code]
