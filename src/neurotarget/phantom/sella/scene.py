"""Synthesis of scans of the pituitary: position of patches, generated structures, contrast."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from neurotarget.phantom.sella.landmarks import Landmarks, find_landmarks
from neurotarget.phantom.sella.shape import draw_shape, paint
from neurotarget.synthesis.label_map import LabelMap, open_map
from neurotarget.synthesis.tissues import known_tissues

LEFT_MM = (10.0, 24.0)  # remaining length of the head around the sella in a cropped scan


@dataclass(frozen=True)
class SellaScene:
    """A new gland for every patch, in the pituitary fossa of a label map or with new surroundings.

    All settings are probabilities. `whole`: bone, sinus, vessels and nerves are generated with the
    gland; otherwise those of the map are kept. `empty`: the sella is partially empty. `spot`: the
    posterior lobe has a different grey value. `cropped`: the scan ends near the sella. `flow_void`:
    arteries are dark. `inflow`: arteries are bright. `alike`: cavernous sinuses look like the
    gland.
    """

    whole: float = 0.6
    empty: float = 0.25
    spot: float = 0.75
    cropped: float = 0.1
    flow_void: float = 0.4
    inflow: float = 0.3
    alike: float = 0.3

    def centre_mm(self, label_map: LabelMap) -> Float[ndarray, "3"]:
        """Return the middle of the sella, mm from the first voxel of the map."""
        return marks_of(label_map).floor_mm + np.array([0.0, 0.0, 3.0])

    def draw(
        self,
        codes: UInt8[ndarray, "I J K"],
        where_mm: Float[ndarray, "3 I J K"],
        label_map: LabelMap,
        rng: np.random.Generator,
    ) -> None:
        """Generate a sella in the codes of a patch, in place.

        Args:
            codes: tissues of the patch.
            where_mm: position of the patch's voxels, mm from the first voxel of the map.
            label_map: gives chiasm and floor.
            rng: random numbers of the sella, and of a scan that ends near it.
        """
        shape = draw_shape(marks_of(label_map), rng, empty=self.empty, whole=self.whole)
        paint(codes, where_mm, shape, spot=bool(rng.random() < self.spot))
        if rng.random() < self.cropped:
            axis, sign = rng.integers(3), rng.choice([-1, 1])
            beyond = (where_mm[axis] - shape.centre_mm[axis]) * sign > rng.uniform(*LEFT_MM)
            codes[beyond] = 0

    def look(self, mean: Float[ndarray, " T"], rng: np.random.Generator) -> None:
        """Vary the grey values of the tissues of the sella, in place.

        Args:
            mean: grey value of each tissue, as sampled by `synthesis.look.draw_greys`.
            rng: of the patch.
        """
        number = known_tissues().names.index
        gland, spot, vein = number("pituitary"), number("neurohypophysis"), number("vein")
        mean[gland] *= np.exp(rng.normal(0.05, 0.18))
        flow = rng.random()
        if flow < self.flow_void:
            mean[number("artery")] = rng.uniform(0.0, 0.3)
        elif flow < self.flow_void + self.inflow:
            mean[number("artery")] = rng.uniform(0.8, 1.7)
        if rng.random() < self.alike:
            mean[vein] = mean[gland] * rng.uniform(0.8, 1.15)
        if rng.random() < 0.5:  # vasopressin shortens T1
            mean[spot] = mean[gland] * rng.uniform(1.1, 1.9)
        mean[number("marrow")] *= rng.uniform(0.05, 1.6)  # red or fatty


def marks_of(label_map: LabelMap) -> Landmarks:
    """Return the landmarks of a map, which are found once per process.

    Raises:
        DataError: the map has no optic chiasm.
    """
    return _marks_in(label_map.entry.folder)


@lru_cache(maxsize=1024)
def _marks_in(folder: Path) -> Landmarks:
    label_map = open_map(folder)
    return find_landmarks(label_map.codes.numpy(), label_map.spacing_mm, case_id=label_map.case_id)
