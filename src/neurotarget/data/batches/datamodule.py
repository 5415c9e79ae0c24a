"""The LightningDataModule: manifest, splits, prepared cases, and the loaders over them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch.utils.data import DataLoader

from neurotarget.data.augmentation.augment import build_augmentation, read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts, CutBatch
from neurotarget.data.batches.cache import Entry, open_entry
from neurotarget.data.batches.direct_loader import DirectLoader
from neurotarget.data.batches.draws import Codes, DrawSampler
from neurotarget.data.batches.patches import PatchQueue, Regions, patch_loader
from neurotarget.data.batches.prepare import Preparation, join_errors, prepare
from neurotarget.data.batches.target_boxes import Boxes
from neurotarget.data.batches.whole_cases import WholeCases, share_of
from neurotarget.data.cases.case_outcomes import outcome_codes, with_outcomes
from neurotarget.data.cases.checkup import Checkup, label_problems, rater_problems
from neurotarget.data.cases.lint import lint
from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.cases.sources import Source
from neurotarget.data.cases.splits import assign_splits, check_external
from neurotarget.data.labels import class_of_id
from neurotarget.data.scans.film_views import View
from neurotarget.data.sides.pairs import as_trained
from neurotarget.problems import DataError, Problem, errors_of, refuse_errors, warning
from neurotarget.shapes import Batch
from neurotarget.types import Case, Manifest, Roi, Target

OUTSIDE_PERCENT = 0.5  # share of a mask outside the region of interest that gives a warning


class Changes(TypedDict, total=False):
    """Settings that may change after a `TargetData` was made; see its arguments."""

    target: Target
    preparation: Preparation
    boxes: Boxes  # of the cases, in a cascade
    splits: dict[str, str]  # split of each case, by its id
    margin_vox: int  # voxels at each face of a patch that the network does not score
    batch_size: int
    queue_length: int
    workers: int


class TargetData(pl.LightningDataModule):
    """Cases of one target, from files to batches.

    `fold` of `n_folds` is the test set and `val_fraction` of the other subjects is the validation
    set, unless the manifest has its own splits or folds. `root` is the user's data set, if
    `source` needs one. An epoch has `patches_per_epoch` patches. `split_seed` assigns the subjects
    to splits and `seed` selects the patches, so that runs of several seeds share their folds.
    `external` marks cases of unseen sites, as `{site: [c, d]}`; `fold_by` makes each value of a
    covariate a fold; each value of the covariate `stratify` has a similar share of every random
    fold; see `assign_splits`. A network learns from `labels`, label maps of patches, or from
    `outcomes` of whole images, of which the middle `patch_vox` voxels are used.

    Raises:
        DataError: `external` does not map covariates to lists of values.
    """

    def __init__(
        self,
        target: Target,
        source: Source,
        *,
        cache: str | Path,
        preparation: Preparation,
        root: str | None = None,
        augmentation: Mapping | None = None,
        fold: int = 0,
        n_folds: int = 5,
        val_fraction: float = 0.15,
        batch_size: int = 2,
        patches_per_epoch: int = 200,
        foreground_share: float = 0.5,
        margin_share: float = 0.25,
        patches: Literal["direct", "queue"] = "direct",
        queue_length: int = 16,
        patches_per_region: int = 1,
        workers: int | str = "auto",
        seed: int = 1,
        split_seed: int = 1,
        external: Mapping[str, Sequence] | None = None,
        fold_by: str | None = None,
        stratify: str | None = None,
        learns_from: Literal["labels", "outcomes"] = "labels",
    ) -> None:
        super().__init__()
        if external is not None:
            check_external(external)
        if patches_per_region > 1 and (patches != "queue" or learns_from != "labels"):
            raise DataError(
                f"data.patches_per_region: found {patches_per_region}, wanted 1: only the queue "
                "takes several patches of a label map from one region; set data.patches=queue"
            )
        self.target, self.source, self.preparation = target, source, preparation
        self.cache, self.root, self.augmentation = Path(cache), root, augmentation
        self.fold, self.n_folds, self.val_fraction = fold, n_folds, val_fraction
        self.batch_size, self.patches_per_epoch = batch_size, patches_per_epoch
        self.foreground_share, self.margin_share = foreground_share, margin_share
        self.seed, self.split_seed = seed, split_seed
        self.patches, self.queue_length = patches, queue_length
        self.patches_per_region = patches_per_region
        self.external, self.fold_by, self.stratify = external, fold_by, stratify
        self.learns_from = learns_from
        self.margin_vox = 0  # voxels at each face of a patch that the network does not score
        self.boxes: Boxes | None = None  # of the cases, in a cascade
        self.workers = loader_workers() if workers == "auto" else int(workers)
        self.queue: PatchQueue | None = None
        self.manifest: Manifest | None = None
        self.splits: dict[str, str] = {}
        self.folders: dict[str, Path] = {}
        self.warnings: list[Problem] = []

    def change(self, **settings: Unpack[Changes]) -> None:
        """Replace settings that a network, a plan or an earlier stage decides.

        Raises:
            TypeError: a setting cannot change.
            RuntimeError: the cases are prepared already, and the change needs another preparation.
        """
        if unknown := settings.keys() - Changes.__annotations__.keys():
            raise TypeError(f"TargetData.change: found {sorted(unknown)}, which do not change")
        if self.manifest is not None and {"preparation", "boxes"} & settings.keys():
            raise RuntimeError("preparation and boxes change only before the cases are prepared")
        vars(self).update(settings)

    def prepare_data(self) -> None:
        """Bring the data set to disk and prepare every case; once per machine."""
        if self.manifest is None:  # Lightning calls this again after the caller did
            self._load()

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Read the manifest, assign the splits and find the prepared cases."""
        if self.manifest is None:
            self._load()

    def read_training(self) -> tuple[Manifest, list[Case]]:
        """Read the manifest and the training cases, before anything is prepared.

        Raises:
            DataError: the data set or the settings of its splits are invalid.
        """
        manifest, _ = self._scan()
        splits = self._splits_of(manifest)
        return manifest, [case for case in manifest.cases if splits[case.case_id] == "train"]

    def read_splits(self) -> tuple[tuple[Case, ...], dict[str, str]]:
        """Read the cases and the split of each, before anything is prepared.

        Raises:
            DataError: the data set or the settings of its splits are invalid.
        """
        manifest, problems = self._scan()
        refuse_errors(problems)
        return manifest.cases, self._splits_of(manifest)

    def _scan(self) -> tuple[Manifest, list[Problem]]:
        manifest, problems = scan_manifest(self.source.obtain(self.root), self.target)
        if manifest is None:
            raise DataError(problems)
        if self.learns_from == "outcomes":
            kept, wrong = with_outcomes(manifest.cases, self.target)
            cases = tuple(replace(case, label=None, raters={}) for case in kept)  # masks are unused
            manifest, problems = replace(manifest, cases=cases), [*problems, *wrong]
        return manifest, problems

    def _splits_of(self, manifest: Manifest) -> dict[str, str]:
        return assign_splits(
            manifest,
            fold=self.fold,
            n_folds=self.n_folds,
            val_fraction=self.val_fraction,
            seed=self.split_seed,
            external=self.external,
            fold_by=self.fold_by,
            stratify=self.stratify,
        )

    def _load(self) -> None:
        manifest, problems = self._scan()
        if self.learns_from == "outcomes":
            refuse_errors(problems)  # without outcomes, folds cannot be assigned
        try:
            splits = self._splits_of(manifest)
            folders = prepare(
                manifest,
                self.target,
                self.preparation,
                self.cache,
                workers=max(self.workers, 2),
                rois=self._rois(splits),
            )
        except DataError as error:
            raise join_errors([*problems, error]) from error
        if errors_of(problems):
            raise DataError(problems)
        self.splits = splits
        entries = [open_entry(folders[case.case_id]) for case in manifest.cases]
        checkups = [
            checkup_of(case, entry, self.target, self.margin_vox)
            for case, entry in zip(manifest.cases, entries, strict=True)
        ]
        problems += lint(
            manifest,
            self.target,
            splits=self.splits,
            checkups=checkups,
            need_labels=self.learns_from == "labels",
        )
        if errors_of(problems):
            raise DataError(problems)
        self.warnings = problems
        self.manifest, self.folders = manifest, folders

    def _rois(self, splits: Mapping[str, str]) -> dict[str, Roi | None] | None:
        """Region of interest of each case from the boxes of a cascade; None without a cascade."""
        if self.boxes is None:
            return None
        return {
            case_id: self.boxes.roi_of(case_id, trains=split == "train", otherwise=self.target.roi)
            for case_id, split in splits.items()
        }

    @property
    def has_ignored(self) -> bool:
        """True if the target or the data set's label names define ignored voxels."""
        if self.learns_from == "outcomes":
            return False
        mapping = class_of_id(self.target, self.manifest.label_ids)
        return self.target.ignored_class in mapping.values()

    def cases(self, split: str) -> list[Case]:
        """Return the cases of `train`, `val`, `test` or `external`, in the manifest's order."""
        return [case for case in self.manifest.cases if self.splits[case.case_id] == split]

    def training_codes(self) -> Float[np.ndarray, "N outcomes"]:
        """Return the outcome codes of the training cases, for a network that learns outcomes."""
        return np.stack([outcome_codes(case, self.target) for case in self.cases("train")])

    def train_dataloader(self) -> DataLoader:
        """Make the loader of augmented patches, a fixed number per epoch."""
        trainer = self.trainer
        rank, ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        draws = self.draw_sampler(rank, ranks)
        how = {"batch_size": self.batch_size, "pin_memory": torch.cuda.is_available()}
        if self.patches == "direct":
            is_on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
            self.cuts = self.batch_cuts(is_finished=not is_on_gpu)
            return DirectLoader(self.cuts, draws, workers=self.workers, **how)
        regions = self.regions()
        self.queue = PatchQueue(regions, draws, length=self.queue_length, workers=self.workers)
        return patch_loader(self.queue, **how)

    def teardown(self, stage: str) -> None:  # noqa: ARG002
        """End the queue's worker processes after a training."""
        if self.queue is not None:
            self.queue.close()

    def draw_sampler(self, rank: int, ranks: int) -> DrawSampler:
        """Make the sampler of draws for one of the processes that train together."""
        num_draws = self.patches_per_epoch // self.patches_per_region
        return DrawSampler(
            len(self.cases("train")), num_draws, seed=self.seed, rank=rank, ranks=ranks
        )

    def batch_cuts(self, *, is_finished: bool = True, is_augmented: bool = True) -> BatchCuts:
        """Make the source of the direct loader's batches; `is_finished` as in `BatchCuts`."""
        target, settings = as_trained(self.target), self.augmentation if is_augmented else None
        return BatchCuts(
            self._training_folders(),
            num_contrasts=len(target.channels),
            transforms=read_transforms(settings, target=target),
            is_finished=is_finished,
            **self._draws_settings(),
        )

    def regions(self, *, is_augmented: bool = True) -> Regions:
        """Make the source of the queue's patches."""
        augmentation = None
        if self.augmentation and is_augmented:
            augmentation = build_augmentation(self.augmentation, target=as_trained(self.target))
        return Regions(
            self._training_folders(),
            augmentation=augmentation,
            patches_per_region=self.patches_per_region,
            **self._draws_settings(),
        )

    def _training_folders(self) -> list[Path]:
        return [self.folders[case.case_id] for case in self.cases("train")]

    def _draws_settings(self) -> dict[str, object]:
        target = as_trained(self.target)
        return {
            "patch_vox": target.patch_vox,
            "foreground_share": self.foreground_share,
            "margin_share": self.margin_share if self.augmentation else 0.0,
            "seed": self.seed,
            "margin_vox": self.margin_vox,
            "boxes": self.boxes,
            "ignored_class": target.ignored_class,
            "outcomes": self._codes("train"),
        }

    def on_after_batch_transfer(self, batch: Batch | CutBatch, dataloader_idx: int) -> Batch:  # noqa: ARG002
        """Augment the patches of a `CutBatch` on their device; a `Batch` stays as it is."""
        return self.cuts.finish(batch) if isinstance(batch, CutBatch) else batch

    def val_dataloader(self) -> DataLoader:
        """Make the loader of whole validation volumes, one per batch."""
        return self._whole_cases("val")

    def test_dataloader(self) -> DataLoader:
        """Make the loader of whole test volumes on the working grid, one per batch."""
        return self._whole_cases("test")

    def _whole_cases(self, split: str) -> DataLoader:
        entries = [open_entry(self.folders[case.case_id]) for case in self.cases(split)]
        trainer = self.trainer
        if trainer and trainer.world_size > 1:
            entries = share_of(entries, trainer.global_rank, trainer.world_size)
        whole = WholeCases(entries, outcomes=self._codes(split), patch_vox=self.target.patch_vox)
        return DataLoader(whole, batch_size=None, shuffle=False)

    def _codes(self, split: str) -> Codes | None:
        """Return the outcome codes of each case of a split, if the network learns outcomes."""
        if self.learns_from == "labels":
            return None
        return {case.case_id: outcome_codes(case, self.target) for case in self.cases(split)}


def loader_workers() -> int:
    """Return the number of processes that make patches; 0 if the network needs all cores."""
    cores = available_cores()
    return 0 if cores < 4 else min(cores - 2, 8)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checkup_of(case: Case, entry: Entry, target: Target, margin_vox: int = 0) -> Checkup:
    """Make the checkup of a case from the record of its preparation, without reading its files.

    If a patch loses `margin_vox` at each face, a volume must fill the inner voxels of a patch.
    """
    facts = entry.facts
    files = {**case.images, "label": case.label}  # current paths
    files |= {f"label_{name}": path for name, path in case.raters.items()}
    kept = [Problem(*fields) for fields in facts["warnings"]]
    problems = [problem._replace(file=str(files.get(problem.file, ""))) for problem in kept]
    cut = tuple(facts.get("cut", ()))
    problems += label_problems(case, facts["label_mm3"], facts["right_mm"], target, cut)
    problems += rater_problems(case, facts["raters"], target)
    if (outside := facts.get("outside_percent", 0.0)) > OUTSIDE_PERCENT:
        found = f"{outside} % of the mask outside the region of interest"
        todo = "enlarge target.roi.size_mm or move its offset_mm"
        place = {"case_id": case.case_id, "file": case.label}
        problems.append(warning(found, "the whole mask inside", todo, **place))
    sides = zip(entry.shape[1:], target.patch_vox, strict=True)
    return Checkup(
        problems=problems,
        label_mm3=facts["label_mm3"],
        right_mm=facts["right_mm"],
        is_small=any(side < patch - 2 * margin_vox for side, patch in sides),
        off_grid=(),
        digest=facts["digest"],
        cut=cut,
        view=View.from_plain(facts.get("view")),  # older entries have no view
    )
