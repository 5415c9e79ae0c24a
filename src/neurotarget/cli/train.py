"""`python train.py experiment=…`: prepare → train → predict the held-out cases → score → tables."""

import hashlib
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, ModelCheckpoint

from neurotarget.cli.build import build, build_target, plain, precision_for
from neurotarget.cli.callbacks import RandomState, Stopwatch, TrainingBar
from neurotarget.cli.errors import taught, tell_problems
from neurotarget.cli.held_out import score_held_out
from neurotarget.cli.run_folder import open_run, weights_path, write_text
from neurotarget.cli.tracking import finish, log_final, loggers
from neurotarget.data.module import TargetData
from neurotarget.inference.tiling import SlidingWindow
from neurotarget.tasks.segmentation import SegmentationTask
from neurotarget.types import DataError, Target


@taught
def train(cfg: DictConfig) -> float:
    """Run one experiment from files to tables; returns the monitored value, for sweeps."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    _quieten()
    pl.seed_everything(int(cfg.seed), verbose=False)
    target = build_target(cfg.target)
    resumed = weights_path(folder, "last") if cfg.resume else None
    _announce(cfg, target, folder)
    data: TargetData = build(cfg.data, target=target, augmentation=plain(cfg.augment))
    data.prepare_data()
    tell_problems(data.warnings)
    config = plain(cfg)
    record = open_run(folder, config, said())
    _write_splits(data, folder)
    config["data_fingerprint"] = fingerprint(data)
    made = loggers(
        folder,
        config["logger"],
        run_id=record["id"],
        name=f"{cfg.name}/{folder.name}",
        config=config | {"versions": record["versions"], "code": record["code"]},
    )
    failed = True
    try:
        trainer, stopwatch = _fit(cfg, data, target, folder, made, resumed)
        best = _best(trainer)
        if trainer.is_global_zero:
            facts = _facts(cfg, folder, stopwatch, config["data_fingerprint"])
            result = score_held_out(
                folder,
                data,
                facts=facts,
                weights=_usable(cfg.weights, folder),
                pictures=int(cfg.logger.pictures),
            )
            log_final(made, summary=result.flat, rows=result.rows, pictures=result.pictures)
        failed = False
    finally:
        finish(made, failed=failed)
    return best


def said() -> list[str]:
    """The words that started this job: overrides, and the user's own config folder."""
    hydra = HydraConfig.get()
    own = [
        f"--config-dir={source.path}"
        for source in hydra.runtime.config_sources
        if source.provider == "command-line"
    ]
    return [*own, *hydra.overrides.task]


def _quieten() -> None:
    """Keep Lightning's advertisements and hints for developers off the user's screen."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for hint in (".*LeafSpec.*", ".*does not have many workers.*", ".*smaller than the logging.*"):
        warnings.filterwarnings("ignore", hint)


def _usable(weights: str, folder: Path) -> str:
    """The weights asked for; the last ones where training ended before a first validation."""
    if weights == "best" and not (folder / "weights" / "best.ckpt").is_file():
        print("no validation was due before training ended: the last weights are used")
        return "last"
    return weights


def _fit(
    cfg: DictConfig,
    data: TargetData,
    target: Target,
    folder: Path,
    made: list,
    resumed: Path | None,
) -> tuple[pl.Trainer, Stopwatch]:
    net = build(cfg.model, in_channels=len(target.contrasts), num_labels=target.num_labels)
    _check_patch(net, target)
    task: SegmentationTask = build(
        cfg.task,
        target=target,
        net=net,
        inferer=SlidingWindow(target.patch_vox),
    )
    stopwatch = Stopwatch()
    trainer: pl.Trainer = build(
        cfg.trainer,
        precision=precision_for(cfg.trainer.precision, cfg.trainer.accelerator),
        logger=made,
        callbacks=[*_callbacks(cfg, folder), stopwatch],
        default_root_dir=str(folder),
    )
    trainer.fit(task, datamodule=data, ckpt_path=resumed, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return trainer, stopwatch


def _callbacks(cfg: DictConfig, folder: Path) -> list[Callback]:
    weights = str(folder / "weights")
    best = ModelCheckpoint(
        weights, "best", monitor=cfg.monitor, mode="max", enable_version_counter=False
    )
    last = ModelCheckpoint(
        weights,
        "last",
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [
        best,
        last,
        LearningRateMonitor("epoch"),
        RandomState(),
        TrainingBar(cfg.monitor),
    ]


def _check_patch(net: torch.nn.Module, target: Target) -> None:
    stride = getattr(net, "stride", 1)
    steps = (stride,) * 3 if isinstance(stride, int) else stride
    if any(side % step for side, step in zip(target.patch_vox, steps, strict=True)):
        raise DataError(
            f"target.patch_vox: got {list(target.patch_vox)}, wanted multiples of {list(steps)}, "
            f"which {type(net).__name__} divides by; change target.patch_vox or the model's levels"
        )


def _announce(cfg: DictConfig, target: Target, folder: Path) -> None:
    budget = cfg.trainer.max_time
    length = f"at most {budget} (d:h:m:s)" if budget else f"{cfg.trainer.max_epochs} epochs"
    print(
        f"{cfg.name}: {target.question or target.name}\n"
        f"  data      read and prepared once into {cfg.data.cache}\n"
        f"  training  {length} of {cfg.data.patches_per_epoch} patches each; the bar shows the "
        f"time left\n"
        f"  then      the held-out cases are predicted and scored, in a few minutes\n"
        f"  results   {folder}\n"
        f"  stopped?  python train.py resume={folder}",
        flush=True,
    )


def _best(trainer: pl.Trainer) -> float:
    score = trainer.checkpoint_callback.best_model_score
    return math.nan if score is None else float(score)


def _facts(
    cfg: DictConfig, folder: Path, watch: Stopwatch, data_fingerprint: str
) -> dict[str, Any]:
    return {
        "experiment": str(cfg.name),
        "model": HydraConfig.get().runtime.choices.get("model"),
        "seed": int(cfg.seed),
        "fold": int(cfg.data.fold),
        "train_seconds": round(watch.seconds, 1),
        "data_fingerprint": data_fingerprint,
        "run": str(folder),
    }


def fingerprint(data: TargetData) -> str:
    """Hash of the prepared cases (their contents and settings) and of the splits."""
    parts = [
        f"{case_id} {data.folders[case_id].name} {split}" for case_id, split in data.splits.items()
    ]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]


def _write_splits(data: TargetData, folder: Path) -> None:
    lines = ["case_id\tsubject_id\tsplit"]
    lines += [
        f"{case.case_id}\t{case.subject_id}\t{data.splits[case.case_id]}"
        for case in data.manifest.cases
    ]
    write_text(folder / "splits.tsv", "\n".join(lines) + "\n")
