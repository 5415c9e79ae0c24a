"""Build the parts of a run from its resolved configuration, and test every setting."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, LearningRateMonitor
from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from neurotarget.data.augmentation.augment import build_augmentation
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.draws import start_server
from neurotarget.data.sides.pairs import as_trained
from neurotarget.models.profile import profile
from neurotarget.problems import DataError, did_you_mean
from neurotarget.process.signals import Stopped, signal_of
from neurotarget.runs.network.fitting import fit_patch, try_patch
from neurotarget.runs.network.objects import build, refused
from neurotarget.runs.network.precision import precision_for
from neurotarget.runs.network.pretrained import load_pretrained
from neurotarget.runs.network.task_class import task_class
from neurotarget.runs.network.windows import build_windows
from neurotarget.runs.tracking.cost import CostMeter
from neurotarget.runs.tracking.stalls import StallMeter
from neurotarget.tasks.base import TargetTask
from neurotarget.tasks.score_outcomes import refuse_own
from neurotarget.training.callbacks import BestScores, Checkpoint, RandomState, WholeCheckpoints
from neurotarget.training.own_parts import own_augmentation
from neurotarget.training.resources.budget import apply_budget
from neurotarget.training.resources.devices import starts_own_ranks
from neurotarget.training.training_bar import TrainingBar
from neurotarget.types import Target

Config = Mapping[str, Any]  # resolved, of plain values
POSTPROCESS = ["auto", "none"]


class Start(NamedTuple):
    """Start of a training: folder, overrides and commands, for records and messages."""

    folder: Path
    overrides: Sequence[str]  # of the command line, with the user's own config folder
    resume_command: str  # resumes the run if it is stopped
    model: str | None = None  # name of its model in `conf/model`
    callbacks: Sequence[Callback] = ()  # added to those of the configuration


class Parts(NamedTuple):
    """The parts of a run, and sentences about changed settings and loaded weights.

    Attributes:
        target: target with the patch of this run, which may differ from the configuration.
        data: data module with cases, splits and loaders.
        task: task with network, loss and scores.
        trainer: trainer with all callbacks and loggers.
        best: scores at the best value of the monitored score.
        meter: meter of the cost of the training.
        stalls: meter of the time that the training has waited for batches.
        lines: sentences for the terminal.
    """

    target: Target
    data: TargetData
    task: TargetTask
    trainer: pl.Trainer
    best: BestScores
    meter: CostMeter
    stalls: StallMeter
    lines: list[str]


def _refuse_cascade(learns_from: str, target: Target) -> None:
    """Refuse a cascade for data without volumes or masks, which a localiser needs."""
    if learns_from != "labels":
        whose, why = "a network of whole images", "a localiser learns from masks"
    elif target.is_flat:
        whose, why = "a target of pictures", "a localiser finds a box in a volume"
    else:
        return
    raise DataError(
        f"cascade.localise: found true for {whose}, wanted false: {why}; set cascade=none"
    )


def build_data(config: Config, target: Target) -> TargetData:
    """Build the data module of a target; nothing is read yet.

    With workers, the process from which they are started begins to load.

    Raises:
        DataError: a setting is invalid, or applies to masks while the target has outcomes.
    """
    learns_from = task_class(config).learns_from
    if learns_from != "labels":  # before the training, which would be lost
        refuse_own(config.get("metrics") or {})
    if (config.get("cascade") or {}).get("localise"):
        _refuse_cascade(learns_from, target)
    data = build(
        config["data"],
        target=target,
        augmentation=own_augmentation(config["augment"]),
        learns_from=learns_from,
    )
    build_augmentation(data.augmentation, target=as_trained(target))
    start_server(data.workers)
    return data


def build_parts(
    config: Config,
    folder: Path,
    target: Target,
    data: TargetData,
    *,
    resumed: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Parts:
    """Build network, task and trainer.

    Args:
        config: resolved configuration of plain values.
        folder: folder of the run, for its checkpoints.
        target: target whose patch may be enlarged for the network.
        data: data module of the target, which gets the patch.
        resumed: whether weights come from a checkpoint, not from `pretrained`.
        callbacks: callbacks that are added to the trainer's own.

    Raises:
        DataError: a setting is unknown or has an invalid value, or the patch does not fit.
    """
    check_choices(config, target)
    kind = task_class(config)
    net, fitted, note = fit_patch(config["patch_vox"], config["model"], target, task=kind)
    data.change(target=fitted, margin_vox=getattr(net, "margin_vox", 0))
    lines = [note] if note else []
    if config["pretrained"] and not resumed:
        lines += [f"pretrained: {line}" for line in load_pretrained(config["pretrained"], net)]
    try_patch(net, fitted)
    windows = build_windows(config, fitted, margin_vox=data.margin_vox, task=kind)
    task = build(config["task"], target=as_trained(fitted), net=net, inferer=windows)
    best, meter = BestScores(config["monitor"], mode=mode_of(config)), CostMeter()
    stalls = StallMeter()
    shape = (config["data"]["batch_size"], len(fitted.channels), *fitted.patch_vox)
    budget = apply_budget(
        config["budget"],
        config["trainer"],
        lambda: profile(net, shape, training=True).flops,
    )
    bar = TrainingBar(config["monitor"], stalls)
    further = [bar, best, meter, stalls, *budget.callbacks, *callbacks]
    trainer = _trainer(config, folder, budget.trainer, further)
    if config["budget"]["kind"] in ("minutes", "flops"):  # steps are printed earlier
        lines.append(f"training  {budget.description}")
    return Parts(fitted, data, task, trainer, best, meter, stalls, lines)


def fit(parts: Parts, made: list[Logger], resumed: Path | None) -> None:
    """Train; `resumed` is the checkpoint to resume from.

    Raises:
        DataError: Lightning refuses the settings, or masks have ignored voxels and the loss counts
            every voxel.
        KeyboardInterrupt: the user stops.
    """
    parts.task.prepare(parts.data)
    trainer = parts.trainer
    trainer.loggers = made or [DummyLogger()]  # other ranks log nothing
    try:
        trainer.fit(parts.task, datamodule=parts.data, ckpt_path=resumed, weights_only=True)
    except MisconfigurationException as error:
        raise DataError(f"training: {' '.join(str(error).split())}; correct a setting") from error
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        has_begun = not math.isnan(parts.meter.expected_steps)
        if resumed is None or has_begun or isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{resumed}: training cannot continue from it ({type(error).__name__}: {reason}); "
            "restore the file, use its settings, or start a new training"
        ) from error
    except SystemExit as error:  # Lightning hides which signal stopped it
        if (number := signal_of(error)) is None:
            raise
        raise Stopped(number) from error


def check_choices(config: Config, target: Target) -> None:
    """Check the settings `weights`, `monitor`, `postprocess` and `held_out`, which are used late.

    Raises:
        DataError: a value is unknown; the message names the nearest.
    """
    logged = task_class(config).logged(target)
    for name, value, known in (
        ("weights", config["weights"], ["best", "last"]),
        ("monitor", config["monitor"], logged),
        ("postprocess", config["postprocess"], POSTPROCESS),
    ):
        if value not in known:
            hint = did_you_mean(str(value), known)
            raise DataError(f"{name}: got {value!r}; {hint}known are {', '.join(known)}")
    if not isinstance(config["held_out"], bool):
        raise DataError(f"held_out: got {config['held_out']!r}, wanted true or false")


def mode_of(config: Config) -> str:
    """Return "min" if a lower value of the monitored score is better, else "max".

    The kind of task decides this: low for a loss, high for a Dice.
    """
    return "min" if task_class(config).is_lower_better(str(config["monitor"])) else "max"


def _trainer(
    config: Config, folder: Path, settings: Mapping[str, Any], further: list[Callback]
) -> pl.Trainer:
    own = [LightningEnvironment()] if starts_own_ranks(settings) else []
    try:
        return build(
            settings,
            precision=precision_for(settings["precision"], settings["accelerator"]),
            logger=False,
            callbacks=[*_callbacks(config, folder), *further],
            plugins=[WholeCheckpoints(), *own],
            default_root_dir=str(folder),
        )
    except MisconfigurationException as error:
        raise DataError(refused(settings, error)) from error


def _callbacks(config: Config, folder: Path) -> list[Callback]:
    weights, monitor = folder / "weights", config["monitor"]
    best = Checkpoint(weights, "best", monitor=monitor, mode=mode_of(config))
    last = Checkpoint(weights, "last", every_n_epochs=1, save_on_train_epoch_end=True)
    return [best, last, LearningRateMonitor("epoch"), RandomState()]
