"""Batches of patches, cut out of memory maps directly into one array and augmented together.

Each draw has the case and position that `Regions` gives it, and its own random numbers for the
augmentation, so that a patch does not depend on its batch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torchio as tio
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset

from neurotarget.data.augmentation.augment import Transforms
from neurotarget.data.augmentation.augmenter import Augmenter, Numbers, Seeds
from neurotarget.data.augmentation.batch_transforms import Cut, Shape, augmented
from neurotarget.data.batches.cache import HeldEntry
from neurotarget.data.batches.draws import Draws, cut_into
from neurotarget.data.batches.patches import seeded
from neurotarget.shapes import Batch

NO_TRANSFORMS = Transforms({}, [], ())


class CutBatch(NamedTuple):
    """Patches of a batch before their augmentation.

    It holds plain tensors, so that it can be copied to another device.

    Attributes:
        near: patches that are augmented within their own voxels; its `rows` may be empty.
        wide: patches whose whole region is augmented; None if no transform needs it.
        case_ids: of all patches, in the order of the batch.
        outcomes: codes (B, outcomes), NaN where unknown; None where the network learns label maps.
        indices: numbers that the sampler gave, see `Draws.split`.
    """

    near: Cut
    wide: Cut | None
    case_ids: list[str]
    outcomes: Tensor | None
    indices: list[int]


class Places(NamedTuple):
    """Draws of a batch.

    Attributes:
        indices: numbers that the sampler gave.
        entries: prepared case of each draw.
        lows: first voxel (3,) of each patch in its prepared case; negative where the patch begins
            outside.
    """

    indices: Sequence[int]
    entries: Sequence[HeldEntry]
    lows: Sequence[ndarray]


class BatchCuts(Draws, Dataset):
    """Batches of patches; see `Draws` for the settings.

    With `is_finished` a batch is augmented as soon as it is cut; otherwise `finish` augments it
    later, on the device of the batch.

    Args:
        folders: of the prepared cases, in the order of the sampler's case numbers.
        num_contrasts: channels of the images.
        transforms: of the augmentation; None for none.
        is_finished: as above; always true with a transform that the user wrote.
        settings: of `Draws`.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        num_contrasts: int,
        transforms: Transforms | None = None,
        is_finished: bool = True,
        **settings: object,
    ) -> None:
        super().__init__(folders, **settings)
        patch, region = tuple(self.patch_vox.tolist()), tuple(self.region_vox.tolist())
        transforms = transforms or NO_TRANSFORMS
        self.augmenter = Augmenter(transforms, num_contrasts, patch, region)
        elastic = transforms.parts.get("elastic")
        spacing = float(elastic.spacing_mm) if elastic else 1.0
        self.shape = Shape(region, spacing, tuple(transforms.swap))
        self.is_finished = is_finished or bool(transforms.own)

    def __getitem__(self, indices: Sequence[int]) -> Batch | CutBatch:
        cuts = self.cut(indices)
        return self.finish(cuts) if self.is_finished else cuts

    def cut(self, indices: Sequence[int]) -> CutBatch:
        """Draw the parameters of a batch, and read its voxels.

        Raises:
            CaseError: a case cannot be read.
        """
        return self.cut_places(self._places(indices))

    def cut_places(self, places: Places) -> CutBatch:
        """Read the voxels of draws whose cases and positions are known, as `cut` does.

        Raises:
            CaseError: a case cannot be read.
        """
        indices = places.indices
        seeds = [seeds_of(self.seed, self.split(index)[0]) for index in indices]
        numbers = self.augmenter.numbers(seeds)
        reaching = self.augmenter.wide(self.augmenter.happens(numbers))
        wide = sorted(reaching)
        near = [row for row in range(len(indices)) if row not in reaching]
        outcomes = None
        if self.outcomes is not None:
            codes = [self.outcomes[entry.case_id] for entry in places.entries]
            outcomes = torch.from_numpy(np.stack(codes)).float()
        return CutBatch(
            self._cut(places, near, numbers, seeds, is_wide=False),
            self._cut(places, wide, numbers, seeds, is_wide=True) if wide else None,
            [entry.case_id for entry in places.entries],
            outcomes,
            list(indices),
        )

    def finish(self, cuts: CutBatch) -> Batch:
        """Augment the patches of a batch on their device.

        The tensors of `cuts` are overwritten. Patches come out in the order of the draws; labels
        are int64.

        Raises:
            CaseError: a transform that the user wrote fails.
        """
        image, labels = augmented(cuts.near, self.shape)
        if cuts.wide is not None or cuts.near.plan.own:
            image, labels = self._joined(cuts, image, labels)
        return Batch(image, None if labels is None else labels.long(), cuts.case_ids, cuts.outcomes)

    def _joined(
        self, cuts: CutBatch, image: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Join the `near` and `wide` patches of a batch in the order of the batch."""
        self._apply_own(cuts, cuts.near, image, labels)
        if cuts.wide is None:
            return image, labels
        wide_image, wide_labels = augmented(cuts.wide, self.shape)
        self._apply_own(cuts, cuts.wide, wide_image, wide_labels)
        margin = (self.region_vox - self.patch_vox) // 2
        middle = tuple(
            slice(first, first + side) for first, side in zip(margin, self.patch_vox, strict=True)
        )
        parts = ((cuts.near.rows, image), (cuts.wide.rows, wide_image[(..., *middle)]))
        whole = _gathered(parts)
        if labels is None:
            return whole, None
        classes = ((cuts.near.rows, labels), (cuts.wide.rows, wide_labels[(..., *middle)]))
        return whole, _gathered(classes)

    def _apply_own(self, cuts: CutBatch, part: Cut, image: Tensor, labels: Tensor | None) -> None:
        for place, row, seed in part.plan.own:
            number = int(part.rows[row])
            with self.errors_of(cuts.indices[number]), seeded(seed, place):
                classes = None if labels is None else labels[row]
                subject = own_subject(image[row], classes, cuts.case_ids[number])
                changed = self.augmenter.own[place].apply(subject)
                image[row] = changed["image"].data
                if labels is not None:
                    labels[row] = changed["label"].data[0]

    def _places(self, indices: Sequence[int]) -> Places:
        entries, lows = [], []
        for index in indices:
            with self.errors_of(index):
                entry, low = self.place(index)
            entries.append(entry)
            lows.append(low)
        return Places(indices, entries, lows)

    def _cut(
        self, places: Places, rows: list[int], numbers: Numbers, seeds: Seeds, *, is_wide: bool
    ) -> Cut:
        """Read the voxels and make the plan of the patches in these rows of the batch."""
        plan = self.augmenter.plan(numbers[rows], [seeds[row] for row in rows], is_wide=is_wide)
        warped = [] if plan.warp is None else plan.warp.rows.tolist()
        margin = (self.region_vox - self.patch_vox) // 2
        sides = self.region_vox if is_wide else self.patch_vox
        image, labels = self._room(len(rows), sides, places)
        region, region_labels = self._room(len(warped), self.region_vox, places)
        for place, row in enumerate(rows):
            with self.errors_of(places.indices[row]):
                entry, low = places.entries[row], places.lows[row]
                if place in warped:
                    number = warped.index(place)
                    read_box(entry, low - margin, region, region_labels, number)
                else:
                    read_box(entry, low - margin if is_wide else low, image, labels, place)
                    mirror(image[place], plan.mirror[place])
                    if labels is not None:
                        mirror(labels[place], plan.mirror[place])
        return Cut(torch.tensor(rows, dtype=torch.long), image, labels, region, region_labels, plan)

    def _room(self, count: int, sides: ndarray, places: Places) -> tuple[Tensor, Tensor | None]:
        """Allocate tensors for images (count, C, *sides) and labels (count, *sides)."""
        image = torch.empty(count, self.augmenter.num_contrasts, *sides.tolist())
        if self.outcomes is not None:
            return image, None
        is_small = all(entry.label.dtype == np.uint8 for entry in places.entries)
        dtype = torch.uint8 if is_small else torch.int32
        return image, torch.empty(count, *sides.tolist(), dtype=dtype)


def _gathered(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Join parts of a batch, each with the places of its patches in the batch."""
    first = parts[0][1]
    whole = first.new_empty(sum(len(rows) for rows, _ in parts), *first.shape[1:])
    for rows, part in parts:
        whole.index_copy_(0, rows, part)
    return whole


def read_box(
    entry: HeldEntry, low: ndarray, image: Tensor, labels: Tensor | None, place: int
) -> None:
    """Copy a box of a case's voxels that begins at `low` into one place of the tensors.

    Args:
        entry: the case.
        low: first voxel (3,) of the box; it may be negative.
        image: (n, C, i, j, k); beyond the case it gets each contrast's smallest value.
        labels: (n, i, j, k), or None where the network learns outcomes; 0 beyond the case.
        place: number of the box to fill, from 0.
    """
    cut_into(image[place], entry.tensors["image"], low, fill=entry.facts["minimum"])
    if labels is not None:
        cut_into(labels[place][None], entry.tensors["label"][None], low)


def mirror(array: Tensor, is_mirrored: Sequence[bool]) -> None:
    """Mirror the last three axes of an array in place, along the axes that are marked.

    Args:
        array: image (C, I, J, K) or labels (I, J, K).
        is_mirrored: for I, J and K.
    """
    if axes := [axis - 3 for axis, turned in enumerate(is_mirrored) if turned]:
        array.copy_(array.flip(axes))


def own_subject(image: Tensor, labels: Tensor | None, case_id: str) -> tio.Subject:
    """Copy a patch into a TorchIO subject, for a transform that the user wrote.

    The subject has `image`, `label` where there are labels, and `case_id`; its voxels are 1 mm.
    """
    parts: dict[str, object] = {"case_id": case_id}
    if labels is not None:
        parts["label"] = tio.LabelMap(tensor=labels[None].clone())
    return tio.Subject(image=tio.ScalarImage(tensor=image.clone()), **parts)


def seeds_of(seed: int, draw: int) -> tuple[int, int]:
    """Compute the seeds of a draw's parameters and of its noise, each below 2**63.

    Args:
        seed: of the training.
        draw: number of the patch since the start of the training.
    """
    first, second = np.random.SeedSequence([seed, draw]).generate_state(2, np.uint64)
    return int(first >> 1), int(second >> 1)
