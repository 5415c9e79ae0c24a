"""Duration of making patches on this machine, timed on noise before any data are read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torchio as tio
from numpy import ndarray
from torch import Tensor

from neurotarget.data.batches.augment import build_augmentation, read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts, Places
from neurotarget.data.batches.draws import region_of
from neurotarget.data.batches.patches import seeded
from neurotarget.types import Target

TIMED = 12  # patches to time; one is not enough, since most of the slow transforms are rare
TIMED_DIRECT = 48  # of the direct loader, which is faster


@dataclass(frozen=True)
class NoiseEntry:
    """What a prepared case has, with noise in place of a scan."""

    sides: tuple[int, ...]  # C, I, J, K
    case_id: str = "noise"

    @property
    def facts(self) -> Mapping[str, list[float]]:
        """Smallest value of each contrast."""
        return {"minimum": [-4.0] * self.sides[0]}

    @property
    def label(self) -> ndarray:
        """Background."""
        return self.tensors["label"].numpy()

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Image and label map."""
        label = torch.zeros(self.sides[1:], dtype=torch.uint8)
        return {"image": torch.randn(self.sides).half(), "label": label}


def patch_seconds(
    settings: Mapping | None,
    target: Target,
    *,
    margin_share: float,
    seed: int,
    patches: str = "direct",
    batch_size: int = 2,
) -> float:
    """Mean seconds of augmenting one patch of noise, over the first draws; see `TargetData`."""
    if not settings:
        return 0.0
    sides = tuple(region_of(target.patch_vox, margin_share).tolist())
    shape = (len(target.contrasts), *sides)
    if patches == "queue":
        return _queue_seconds(settings, target, shape, seed)
    cuts = BatchCuts(
        [Path("noise")],
        num_contrasts=len(target.contrasts),
        transforms=read_transforms(settings, target=target),
        patch_vox=target.patch_vox,
        foreground_share=0.0,
        margin_share=margin_share,
        seed=seed,
    )
    entry, low = NoiseEntry(shape), (np.array(sides) - target.patch_vox) // 2
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the thread or the workers that make patches
    try:
        cuts.cut_places(Places([0], [entry], [low]))  # reads once what later calls keep
        started = time.perf_counter()
        for first in range(0, TIMED_DIRECT, batch_size):
            draws = range(first, first + batch_size)
            cuts.finish(cuts.cut_places(Places(draws, [entry] * batch_size, [low] * batch_size)))
        return (time.perf_counter() - started) / max(TIMED_DIRECT, batch_size)
    finally:
        torch.set_num_threads(threads)


def _queue_seconds(settings: Mapping, target: Target, shape: tuple[int, ...], seed: int) -> float:
    augmentation = build_augmentation(settings, target=target)
    image, label = torch.randn(shape), torch.zeros(1, *shape[1:], dtype=torch.uint8)
    started = time.perf_counter()
    for draw in range(TIMED):
        with seeded(seed, draw):
            augmentation(
                tio.Subject(
                    image=tio.ScalarImage(tensor=image.clone()), label=tio.LabelMap(tensor=label)
                )
            )
    return (time.perf_counter() - started) / TIMED
