"""The LightningDataModule that trains on synthetic scans, made from label maps as they are needed.

Training cases need a label map alone; their scans, if they have any, are not used. Validation and
test cases are scans with label maps, as for every other target.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from numpy import ndarray
from torch.utils.data import DataLoader
from tqdm import tqdm

from neurotarget.data.attempts import attempts
from neurotarget.data.augmentation.augment import read_transforms
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.direct_loader import DirectLoader
from neurotarget.data.batches.prepare import join_errors
from neurotarget.data.labels import ClassOfId, class_of_id
from neurotarget.data.sides.pairs import as_trained, to_trained
from neurotarget.problems import DataError
from neurotarget.shapes import Batch
from neurotarget.synthesis.batches import SampleBatch, Synthesis, SyntheticBatches
from neurotarget.synthesis.label_map import store_map
from neurotarget.synthesis.tissues import known_tissues
from neurotarget.types import Target


class SynthesisData(TargetData):
    """Cases of one target whose training patches are synthetic; see `TargetData` for the settings.

    `synthesis.deformation` moves voxels; the augmentation's transforms that do are left out.

    Raises:
        DataError: the target has outcomes alone, or the settings ask for a queue or a cascade.
    """

    def __init__(
        self, target: Target, *args: object, synthesis: Synthesis, **settings: object
    ) -> None:
        super().__init__(target, *args, **settings)
        self.synthesis = synthesis
        if self.learns_from != "labels":
            raise DataError(
                "data=synthesis: found a task that learns from outcomes, wanted one that learns "
                "from label maps; choose another data"
            )
        if self.patches != "direct":
            raise DataError(
                f"data.patches: found {self.patches} for synthetic scans, wanted direct: they are "
                "made in whole batches"
            )

    def _load(self) -> None:
        super()._load()
        cases = self.cases("train")
        store = partial(store_map, cache=self.cache)
        with attempts(store, cases, max(self.workers, 2)) as outcomes:
            bar = tqdm(outcomes, "label maps", len(cases), unit="map", delay=1)
            folders = list(bar)
        if errors := [one for one in folders if isinstance(one, DataError)]:
            raise join_errors(errors)
        self.map_folders = folders

    def train_dataloader(self) -> DataLoader:
        """Synthetic patches, a fixed number per epoch.

        On a GPU, images are made there after the transfer of their label maps; otherwise in the
        workers.
        """
        trainer = self.trainer
        rank, ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        is_on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        self.batches = self.synthetic_batches(is_finished=not is_on_gpu)
        return DirectLoader(
            self.batches,
            self.draw_sampler(rank, ranks),
            batch_size=self.batch_size,
            workers=self.workers,
            pin_memory=torch.cuda.is_available(),
        )

    def synthetic_batches(self, *, is_finished: bool = True) -> SyntheticBatches:
        """Source of the loader's batches; `is_finished` as in `SyntheticBatches`.

        Label maps must have been stored before, as `setup` does.
        """
        target = as_trained(self.target)
        mapping = to_trained(class_of_id(self.target, self.manifest.label_ids), self.target)
        return SyntheticBatches(
            self.map_folders,
            target=target,
            class_of_code=class_of_code(mapping),
            synthesis=self.synthesis,
            transforms=read_transforms(_without_moves(self.augmentation), target=target),
            seed=self.seed,
            is_finished=is_finished,
        )

    def on_after_batch_transfer(self, batch: Batch | SampleBatch, dataloader_idx: int) -> Batch:  # noqa: ARG002
        """Make the images of a batch on the device of its label maps; finished batches stay."""
        return self.batches.finish(batch) if isinstance(batch, SampleBatch) else batch


def class_of_code(mapping: ClassOfId) -> ndarray:
    """Class of each code of `tissues`, 0 for ids that `mapping`, that of `class_of_id`, lacks.

    Of an id with two classes, one code has that of the left side and the other that of the right.

    The result is (codes,), in the order of `known_tissues().ids`.
    """
    right_codes = {*known_tissues().right_codes.values()}
    classes = [mapping.get(value, 0) for value in known_tissues().ids]
    return np.array(
        [
            one[code in right_codes] if isinstance(one, tuple) else one
            for code, one in enumerate(classes)
        ]
    )


def _without_moves(augmentation: Mapping | None) -> dict[str, object]:
    moves = ("affine", "elastic", "flip")
    return {name: one for name, one in (augmentation or {}).items() if name not in moves}
