"""Whole prepared volumes of validation and test cases, divided among the ranks of a training."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from neurotarget.data.batches.cache import Entry
from neurotarget.data.batches.draws import Codes, cut, middle_of
from neurotarget.shapes import Batch
from neurotarget.types import TripleVox

T = TypeVar("T")


class WholeCases(Dataset):
    """Whole prepared volumes for validation, one case per batch.

    With `outcomes` there are no label maps, and only the middle `patch_vox` voxels are used.
    """

    def __init__(
        self, entries: list[Entry], *, outcomes: Codes | None = None, patch_vox: TripleVox = ()
    ) -> None:
        self.entries, self.outcomes, self.patch_vox = entries, outcomes, patch_vox

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Batch:
        entry = self.entries[index]
        if self.outcomes is not None:
            low, sides = middle_of(entry.shape[1:], self.patch_vox), np.array(self.patch_vox)
            image = cut(entry.image, low, sides, fill=entry.facts["minimum"])
            codes = torch.from_numpy(self.outcomes[entry.case_id])
            return Batch(torch.from_numpy(image)[None], None, [entry.case_id], codes[None])
        low, sides = np.zeros(3, dtype=int), np.array(entry.shape[1:])
        image = cut(entry.image, low, sides)
        label = cut(entry.label[None], low, sides)
        return Batch(torch.from_numpy(image)[None], torch.from_numpy(label).long(), [entry.case_id])


def share_of(items: Sequence[T], rank: int, ranks: int) -> list[T]:
    """Return the items of one rank; with fewer items than ranks, spare ranks get the first item.

    No rank may be idle. Scores are joined by case, so that a repeated item counts once.
    """
    return list(items[rank::ranks] or items[:1])
