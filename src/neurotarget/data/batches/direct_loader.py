"""Loader of batches that a thread makes while the network computes, or worker processes make."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from neurotarget.data.augmentation.augment import read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts, Places
from neurotarget.data.batches.draws import DrawSampler, region_of, worker_context
from neurotarget.types import Target

T = TypeVar("T")
AHEAD = 2  # batches that are made in advance
TIMED = 48  # patches to time; one patch is not enough, since most slow transforms are rare


class BatchSampler(Sampler):
    """Full batches of draws; draws that do not fill a last batch are left out."""

    def __init__(self, draws: DrawSampler, batch_size: int) -> None:
        self.draws, self.batch_size = draws, batch_size

    def __len__(self) -> int:
        return len(self.draws) // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        draws = iter(self.draws)
        for _ in range(len(self)):
            yield list(itertools.islice(draws, self.batch_size))

    def set_epoch(self, epoch: int) -> None:
        """Start the draws of an epoch; Lightning calls this before each epoch."""
        self.draws.set_epoch(epoch)


class DirectLoader(DataLoader):
    """Batches in the order of the sampler; without workers, a thread makes them in advance.

    A transform that the user wrote takes random numbers of the whole process, as the network does:
    batches with such a transform are made when the network asks for them.

    Args:
        cuts: source of the batches.
        draws: order of the patches.
        batch_size: patches per batch; patches that do not fill a last batch are left out.
        workers: number of processes; 0 for a thread.
        pin_memory: whether batches lie in memory that a GPU copies from faster.
    """

    def __init__(
        self,
        cuts: BatchCuts,
        draws: DrawSampler,
        *,
        batch_size: int,
        workers: int,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(
            cuts,
            batch_size=None,
            sampler=BatchSampler(draws, batch_size),
            num_workers=workers,
            multiprocessing_context=worker_context(workers),
            pin_memory=pin_memory,
            worker_init_fn=_use_one_thread,
        )

    def __iter__(self) -> Iterator:
        if self.num_workers:
            return with_workers(super().__iter__)
        batches = super().__iter__()
        if self.dataset.augmenter.own:
            return batches
        return made_ahead(lambda: next(batches), len(self))


def made_ahead(make: Callable[[], T], count: int, ahead: int = AHEAD) -> Iterator[T]:
    """Call `make` up to `count` times in a separate thread, at most `ahead` calls in advance.

    An error is raised in place of the result. The thread ends with the iterator, after its current
    call. PyTorch computes with one thread in it, and with the same number as before in the caller.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(1, "batches") as pool:
        pool.submit(_use_one_thread).result()
        torch.set_num_threads(threads)  # for threads that begin later; the one above keeps its own
        waiting = deque(pool.submit(make) for _ in range(min(ahead, count)))
        left = count - len(waiting)
        try:
            while waiting:
                made = waiting.popleft().result()
                if left:
                    waiting.append(pool.submit(make))
                    left -= 1
                yield made
        finally:
            pool.shutdown(cancel_futures=True)


def with_workers(begin: Callable[[], Iterator[T]]) -> Iterator[T]:
    """Yield batches of worker processes, which end with the iterator and at the first error.

    The workers begin when the first batch is requested, since they make batches in advance, and
    Lightning creates the iterator of a resumed training before it sets the epoch. The garbage
    collector could end them in a worker of the next epoch, which would then hang.
    """
    batches = begin()
    try:
        yield from batches
    finally:
        batches._shutdown_workers()


def _use_one_thread(worker: int = 0) -> None:  # noqa: ARG001
    torch.set_num_threads(1)
    torch.get_num_threads()  # without it, the first computation reads the number of all threads


@dataclass(frozen=True)
class NoiseEntry:
    """A prepared case of noise in place of a scan, to time the making of patches."""

    sides: tuple[int, ...]  # C, I, J, K
    case_id: str = "noise"

    @property
    def facts(self) -> Mapping[str, list[float]]:
        """Smallest value of each contrast."""
        return {"minimum": [-4.0] * self.sides[0]}

    @property
    def label(self) -> ndarray:
        """Background in all voxels."""
        return self.tensors["label"].numpy()

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Normal noise in float16 as image (C, I, J, K), and a label map of background."""
        label = torch.zeros(self.sides[1:], dtype=torch.uint8)
        return {"image": torch.randn(self.sides).half(), "label": label}


def direct_seconds(
    settings: Mapping | None,
    target: Target,
    *,
    margin_share: float,
    seed: int,
    batch_size: int,
) -> float:
    """Measure the mean time in s of making one patch of noise in batches, with one thread.

    Args:
        settings: of the augmentation, see `read_transforms`.
        target: gives the patch and the channels.
        margin_share: share by which regions are larger than patches.
        seed: of the draws; it decides how many patches get each transform.
        batch_size: patches per batch.
    """
    sides = tuple(region_of(target.patch_vox, margin_share).tolist())
    cuts = BatchCuts(
        [Path("noise")],
        num_contrasts=len(target.channels),
        transforms=read_transforms(settings, target=target),
        patch_vox=target.patch_vox,
        foreground_share=0.0,
        margin_share=margin_share,
        seed=seed,
    )
    entry = NoiseEntry((len(target.channels), *sides))
    low = (np.array(sides) - target.patch_vox) // 2
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        cuts.cut_places(Places([0], [entry], [low]))  # fills what later calls reuse
        started = time.perf_counter()
        for first in range(0, TIMED, batch_size):
            draws = range(first, first + batch_size)
            cuts.finish(cuts.cut_places(Places(draws, [entry] * batch_size, [low] * batch_size)))
        return (time.perf_counter() - started) / (len(range(0, TIMED, batch_size)) * batch_size)
    finally:
        torch.set_num_threads(threads)
