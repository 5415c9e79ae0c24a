"""Training patches from TorchIO's queue, which reads regions from memory maps."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torchio as tio
from numpy import ndarray
from torch.utils.data import DataLoader, SequentialSampler

from neurotarget.data.augmentation.augment import build_augmentation
from neurotarget.data.augmentation.warp import DRAWN
from neurotarget.data.batches.cache import HeldEntry
from neurotarget.data.batches.draws import Draws, DrawSampler, cut, region_of, worker_context
from neurotarget.shapes import Batch
from neurotarget.types import Target

TIMED = 12  # patches to time; one patch is not enough, since most slow transforms are rare


class Regions(Draws, tio.SubjectsDataset):
    """Augmented patches of prepared cases, one per draw; see `Draws` for the settings.

    A region around the patch is cut from the memory map, augmented, and then cut to the patch. With
    `patches_per_region` above 1 a region has twice the sides of a patch and is not cut, so that a
    sampler can take several patches from it.

    With `outcomes` there are no label maps: a patch is the middle of its case, padded where the
    case is smaller, and has the codes of the outcomes of its case.

    Args:
        folders: of the prepared cases.
        augmentation: applied to each region; None for no augmentation.
        patches_per_region: at least 1.
        settings: of `Draws`.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        augmentation: tio.Transform | None = None,
        patches_per_region: int = 1,
        **settings: object,
    ) -> None:
        Draws.__init__(self, folders, **settings)
        empty = tio.Subject(empty=tio.ScalarImage(tensor=torch.zeros(1, 1, 1, 1)))
        tio.SubjectsDataset.__init__(self, [empty])
        self.augmentation, self.patches_per_region = augmentation, patches_per_region

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> tio.Subject:
        draw, case = self.split(index)
        with self.errors_of(index), seeded(self.seed, draw):
            span = self._span(self._entry(case))
            entry, low = self.place(index, span)
            return self._subject(entry, low, span, draw=draw)

    def _span(self, entry: HeldEntry) -> ndarray:
        """Sides of the region that is passed on to the network or to a sampler of patches."""
        if self.patches_per_region == 1:
            return self.patch_vox
        room = np.maximum(entry.shape[1:], self.patch_vox)  # a larger region would be empty
        double = np.where(self.patch_vox > 1, 2 * self.patch_vox, 1)  # a slice stays one slice
        return np.minimum(double, room)

    def _subject(self, entry: HeldEntry, low: ndarray, span: ndarray, *, draw: int) -> tio.Subject:
        margin = (self.region_vox - self.patch_vox) // 2
        low, sides = low - margin, span + 2 * margin
        image = cut(entry.image, low, sides, fill=entry.facts["minimum"])
        parts: dict[str, object] = {"case_id": entry.case_id, "draw": draw, DRAWN: {}}
        if self.outcomes is None:
            parts["label"] = tio.LabelMap(
                tensor=torch.from_numpy(cut(entry.label[None], low, sides))
            )
        else:
            parts["outcomes"] = torch.from_numpy(self.outcomes[entry.case_id])
        subject = tio.Subject(image=tio.ScalarImage(tensor=torch.from_numpy(image)), **parts)
        if self.augmentation is not None:
            subject = self.augmentation(subject)
        return tio.Crop(tuple(np.repeat(margin, 2).tolist()))(subject) if margin.any() else subject


class RegionSampler(tio.UniformSampler):
    """Sampler of patches anywhere in a region; seed and draw determine their positions."""

    def __init__(self, patch_vox: Sequence[int], *, seed: int) -> None:
        super().__init__(tuple(patch_vox))
        self.seed = seed

    def _generate_patches(
        self, subject: tio.Subject, num_patches: int | None = None
    ) -> Iterator[tio.Subject]:
        rng = np.random.default_rng([self.seed, subject["draw"], 1])  # 1: not those of the place
        room = np.array(subject.spatial_shape) - self.patch_size.astype(int)
        made = 0
        while num_patches is None or made < num_patches:
            yield self.extract_patch(subject, tuple(rng.integers(0, room + 1).tolist()))
            made += 1


class PatchQueue(tio.Queue):
    """TorchIO's queue over the draws; `set_epoch` starts the draws of that epoch.

    With several patches per region, the queue of `length` patches is shuffled, so that patches of
    one region go to different batches. With one patch per region the draws are in random order
    already.
    """

    def __init__(self, regions: Regions, draws: DrawSampler, *, length: int, workers: int) -> None:
        many = regions.patches_per_region
        patch = regions.patch_vox.tolist()
        super().__init__(
            regions,
            max_length=max(length // many, 1) * many,  # whole regions, for places without repeats
            samples_per_volume=many,
            sampler=RegionSampler(patch, seed=regions.seed),
            subject_sampler=draws,
            num_workers=workers,
            shuffle_subjects=False,
            shuffle_patches=many > 1,
            start_background=False,
        )

    @property
    def iterations_per_epoch(self) -> int:
        """Patches per epoch and process."""
        return len(self.subject_sampler) * self.samples_per_volume

    def set_epoch(self, epoch: int) -> None:
        """Clear the queue and start the draws of `epoch`."""
        self.subject_sampler.set_epoch(epoch)
        self.patches_list.clear()
        self._incomplete_subject = None
        self._subjects_iterable = None
        self._num_sampled_subjects = 0

    def close(self) -> None:
        """End the worker processes at once; the garbage collector takes 5 s per process."""
        batches, self._subjects_iterable = self._subjects_iterable, None
        if self.num_workers and batches is not None:
            batches._shutdown_workers()

    def _get_subjects_iterable(self) -> Iterator[tio.Subject]:
        """As TorchIO's, but with workers that are not forks of this process."""
        self._num_sampled_subjects = 0
        loader = DataLoader(
            self.subjects_dataset,
            batch_size=None,
            collate_fn=_as_it_is,
            sampler=self.subject_sampler,
            num_workers=self.num_workers,
            multiprocessing_context=worker_context(self.num_workers),
        )
        return iter(loader)


def _as_it_is(subject: tio.Subject) -> tio.Subject:
    return subject


class EpochSampler(SequentialSampler):
    """Passes Lightning's epoch number to the queue."""

    def set_epoch(self, epoch: int) -> None:
        """Start the draws of an epoch; Lightning calls this before each epoch."""
        self.data_source.set_epoch(epoch)


def patch_loader(queue: PatchQueue, *, batch_size: int, pin_memory: bool = False) -> DataLoader:
    """Make the loader of batches from a queue; the queue has the workers, not the loader.

    Args:
        queue: patches in the order of its draws.
        batch_size: patches per batch; patches that do not fill a last batch are left out.
        pin_memory: whether batches lie in memory that a GPU copies from faster.
    """
    return DataLoader(
        queue,
        batch_size=batch_size,
        sampler=EpochSampler(queue),
        collate_fn=to_batch,
        num_workers=0,
        drop_last=True,
        pin_memory=pin_memory,
    )


def to_batch(subjects: Sequence[Mapping]) -> Batch:
    """Stack patches into a plain batch: (B, C, I, J, K) float32 and (B, I, J, K) int64.

    Args:
        subjects: patches of one size, each with `image`, `case_id`, and `label`, `outcomes` or
            both.
    """
    labels = outcomes = None
    if "label" in subjects[0]:
        labels = torch.stack([subject["label"].data[0] for subject in subjects]).long()
    if "outcomes" in subjects[0]:
        outcomes = torch.stack([subject["outcomes"] for subject in subjects]).float()
    return Batch(
        torch.stack([subject["image"].data for subject in subjects]).float(),
        labels,
        [subject["case_id"] for subject in subjects],
        outcomes,
    )


def queue_seconds(
    settings: Mapping | None, target: Target, *, margin_share: float, seed: int
) -> float:
    """Measure the mean time in s of augmenting one patch of noise for the queue.

    The time is 0 without an augmentation. Reading and queueing of patches are not counted.

    Args:
        settings: of the augmentation, see `read_transforms`.
        target: gives the patch and the channels.
        margin_share: share by which regions are larger than patches.
        seed: of the draws; it decides how many patches get each transform.
    """
    if not settings:
        return 0.0
    augmentation = build_augmentation(settings, target=target)
    sides = region_of(target.patch_vox, margin_share).tolist()
    image = torch.randn(len(target.channels), *sides)
    label = torch.zeros(1, *sides, dtype=torch.uint8)
    started = time.perf_counter()
    for draw in range(TIMED):
        with seeded(seed, draw):
            augmentation(
                tio.Subject(
                    image=tio.ScalarImage(tensor=image.clone()), label=tio.LabelMap(tensor=label)
                )
            )
    return (time.perf_counter() - started) / TIMED


@contextmanager
def seeded(seed: int, draw: int) -> Iterator[None]:
    """Seed the random numbers of TorchIO's transforms for one draw, and restore them afterwards.

    These are the generators of Python's `random` and of PyTorch on the CPU.
    """
    state = random.getstate()
    with torch.random.fork_rng(devices=[]):
        value = int(np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)[0] >> 1)
        torch.manual_seed(value)
        random.seed(value)
        try:
            yield
        finally:
            random.setstate(state)
