"""Batches of synthetic patches, made from label maps while a network trains."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset

from neurotarget.data.augmentation.augment import Transforms
from neurotarget.data.augmentation.augmenter import Augmenter
from neurotarget.data.augmentation.batch_plan import Plan
from neurotarget.data.augmentation.batch_transforms import Cut, Shape, augmented
from neurotarget.data.batches.batch_cuts import seeds_of
from neurotarget.shapes import Batch
from neurotarget.synthesis.deformation import (
    Deformation,
    Placement,
    every_voxel,
    own_positions,
    place,
)
from neurotarget.synthesis.label_map import LabelMap, open_map
from neurotarget.synthesis.look import Look, draw_greys
from neurotarget.synthesis.population import is_of_brain
from neurotarget.synthesis.render import Sample, codes_at, cut_head, draw_image, read_codes, scaled
from neurotarget.synthesis.tissues import FLUID, known_tissues
from neurotarget.types import Target

MOST_OPEN = 64  # label maps that a process keeps open


class Scene(Protocol):
    """Structures that are drawn anew into every patch, such as a gland that no map has.

    An implementation must take all randomness from the generators that it is given.
    """

    def centre_mm(self, label_map: LabelMap) -> ndarray:
        """Point about which patches lie, in mm from the first voxel of the map along its axes."""

    def draw(
        self, codes: ndarray, where_mm: ndarray, label_map: LabelMap, rng: np.random.Generator
    ) -> None:
        """Change the codes (I, J, K) of a patch, in place.

        Args:
            codes: uint8 numbers of the rows of `tissues.tsv`.
            where_mm: place of each voxel (3, I, J, K), in mm from the first voxel of the map.
            label_map: the map that the patch lies in.
            rng: the only source of randomness, so that seed and draw determine the patch.
        """

    def look(self, mean: ndarray, rng: np.random.Generator) -> None:
        """Change the mean grey value of each tissue, in place; 1 is the brightest of the brain."""


@dataclass(frozen=True)
class Synthesis:
    """Ranges in which synthetic scans differ: shapes, grey values, and gain after scaling.

    `gain` is the range of the factor on the scaled image, `offset` the largest number added to it
    or subtracted from it. `scene` draws further structures; patches then lie about its centre.
    """

    deformation: Deformation = field(default_factory=Deformation)
    look: Look = field(default_factory=Look)
    gain: tuple[float, float] = (0.75, 1.2)
    offset: float = 0.08
    scene: Scene | None = None


class SampleBatch(NamedTuple):
    """Samples of a batch and the plan of their artefacts, as plain tensors.

    Samples are those of all contrasts of the first patch, then of the second. A worker process
    sends them to the device, where they become images.
    """

    samples: list[Sample]
    mirrored: list[bool]
    plan: Plan
    case_ids: list[str]
    indices: list[int]  # numbers of the sampler


class SyntheticBatches(Dataset):
    """Batches of draws from label maps: seed and draw determine every voxel.

    `class_of_code` has the network's class of each code of `tissues`. A batch is finished where it
    is made, or with `is_finished=False` later, by `finish`, on the device of the batch.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        target: Target,
        class_of_code: ndarray,
        synthesis: Synthesis,
        transforms: Transforms,
        seed: int,
        is_finished: bool = True,
    ) -> None:
        self.folders, self.seed, self.synthesis = [*folders], seed, synthesis
        self.sides, self.spacing_mm = tuple(target.patch_vox), tuple(target.spacing_mm)
        self.contrasts = len(target.channels)
        self.classes = torch.from_numpy(class_of_code.astype(np.int64))
        self.swap = torch.tensor([*target.swap, target.ignored_class])
        self.augmenter = Augmenter(transforms, self.contrasts, self.sides, self.sides)
        self.shape = Shape(self.sides, 1.0, ())
        self.is_finished = is_finished
        self._open: dict[int, LabelMap] = {}

    def __getitem__(self, indices: Sequence[int]) -> Batch | SampleBatch:
        batch = self.draw(indices)
        return self.finish(batch) if self.is_finished else batch

    def draw(self, indices: Sequence[int]) -> SampleBatch:
        """Draw what the patches of a batch are made from, and read their label maps, on the CPU.

        `indices` are numbers of the sampler; see `split`.
        """
        samples, mirrored, names = [], [], []
        seeds = [seeds_of(self.seed, self.split(index)[0]) for index in indices]
        for index, (first, second) in zip(indices, seeds, strict=True):
            label_map = self._map(self.split(index)[1])
            rng = np.random.default_rng(first)
            region, placed = self._place(label_map, rng)
            samples += [
                self._sample(region, placed.positions, rng, second + number)
                for number in range(self.contrasts)
            ]
            mirrored.append(placed.is_mirrored)
            names.append(label_map.case_id)
        plan = self.augmenter.plan(self.augmenter.numbers(seeds), seeds, is_wide=False)
        return SampleBatch(samples, mirrored, plan, names, [*indices])

    def split(self, index: int) -> tuple[int, int]:
        """Number of the draw, and of the label map, of one of the sampler's numbers."""
        return divmod(index, len(self.folders))

    def numbers(self, batch: SampleBatch, place_: int) -> ndarray:
        """FreeSurfer's number of each voxel (I, J, K) of a patch of a batch.

        A mirrored patch has the map's numbers, without an exchange of left and right. `place_` is
        the patch's place in the batch, from 0.
        """
        codes = read_codes(batch.samples[place_ * self.contrasts], self.sides)
        return np.array(known_tissues().ids)[codes.cpu().numpy()]

    def finish(self, batch: SampleBatch) -> Batch:
        """Make the images (B, C, I, J, K) and label maps (B, I, J, K) of a batch on its device.

        Labels of a mirrored patch have left and right exchanged, as the mirrored anatomy has.
        """
        images, labels = [], []
        device = batch.samples[0].region.device
        classes, swap = self.classes.to(device), self.swap.to(device)
        for number, is_mirrored in enumerate(batch.mirrored):
            samples = batch.samples[number * self.contrasts : (number + 1) * self.contrasts]
            codes = read_codes(samples[0], self.sides)
            images.append(
                torch.stack([cut_head(draw_image(codes, one), codes, one) for one in samples])
            )
            found = classes.index_select(0, codes.reshape(-1).int()).reshape(codes.shape)
            labels.append(swap[found] if is_mirrored else found)
        image, label = torch.stack(images), torch.stack(labels)
        rows = torch.arange(len(image), device=device)
        none = image.new_empty(0, *image.shape[1:])
        image, _ = augmented(Cut(rows, image, None, none, None, batch.plan), self.shape)
        for place_, sample in enumerate(batch.samples):
            number, contrast = divmod(place_, self.contrasts)
            image[number, contrast] = scaled(image[number, contrast], sample.gain)
        return Batch(image, label, batch.case_ids)

    def _map(self, number: int) -> LabelMap:
        if number not in self._open:
            if len(self._open) >= MOST_OPEN:
                del self._open[next(iter(self._open))]
            self._open[number] = open_map(self.folders[number])
        return self._open[number]

    def _place(
        self, label_map: LabelMap, rng: np.random.Generator
    ) -> tuple[Integer[Tensor, "_ _ _"], Placement]:
        """Codes of the part of a map that a patch needs, and where in it the patch lies."""
        scene, deformation = self.synthesis.scene, self.synthesis.deformation
        about = None if scene is None else scene.centre_mm(label_map)
        placed = place(label_map, deformation, self.sides, self.spacing_mm, rng, about_mm=about)
        low, high = _span(placed.positions, label_map.codes.shape)
        region = label_map.codes[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        first = torch.tensor(low, dtype=torch.float32)[:, None, None, None]
        region, inside = region.contiguous(), placed.positions - first
        if scene is None:
            return region, placed._replace(positions=inside)
        codes = codes_at(region, inside, self.sides)
        where = every_voxel(placed.positions[None], self.sides)[0].numpy()
        where *= np.float32(label_map.spacing_mm)[:, None, None, None]
        scene.draw(codes.numpy(), where, label_map, rng)
        return codes, placed._replace(positions=own_positions(self.sides))

    def _sample(
        self,
        region: Integer[Tensor, "_ _ _"],
        positions: Float[Tensor, "3 _ _ _"],
        rng: np.random.Generator,
        seed: int,
    ) -> Sample:
        known, greys = known_tissues(), draw_greys(self.synthesis.look, rng)
        if self.synthesis.scene is not None:
            self.synthesis.scene.look(greys.mean, rng)
        tissue = known.tissue_of_code
        tables = [torch.from_numpy(part[tissue]).float() for part in greys[:3]]
        solid = is_of_brain() & (np.array(known.places)[tissue] != FLUID)
        gain = float(rng.uniform(*self.synthesis.gain))
        offset = float(rng.uniform(-1, 1) * self.synthesis.offset)
        plane = None if greys.face_plane is None else torch.from_numpy(greys.face_plane).float()
        return Sample(
            region,
            positions,
            *tables,
            torch.from_numpy(solid).float(),
            greys.strip_level,
            plane,
            (gain, offset),
            seed,
        )


def _span(positions: Tensor, sides: Sequence[int]) -> tuple[list[int], list[int]]:
    """First voxel and the one after the last that positions reach, at least one voxel."""
    low, high = [], []
    for place_, side in zip(positions, sides, strict=True):
        first = min(max(int(place_.min().floor()), 0), side - 1)
        low.append(first)
        high.append(max(min(int(place_.max().ceil()) + 1, side), first + 1))
    return low, high
