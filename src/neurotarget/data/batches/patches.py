"""Patches for training: TorchIO's queue with regions that are read from memory maps.

Every patch has a number, its draw. Seed and draw determine the case, position and augmentation of
the patch, whatever the number of workers: a run can be repeated exactly, epochs differ, a resumed
run gets the patches that it would have had without the interruption, and any patch can be made
again.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torchio as tio
from numpy import ndarray
from torch.utils.data import DataLoader, Sampler, SequentialSampler

from neurotarget.data.batches.augment import build_augmentation
from neurotarget.data.batches.cache import Entry, HeldEntry, held, open_entry
from neurotarget.data.batches.target_boxes import Boxes
from neurotarget.problems import CaseError
from neurotarget.shapes import Batch
from neurotarget.types import Target, TripleVox

Codes = Mapping[str, ndarray]  # codes of the outcomes of each case, by case_id

try:
    import resource
except ImportError:  # Windows
    resource = None

TIMED = 12  # patches to time; one is not enough, since most of the slow transforms are rare

HELD = (32, 512)  # fewest and most cases whose two files a process keeps open
TRIES = 1000  # attempts to find a patch centre that is not ignored


class DrawSampler(Sampler):
    """Draws of one epoch: each case equally often, in an order that depends on the seed.

    Yields `draw * num_cases + case`. The draws are divided among the ranks of a distributed run.
    """

    def __init__(
        self, num_cases: int, num_draws: int, *, seed: int, rank: int = 0, ranks: int = 1
    ) -> None:
        self.num_cases, self.num_draws, self.seed = num_cases, num_draws // ranks, seed
        self.rank, self.ranks, self.epoch = rank, ranks, 0

    def __len__(self) -> int:
        return self.num_draws

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * self.num_draws
        for step in range(first, first + self.num_draws):
            draw = step * self.ranks + self.rank
            lap, index = divmod(draw, self.num_cases)
            order = np.random.default_rng([self.seed, lap]).permutation(self.num_cases)
            yield draw * self.num_cases + int(order[index])


def most_held() -> int:
    """Most cases that one process keeps open; their files are a quarter of the system's limit."""
    if resource is None:
        return HELD[0]
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return HELD[1] if limit == resource.RLIM_INFINITY else min(max(limit // 8, HELD[0]), HELD[1])


class Regions(tio.SubjectsDataset):
    """Augmented patches of prepared cases, one per draw.

    A region around the patch is cut from the memory map, so that a rotation finds voxels beyond the
    patch's edge; it is augmented and then cut to the patch. With `boxes`, a patch lies in the
    box of its target, with random errors like those of a localiser, as in prediction. No patch is
    centred on a voxel of `ignored_class` if a case has other voxels.

    With `outcomes` there are no label maps: a patch is the middle of its case, padded where the
    case is smaller, and has the codes of the outcomes of its case.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        patch_vox: TripleVox,
        foreground_share: float,
        margin_share: float,
        seed: int,
        augmentation: tio.Transform | None = None,
        margin_vox: int = 0,
        boxes: Boxes | None = None,
        ignored_class: int | None = None,
        outcomes: Codes | None = None,
    ) -> None:
        super().__init__([tio.Subject(empty=tio.ScalarImage(tensor=torch.zeros(1, 1, 1, 1)))])
        self.folders, self.seed = [Path(folder) for folder in folders], seed
        self.patch_vox = np.array(patch_vox)
        self.region_vox = region_of(patch_vox, margin_share)
        self.foreground_share, self.augmentation = foreground_share, augmentation
        self.margin_vox, self.boxes, self.ignored_class = margin_vox, boxes, ignored_class
        self.outcomes = outcomes
        self._entries: dict[int, Entry] = {}
        self._held: dict[int, HeldEntry] = {}  # least recently used first
        self._most_held = most_held()

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> tio.Subject:
        draw, case = divmod(index, len(self.folders))
        try:
            with seeded(self.seed, draw):
                return self._patch(self._entry(case), np.random.default_rng([self.seed, draw]))
        except Exception as error:
            # one line, since only the last line of a worker's message is shown
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise CaseError(
                f"{self.folders[case].name}: making patch {draw} failed: {reason}"
            ) from error

    def _entry(self, case: int) -> Entry:
        """A case with its arrays open; closes the least recently used case if too many are open."""
        if case not in self._entries:
            self._entries[case] = open_entry(self.folders[case])
        entry = self._held.pop(case, None) or held(self._entries[case])
        self._held[case] = entry
        if len(self._held) > self._most_held:
            del self._held[next(iter(self._held))]
        return entry

    def _patch(self, entry: Entry, rng: np.random.Generator) -> tio.Subject:
        low = self._low(entry, rng) - (self.region_vox - self.patch_vox) // 2
        image = cut(entry.image, low, self.region_vox, fill=entry.facts["minimum"])
        parts: dict[str, object] = {"case_id": entry.case_id}
        if self.outcomes is None:
            label = torch.from_numpy(cut(entry.label[None], low, self.region_vox))
            parts["label"] = tio.LabelMap(tensor=label)
        else:
            parts["outcomes"] = torch.from_numpy(self.outcomes[entry.case_id])
        subject = tio.Subject(image=tio.ScalarImage(tensor=torch.from_numpy(image)), **parts)
        if self.augmentation is not None:
            subject = self.augmentation(subject)
        margin = (self.region_vox - self.patch_vox) // 2
        return tio.Crop(tuple(np.repeat(margin, 2).tolist()))(subject) if margin.any() else subject

    def _low(self, entry: Entry, rng: np.random.Generator) -> ndarray:
        """First voxel of the patch."""
        if self.outcomes is not None:
            return middle_of(entry.shape[1:], self.patch_vox)
        first, sides = self._box(entry, rng)
        # voxels for which the network gives an output lie in the volume; the margin may lie outside
        scored = self.patch_vox - 2 * self.margin_vox
        centre = self._centre(entry, first, sides, rng)
        return first + _clamped(centre - first - scored // 2, sides, scored) - self.margin_vox

    def _box(self, entry: Entry, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """First voxel and sides of the box that the network may see of a case."""
        box = self.boxes and self.boxes.sample(entry.case_id, entry.grid, rng)
        return box or (np.zeros(3, dtype=int), np.array(entry.shape[1:]))

    def _centre(
        self, entry: Entry, first: ndarray, sides: ndarray, rng: np.random.Generator
    ) -> ndarray:
        """Voxel at the centre of the patch: of a random class, or anywhere in the box."""
        marked = entry.foreground
        if self.boxes is not None:
            places = marked[:, 1:].astype(int) - first
            marked = marked[((places >= 0) & (places < sides)).all(axis=1)]
        present = np.unique(marked[:, 0])
        if present.size and rng.random() < self.foreground_share:
            voxels = marked[marked[:, 0] == rng.choice(present)]
            return voxels[rng.integers(len(voxels)), 1:].astype(int)
        centre = first + rng.integers(0, sides)
        if self.ignored_class is None:
            return centre
        label = entry.label
        for _ in range(TRIES):
            if not self._is_ignored(label, centre):
                break
            centre = first + rng.integers(0, sides)
        return centre

    def _is_ignored(self, label: ndarray, centre: ndarray) -> bool:
        inside = (centre >= 0).all() and (centre < label.shape).all()
        return bool(inside and label[tuple(centre)] == self.ignored_class)


class PatchQueue(tio.Queue):
    """TorchIO's queue with one patch per draw; `set_epoch` starts the draws of that epoch."""

    def __init__(self, regions: Regions, draws: DrawSampler, *, length: int, workers: int) -> None:
        super().__init__(
            regions,
            max_length=length,
            samples_per_volume=1,
            sampler=tio.UniformSampler(tuple(regions.patch_vox.tolist())),
            subject_sampler=draws,
            num_workers=workers,
            shuffle_subjects=False,
            shuffle_patches=False,  # the draws are already shuffled, reproducibly
            start_background=False,
        )

    @property
    def iterations_per_epoch(self) -> int:
        """Patches per epoch."""
        return len(self.subject_sampler)

    def set_epoch(self, epoch: int) -> None:
        """Clear the queue and start the draws of `epoch`."""
        self.subject_sampler.epoch = epoch
        self.patches_list.clear()
        self._subjects_iterable = None
        self._num_sampled_subjects = 0


class EpochSampler(SequentialSampler):
    """Passes Lightning's epoch number to the queue."""

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch, also after resuming."""
        self.data_source.set_epoch(epoch)


def patch_loader(queue: PatchQueue, *, batch_size: int, pin_memory: bool = False) -> DataLoader:
    """Batches from a queue; the queue has the workers, so the loader itself has none."""
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
    """Stack patches into a plain batch: (B, C, I, J, K) float32 and (B, I, J, K) int64."""
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


def cut(
    array: ndarray, low: ndarray, sides: ndarray, *, fill: Sequence[float] | float = 0
) -> ndarray:
    """Copy a box out of a (C, I, J, K) array; outside it the values are `fill`, one per channel.

    For an image, `fill` is each channel's smallest value in the whole volume, as in prediction.
    Labels are returned as uint8 or uint16 and images as float32.
    """
    dtype = np.float32 if array.dtype.kind == "f" else array.dtype
    shape = np.array(array.shape[1:])
    first, last = np.maximum(low, 0), np.minimum(low + sides, shape)
    inner = np.array(array[(slice(None), *map(slice, first, last))], dtype=dtype)
    if (inner.shape[1:] == sides).all():
        return inner
    box = np.empty((len(array), *sides), dtype=dtype)
    box[:] = np.reshape(fill, (-1, 1, 1, 1))
    box[(slice(None), *map(slice, first - low, last - low))] = inner
    return box


def middle_of(sides: Sequence[int], patch_vox: Sequence[int]) -> ndarray:
    """First voxel of a patch in the middle of a volume; negative where the volume is smaller."""
    return (np.array(sides) - np.array(patch_vox)) // 2


def region_of(patch_vox: TripleVox, margin_share: float) -> ndarray:
    """Sides in voxels of the region around a patch that is augmented; a side of 1 stays 1."""
    patch = np.array(patch_vox)
    margin = np.ceil(patch * margin_share / 2).astype(int)
    return patch + 2 * np.where(patch > 1, margin, 0)  # with the patch in the middle


def patch_seconds(
    settings: Mapping | None, target: Target, *, margin_share: float, seed: int
) -> float:
    """Mean seconds of augmenting one patch of noise on this machine, over the first draws."""
    if not settings:
        return 0.0
    augmentation = build_augmentation(settings, target=target)
    sides = region_of(target.patch_vox, margin_share).tolist()
    image = torch.randn(len(target.contrasts), *sides)
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
    """Seed the random numbers of TorchIO's transforms for one draw, and restore them afterwards."""
    state = random.getstate()
    with torch.random.fork_rng(devices=[]):
        value = int(np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)[0] >> 1)
        torch.manual_seed(value)
        random.seed(value)
        try:
            yield
        finally:
            random.setstate(state)


def _clamped(low: ndarray, sides: ndarray, patch: ndarray) -> ndarray:
    """Keep a patch inside the volume, or centre the volume in a larger patch."""
    room = sides - patch
    return np.where(room >= 0, np.clip(low, 0, np.maximum(room, 0)), room // 2)
