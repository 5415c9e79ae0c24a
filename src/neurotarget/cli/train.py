"""`python train.py experiment=…`: prepare → train → predict the held-out cases → score → tables."""

import difflib
import hashlib
import logging
import math
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from neurotarget.cli.build import build, build_target, plain, refused
from neurotarget.cli.callbacks import RandomState, Stopwatch, TrainingBar, WholeCheckpoints
from neurotarget.cli.errors import taught, tell_problems
from neurotarget.cli.held_out import flat, score_held_out
from neurotarget.cli.precision import precision_for
from neurotarget.cli.run_folder import load_state, open_run, read_config
from neurotarget.cli.tracking import finish, log_final, loggers
from neurotarget.cli.windows import build_windows
from neurotarget.data.augment import build_augmentation
from neurotarget.data.module import TargetData
from neurotarget.files import write_text
from neurotarget.tasks.scores import AGREEMENT
from neurotarget.tasks.segmentation import SegmentationTask
from neurotarget.types import DataError, Target


@taught
def train(cfg: DictConfig) -> float:
    """Run one experiment from files to tables; returns the monitored value, for sweeps."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    _quieten()
    pl.seed_everything(_seed(cfg), verbose=False)
    parts = _parts(cfg, folder)  # all settings are tried before hours are spent on them
    is_main = rank_zero_only.rank == 0
    last = folder / "weights" / "last.ckpt"
    state = load_state(last) if cfg.resume and last.is_file() else None
    config = plain(cfg)
    record: dict[str, Any] = {}
    if is_main:
        _announce(cfg, parts.target, folder)
        _tell_resumed(cfg, state, folder, config)
        record = open_run(folder, config, said())
    parts.data.prepare_data()
    made: list[Logger] = []
    if is_main:
        tell_problems(parts.data.warnings)
        write_splits(parts.data, folder)
        config["data_fingerprint"] = fingerprint(parts.data)
        made = loggers(
            folder,
            config["logger"],
            run_id=record["id"],
            name=f"{cfg.name}/{folder.name}",
            config=config | {"versions": record["versions"], "code": record["code"]},
            resumed_step=state["global_step"] if state else 0,
        )
    failed = True
    try:
        best = _fit(parts, made, last if state else None)
        if is_main:
            facts = _facts(cfg, folder, parts.stopwatch, config["data_fingerprint"])
            result = score_held_out(
                folder,
                parts.data,
                facts=facts,
                weights=_usable(cfg.weights, folder),
                pictures=int(cfg.logger.pictures),
            )
            log_final(made, summary=result.flat, rows=result.rows, study=result.written)
            if result.error is not None:
                raise _failed_study(folder, result.error) from result.error
        failed = False
    finally:
        finish(made, failed=failed)
    return best


class Parts(NamedTuple):
    """What a run is made of."""

    target: Target
    data: TargetData
    task: SegmentationTask
    trainer: pl.Trainer
    stopwatch: Stopwatch


def _parts(cfg: DictConfig, folder: Path) -> Parts:
    target = build_target(cfg.target)
    _check_words(cfg, target)
    net = build(cfg.model, in_channels=len(target.contrasts), num_labels=target.num_labels)
    _try_patch(net, target)
    task = build(cfg.task, target=target, net=net, inferer=build_windows(plain(cfg), target))
    stopwatch = Stopwatch()
    trainer = _trainer(cfg, folder, stopwatch)
    data = build(cfg.data, target=target, augmentation=plain(cfg.augment))
    build_augmentation(data.augmentation, target=target)
    return Parts(target, data, task, trainer, stopwatch)


def _trainer(cfg: DictConfig, folder: Path, stopwatch: Stopwatch) -> pl.Trainer:
    try:
        return build(
            cfg.trainer,
            precision=precision_for(cfg.trainer.precision, cfg.trainer.accelerator),
            logger=False,
            callbacks=[*_callbacks(cfg, folder), stopwatch],
            plugins=[WholeCheckpoints()],
            default_root_dir=str(folder),
        )
    except MisconfigurationException as error:
        raise DataError(refused(cfg.trainer, error)) from error


def _fit(parts: Parts, made: list[Logger], resumed: Path | None) -> float:
    trainer = parts.trainer
    trainer.loggers = made or [DummyLogger()]  # other ranks log nothing
    try:
        trainer.fit(parts.task, datamodule=parts.data, ckpt_path=resumed, weights_only=True)
    except MisconfigurationException as error:
        raise DataError(f"training: {' '.join(str(error).split())}; mend the settings") from error
    if trainer.interrupted:
        raise KeyboardInterrupt
    score = trainer.checkpoint_callback.best_model_score
    return math.nan if score is None else float(score)


def _failed_study(folder: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(
        f"the study of this run failed ({reason}); its predictions, rows.csv and summary.json are "
        f"kept: neurotarget study rows={folder} tries again"
    )


def _seed(cfg: DictConfig) -> int:
    if not isinstance(cfg.seed, int):
        raise DataError(f"seed: got {cfg.seed!r}, wanted a whole number; say seed=1")
    return cfg.seed


def _check_words(cfg: DictConfig, target: Target) -> None:
    """Settings that are words of ours and would otherwise be looked at hours later."""
    logged = ["val/dice_mean", "val/loss"]
    logged += [f"val/dice/{name}" for name in target.label_names]
    logged += [f"val/volume_{key}/{name}" for name in target.label_names for key in AGREEMENT]
    for name, word, known in (
        ("weights", cfg.weights, ["best", "last"]),
        ("monitor", cfg.monitor, logged),
    ):
        if word not in known:
            near = difflib.get_close_matches(str(word), known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise DataError(f"{name}: got {word!r}; {hint}known are {', '.join(known)}")


def _tell_resumed(cfg: DictConfig, state: dict | None, folder: Path, config: dict) -> None:
    if not cfg.resume:
        return
    if state is None:
        print("no checkpoint was written before this run stopped: it begins again", flush=True)
    if (folder / "config.yaml").is_file():
        before = dict(flat(read_config(folder)))
        now = dict(flat(config))
        for key in sorted(before.keys() | now.keys() - {"resume"}):
            if key != "resume" and before.get(key) != now.get(key):
                print(f"resumed with {key}: {now.get(key)} (it was {before.get(key)})", flush=True)


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


def _callbacks(cfg: DictConfig, folder: Path) -> list[Callback]:
    weights = str(folder / "weights")
    best = ModelCheckpoint(
        weights,
        "best",
        monitor=cfg.monitor,
        mode="min" if str(cfg.monitor).endswith("loss") else "max",
        enable_version_counter=False,
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


def _try_patch(net: torch.nn.Module, target: Target) -> None:
    """Run one patch of zeros through the network: it says at once whether the sides fit it."""
    try:
        with torch.no_grad():
            net.train()(torch.zeros(2, len(target.contrasts), *target.patch_vox))
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"target.patch_vox: {list(target.patch_vox)} does not go through "
            f"{type(net).__name__} ({' '.join(str(error).split())}); change target.patch_vox or "
            "the model's levels"
        ) from error


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


def write_splits(data: TargetData, folder: Path) -> None:
    """Write which case is in which split, and whose it is, as splits.tsv."""
    lines = ["case_id\tsubject_id\tsplit"]
    lines += [
        f"{case.case_id}\t{case.subject_id}\t{data.splits[case.case_id]}"
        for case in data.manifest.cases
    ]
    write_text(folder / "splits.tsv", "\n".join(lines) + "\n")
