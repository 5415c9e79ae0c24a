"""Cost of the models in conf/model for a target: parameters, operations and memory."""

import csv
import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from neurotarget.cli.configs.overrides import no_variant
from neurotarget.files.writing import written
from neurotarget.losses import DeepSupervision
from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.memory_layout import channels_last
from neurotarget.models.profile import Profile, profile
from neurotarget.outcome import Outcome
from neurotarget.printable import cell
from neurotarget.problems import DataError, did_you_mean
from neurotarget.process.programs import home
from neurotarget.runs.folder.jobs import quoted
from neurotarget.runs.network.fitting import fit_patch, optimizer_states
from neurotarget.runs.network.objects import build, located
from neurotarget.shapes import times
from neurotarget.tasks.base import TargetTask
from neurotarget.tasks.classification import ClassificationTask
from neurotarget.tasks.regression import RegressionTask
from neurotarget.tasks.segmentation import SegmentationTask
from neurotarget.types import Target, TripleVox

CONF = home() / "conf"
ANY_TARGET = Target("any", ("t1",), {"label": 1}, (1, 1, 1), (64, 64, 64))
ANY_OUTCOMES = (Outcome("any", "binary", ("no", "yes")),)
GIGA = 1e9


class Line(NamedTuple):
    """One model; only name, description and reason are set if it cannot be built.

    Attributes:
        stride: the sides of a patch must be multiples of these numbers, such as 16 × 16 × 16.
        deep_supervision: whether the loss in training includes coarser levels.
        gflops_predict: 10⁹ operations for one batch; `gflops_train` adds the backward pass.
        memory_predict_mib: peak of a prediction; `memory_train_mib` that of a training step.
        reason: why the model cannot be built for the target; empty if it can.
    """

    model: str
    what: str
    parameters: int | None = None
    stride: str = ""
    patch_vox: str = ""
    deep_supervision: bool | None = None
    optimizer: str = ""
    learning_rate: float | None = None
    gflops_predict: float | None = None
    gflops_train: float | None = None
    memory_predict_mib: float | None = None
    memory_train_mib: float | None = None
    reason: str = ""


def list_models(
    target: Target,
    *,
    batch: int,
    patch_vox: TripleVox | None = None,
    names: Sequence[str] = (),
    conf: Path = CONF,
) -> list[Line]:
    """Return the lines of the named models, or of all models at the top of conf/model.

    A patch is made as large as each model needs. A model of whole images has the outputs of the
    target's outcomes, else one output. A voxel-wise model is left out for a target without
    labels, unless it is named.

    Raises:
        DataError: a model of that name does not exist.
    """
    folders, search = [conf], []
    own = Path("conf").resolve()  # `target` is searched there too
    if own.is_dir() and own != conf.resolve():
        folders, search = [own, conf], [f"hydra.searchpath=[{quoted(f'file://{own}')}]"]
    files = {  # with those in sub-folders, such as small/unet
        file.relative_to(folder / "model").with_suffix("").as_posix(): file
        for folder in folders
        for file in folder.glob("model/**/*.yaml")
    }
    for unknown in set(names) - set(files):
        variant, _, plain = unknown.rpartition("/")
        if variant and plain in files:
            there = sorted(name.rpartition("/")[2] for name in files if name.startswith(variant))
            raise DataError(f"model={unknown}: {no_variant('model', variant, plain, there)}")
        known = f"{did_you_mean(unknown, files)}known are {', '.join(sorted(files))}"
        raise DataError(f"model={unknown}: no such model; {known}")
    top = sorted(name for name in files if "/" not in name)
    line_of = functools.partial(_line, target=target, batch=batch, patch_vox=patch_vox)
    with initialize_config_dir(str(conf), version_base="1.3"):
        lines = [line_of(name, _what(files[name]), search) for name in names or top]
    return [line for line in lines if names or target.labels or not line.reason]


def write_table(lines: Sequence[Line], path: Path) -> None:
    """Write lines as TSV, one row per model under the names of the fields; an unknown value is n/a.

    Raises:
        DataError: the file cannot be written, or neurotarget did not write the file at the path.
    """
    with written(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n")
        table.writerow(Line._fields)
        table.writerows([["n/a" if one is None else cell(one) for one in line] for line in lines])


def _line(
    name: str,
    what: str,
    search: list[str],
    *,
    target: Target,
    batch: int,
    patch_vox: TripleVox | None,
) -> Line:
    try:
        config = _composed(name, search)
        sides = config["patch_vox"] if patch_vox is None else "auto"
        wanted = target if patch_vox is None else replace(target, patch_vox=patch_vox)
        task, wanted = _task_for(config["model"], wanted)
        net, fitted, _ = fit_patch(sides, config["model"], wanted, task=task)
        predict, train = _profiles(net, fitted, config, batch)
    except (DataError, HydraException, OmegaConfBaseException, ImportError, RuntimeError) as error:
        return Line(name, what, reason=" ".join(str(error).split()))
    optimizer = config["optimizer"]
    return Line(
        name,
        what,
        parameters=train.parameters,
        stride=times(getattr(net, "stride", (1, 1, 1))),
        patch_vox=times(fitted.patch_vox),
        deep_supervision=bool(getattr(net, "deep_supervision", False)),
        optimizer=str(optimizer["_target_"]).rpartition(".")[2],
        learning_rate=optimizer.get("lr"),
        gflops_predict=predict.flops / GIGA,
        gflops_train=train.flops / GIGA,
        memory_predict_mib=predict.peak_memory_mib,
        memory_train_mib=train.peak_memory_mib,
    )


def _task_for(model: Mapping[str, Any], target: Target) -> tuple[type[TargetTask], Target]:
    """Return the kind of task that trains a model, and a target for the task."""
    kind = located(str(model["_target_"]))
    if not (inspect.isclass(kind) and issubclass(kind, VectorBackbone)):
        return SegmentationTask, target
    outcomes = target.outcomes or ANY_OUTCOMES
    kinds = {one.kind for one in outcomes}
    return (RegressionTask if kinds == {"number"} else ClassificationTask), replace(
        target, outcomes=outcomes
    )


def _composed(name: str, search: list[str]) -> dict[str, Any]:
    """Compose the settings of a training with this model that affect cost."""
    config = compose("train", [f"model={name}", *search])
    parts = OmegaConf.masked_copy(config, ["model", "loss", "optimizer", "patch_vox", "task"])
    settings = OmegaConf.to_container(parts)
    return settings | {key: settings["task"][key] for key in ("ema_decay", "channels_last")}


def _profiles(
    net: nn.Module, target: Target, config: Mapping[str, Any], batch: int
) -> tuple[Profile, Profile]:
    """Measure the cost of a prediction and of a training step, in the memory layout of the task."""
    if config["channels_last"]:
        channels_last(net)
    shape = (batch, len(target.channels), *target.patch_vox)
    states = optimizer_states(config["optimizer"]) + (config["ema_decay"] is not None)
    is_vector = isinstance(net, VectorBackbone)
    loss = None if is_vector else DeepSupervision(build(config["loss"]))
    train = profile(net, shape, training=True, optimizer_states=states, loss=loss)
    return profile(net, shape, training=False), train


def _what(file: Path) -> str:
    """Return the first comment line of a configuration file, which describes the model."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comments = (line.lstrip("# ") for line in lines if line.startswith("#"))
    return next((line for line in comments if not line.startswith("@package")), "")
