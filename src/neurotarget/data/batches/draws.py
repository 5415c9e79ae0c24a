"""Numbered draws: seed and number determine case, position and random numbers of a patch.

A draw does not depend on the number of workers, the batch size or the loader. So a run can be
repeated exactly, epochs differ, a resumed run gets the patches that it would have had without the
interruption, and any patch can be made again.
"""

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Sampler

from neurotarget.data.batches.cache import Entry, HeldEntry, held, open_entry
from neurotarget.data.batches.target_boxes import Boxes
from neurotarget.problems import CaseError
from neurotarget.types import TripleVox

try:
    import resource
except ImportError:  # Windows
    resource = None

T = TypeVar("T", ndarray, Tensor)
Codes = Mapping[str, ndarray]  # codes of the outcomes of each case, by case_id

HELD = (32, 512)  # fewest and most cases whose two files a process keeps open
TRIES = 1000  # attempts to find a patch centre that is not ignored


class DrawSampler(Sampler):
    """Draws of one epoch: each case equally often, in an order that depends on the seed.

    Yields `draw * num_cases + case`. The draws are divided among the ranks of a distributed run.

    Args:
        num_cases: of the training.
        num_draws: patches per epoch of all ranks together; patches that cannot be divided equally
            are left out.
        seed: of the order; each pass over the cases has another order.
        rank: number of this process, from 0.
        ranks: number of processes.
    """

    def __init__(
        self, num_cases: int, num_draws: int, *, seed: int, rank: int = 0, ranks: int = 1
    ) -> None:
        self.num_cases, self.num_draws, self.seed = num_cases, num_draws // ranks, seed
        self.rank, self.ranks, self.epoch = rank, ranks, 0

    def set_epoch(self, epoch: int) -> None:
        """Start the draws of an epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_draws

    def __iter__(self) -> Iterator[int]:
        first, order, current = self.epoch * self.num_draws, None, None
        for step in range(first, first + self.num_draws):
            draw = step * self.ranks + self.rank
            lap, index = divmod(draw, self.num_cases)
            if lap != current:
                order = np.random.default_rng([self.seed, lap]).permutation(self.num_cases)
                current = lap
            yield draw * self.num_cases + int(order[index])


class Draws:
    """Case and position of every draw.

    With `boxes`, a patch lies in the box of its target, with random errors like those of a
    localiser, as in prediction. No patch is centred on a voxel of `ignored_class` if a case has
    other voxels. With `outcomes` a patch is the middle of its case.

    An augmentation gets a region around the patch, larger by `margin_share` of the patch's sides,
    so that a rotation finds voxels beyond the patch's edge. `margin_vox` voxels at each face of a
    patch are not scored by the network, and may lie outside of the volume.

    Args:
        folders: of the prepared cases, in the order of the sampler's case numbers.
        patch_vox: sides of a patch.
        foreground_share: probability, 0 to 1, that a patch is centred on a voxel of a random class.
        margin_share: as above; 0 for no augmentation.
        seed: with the number of a draw it determines its patch.
        margin_vox: as above.
        boxes: of the targets; None to draw from whole cases.
        ignored_class: class of ignored voxels; None without any.
        outcomes: codes of each case by case_id; None where the network learns label maps.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        patch_vox: TripleVox,
        foreground_share: float,
        margin_share: float,
        seed: int,
        margin_vox: int = 0,
        boxes: Boxes | None = None,
        ignored_class: int | None = None,
        outcomes: Codes | None = None,
    ) -> None:
        self.folders, self.seed = [Path(folder) for folder in folders], seed
        self.patch_vox = np.array(patch_vox)
        self.region_vox = region_of(patch_vox, margin_share)
        self.foreground_share, self.margin_vox = foreground_share, margin_vox
        self.boxes, self.ignored_class, self.outcomes = boxes, ignored_class, outcomes
        self._entries: dict[int, Entry] = {}
        self._held: dict[int, HeldEntry] = {}  # least recently used first
        self._most_held = most_held()

    def split(self, index: int) -> tuple[int, int]:
        """Split one of the sampler's numbers, `draw * num_cases + case`, into draw and case."""
        return divmod(index, len(self.folders))

    @contextmanager
    def errors_of(self, index: int) -> Iterator[None]:
        """Raise any error as a `CaseError`, which names the case.

        Raises:
            CaseError: making the patch failed; one line, since only the last line of a worker's
                message is shown.
        """
        draw, case = self.split(index)
        try:
            yield
        except CaseError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise CaseError(
                f"{self.folders[case].name}: making patch {draw} failed: {reason}"
            ) from error

    def place(self, index: int, span_vox: ndarray | None = None) -> tuple[HeldEntry, ndarray]:
        """Return the case of a draw, and the first voxel (3,) of its patch or of a larger span.

        The first voxel may be negative: where the case is smaller than the patch, or by
        `margin_vox`.

        Args:
            index: number of the sampler.
            span_vox: sides (3,) in place of those of the patch.
        """
        draw, case = self.split(index)
        entry = self._entry(case)
        span = self.patch_vox if span_vox is None else span_vox
        return entry, self._low(entry, np.random.default_rng([self.seed, draw]), span)

    def _entry(self, case: int) -> HeldEntry:
        """Open the arrays of a case; close the least recently used case if too many are open."""
        if case not in self._entries:
            self._entries[case] = open_entry(self.folders[case])
        entry = self._held.pop(case, None) or held(self._entries[case])
        self._held[case] = entry
        if len(self._held) > self._most_held:
            del self._held[next(iter(self._held))]
        return entry

    def _low(self, entry: HeldEntry, rng: np.random.Generator, span: ndarray) -> ndarray:
        if self.outcomes is not None:
            return middle_of(entry.shape[1:], span)
        first, sides = self._box(entry, rng)
        # voxels for which the network gives an output lie in the volume; the margin need not
        scored = span - 2 * self.margin_vox
        centre = self._centre(entry, first, sides, rng)
        return first + _clamped(centre - first - scored // 2, sides, scored) - self.margin_vox

    def _box(self, entry: Entry, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """Return first voxel and sides of the box of a case that patches are taken from."""
        box = self.boxes and self.boxes.sample(entry.case_id, entry.grid, rng)
        return box or (np.zeros(3, dtype=int), np.array(entry.shape[1:]))

    def _centre(
        self, entry: HeldEntry, first: ndarray, sides: ndarray, rng: np.random.Generator
    ) -> ndarray:
        """Select the centre voxel of the patch: of a random class, or anywhere in the box."""
        marked = entry.voxels_of_class
        if self.boxes is not None:
            marked = _inside(marked, first, sides)
        if marked and rng.random() < self.foreground_share:
            voxels = marked[rng.choice(list(marked))]
            return voxels[rng.integers(len(voxels))].astype(int)
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


def most_held() -> int:
    """Compute how many cases a process keeps open: files up to a quarter of the system's limit."""
    if resource is None:
        return HELD[0]
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return HELD[1] if limit == resource.RLIM_INFINITY else min(max(limit // 8, HELD[0]), HELD[1])


def cut(
    array: ndarray, low: ndarray, sides: ndarray, *, fill: Sequence[float] | float = 0
) -> ndarray:
    """Copy a box out of a (C, I, J, K) array.

    Args:
        array: image or labels; images become float32, labels keep their type.
        low: first voxel (3,) of the box, which may lie outside of the array.
        sides: of the box, (3,).
        fill: value outside of the array, one per channel or one for all: for an image each
            channel's smallest value in the whole volume, as in prediction.
    """
    dtype = np.float32 if array.dtype.kind == "f" else array.dtype
    box = np.empty((len(array), *sides), dtype=dtype)
    cut_into(box, array, low, fill=fill)
    return box


def cut_into(box: T, array: T, low: ndarray, *, fill: Sequence[float] | float = 0) -> None:
    """Fill a box (C, i, j, k) with the voxels of an array from `low` on, as `cut` does.

    Both are arrays or both are tensors; numbers are converted to the kind of the box.
    """
    spans, inner = [slice(None)], [slice(None)]
    is_whole = True
    for start, side, length in zip(low.tolist(), box.shape[1:], array.shape[1:], strict=True):
        first = max(start, 0)
        last = max(min(start + side, length), first)
        spans.append(slice(first, last))
        inner.append(slice(first - start, last - start))
        is_whole = is_whole and last - first == side
    if not is_whole:
        for channel, value in zip(box, np.broadcast_to(fill, len(box)).tolist(), strict=True):
            channel[:] = value
    box[tuple(inner)] = array[tuple(spans)]


def middle_of(sides: Sequence[int], patch_vox: Sequence[int]) -> ndarray:
    """Return the first voxel of a patch in the middle of a volume; negative in a smaller volume."""
    return (np.array(sides) - np.array(patch_vox)) // 2


def region_of(patch_vox: TripleVox, margin_share: float) -> ndarray:
    """Compute the sides in voxels of the augmented region around a patch; a side of 1 stays 1."""
    patch = np.array(patch_vox)
    margin = np.ceil(patch * margin_share / 2).astype(int)
    return patch + 2 * np.where(patch > 1, margin, 0)  # with the patch in the middle


def _inside(marked: Mapping[int, ndarray], first: ndarray, sides: ndarray) -> dict[int, ndarray]:
    """Return the voxels (N, 3) of each class in a box; classes without voxels are left out."""
    found = {}
    for number, voxels in marked.items():
        places = voxels.astype(int) - first
        kept = voxels[((places >= 0) & (places < sides)).all(axis=1)]
        if len(kept):
            found[number] = kept
    return found


def _clamped(low: ndarray, sides: ndarray, patch: ndarray) -> ndarray:
    """Keep a patch inside the volume, or centre the volume in a larger patch."""
    room = sides - patch
    return np.where(room >= 0, np.clip(low, 0, np.maximum(room, 0)), room // 2)


def worker_context(workers: int) -> BaseContext | None:
    """Return the start method of a loader's workers: never a fork of the training process.

    A fork has the locks of the threads of loggers and libraries, but not the threads that would
    release them, and its garbage collector ends the workers of earlier loaders; it may then hang.
    """
    if not workers:
        return None
    if "forkserver" not in multiprocessing.get_all_start_methods():  # Windows
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    names = ("batch_cuts", "patches")
    context.set_forkserver_preload([f"neurotarget.data.batches.{name}" for name in names])
    return context


def start_server(workers: int) -> None:
    """Start the process from which workers are forked, if there will be any.

    The server loads for seconds, while this process can continue. Where the system has no fork
    server (Windows), or with 0 workers, nothing is started.
    """
    context = worker_context(workers)
    if context is not None and context.get_start_method() == "forkserver":
        forkserver.ensure_running()
