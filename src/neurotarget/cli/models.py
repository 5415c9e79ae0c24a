"""`neurotarget models`: table of the models in conf/model with their cost for a target."""

import csv
import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from neurotarget.cli.flags import flag
from neurotarget.cli.overrides import no_variant
from neurotarget.cli.settings import read_whole
from neurotarget.data.reading_results import whole_number
from neurotarget.files.ownership import claim_file
from neurotarget.files.writing import written
from neurotarget.losses import DeepSupervision
from neurotarget.models.profile import Profile, profile
from neurotarget.printable import cell
from neurotarget.problems import DataError
from neurotarget.process.programs import home
from neurotarget.report.text.numbers import NOTHING, aligned, number
from neurotarget.runs.folder.jobs import quoted
from neurotarget.runs.network.fitting import fit_patch, optimizer_states
from neurotarget.runs.network.objects import build
from neurotarget.shapes import times
from neurotarget.types import Target, TripleVox

CONF = home() / "conf"
WORDS = ("model", "target", "batch", "patch", "tsv", "overwrite")
ANY_TARGET = Target("any", ("t1",), {"label": 1}, (1, 1, 1), (64, 64, 64))
GIGA = 1e9
HEAD = (
    "model",
    "parameters",
    "stride",
    "patch",
    "deep",
    "optimizer",
    "rate",
    "GFLOPs",
    "in training",
    "MiB",
    "in training",
    "what",
)
NOTE = """
deep: scores coarser levels too, in training. GFLOPs and MiB are those of one batch of patches: of a
prediction, and of a step of training, forward and backward. Memory is that of weights, of what the
optimizer and the average of the weights keep, and of results alive at one time, in 32 bits; the
program and what libraries need come on top."""


class Line(NamedTuple):
    """One model; only name, description and reason are set if it cannot be built."""

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


def run(words: Mapping[str, str], load_target: Callable[[str], Target]) -> int:
    """Print the table, and write it to the file of `tsv=<path>`.

    Raises:
        DataError: an argument has an invalid value, or the file cannot be written.
    """
    path, overwrite = words.get("tsv"), flag(words, "overwrite")
    if path:
        claim_file(Path(path), key="tsv", overwrite=overwrite)
    name, batch = words.get("target", ""), _batch(words.get("batch", "2"))
    target = load_target(name) if name else ANY_TARGET
    patch_vox = _patch(words["patch"]) if "patch" in words else None
    asked = words["model"].split(",") if "model" in words else None
    lines = list_models(target, batch=batch, patch_vox=patch_vox, names=asked)
    print(
        f"{f'target {name}' if name else 'no target'}: {len(target.contrasts)} contrast(s), "
        f"{target.num_labels} labels with background, batches of {batch}\n"
    )
    print(aligned([list(HEAD), *map(_cells, lines)]))
    print(NOTE)
    if path:
        write_table(lines, Path(path))
        print(f"\ntable  {path}")
    return 0


def list_models(
    target: Target,
    *,
    batch: int,
    patch_vox: TripleVox | None = None,
    names: Sequence[str] | None = None,
    conf: Path = CONF,
) -> list[Line]:
    """Lines of the named models, or of all models at the top of conf/model.

    A patch is made as large as each model needs.

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
    for unknown in set(names or ()) - set(files):
        variant, _, plain = unknown.rpartition("/")
        if variant and plain in files:
            there = sorted(name.rpartition("/")[2] for name in files if name.startswith(variant))
            raise DataError(f"model={unknown}: {no_variant('model', variant, plain, there)}")
        near = difflib.get_close_matches(unknown, files, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(
            f"model={unknown}: no such model; {hint}known are {', '.join(sorted(files))}"
        )
    top = sorted(name for name in files if "/" not in name)
    line_of = functools.partial(_line, target=target, batch=batch, patch_vox=patch_vox)
    with initialize_config_dir(str(conf), version_base="1.3"):
        return [line_of(name, _what(files[name]), search) for name in names or top]


def write_table(lines: Sequence[Line], path: Path) -> None:
    """Write lines as TSV; an unknown value is n/a."""
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
        asked = config["patch_vox"] if patch_vox is None else "auto"
        wanted = target if patch_vox is None else replace(target, patch_vox=patch_vox)
        net, fitted, _ = fit_patch(asked, config["model"], wanted)
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


def _composed(name: str, search: list[str]) -> dict[str, Any]:
    """Settings of a training with this model, as far as they affect cost."""
    config = compose("train", [f"model={name}", *search])
    parts = OmegaConf.masked_copy(config, ["model", "loss", "optimizer", "patch_vox", "task"])
    found = OmegaConf.to_container(parts)
    return found | {key: found["task"][key] for key in ("ema_decay", "channels_last")}


def _profiles(
    net: nn.Module, target: Target, config: Mapping[str, Any], batch: int
) -> tuple[Profile, Profile]:
    """Cost of a prediction and of a training step, with the memory layout of the task."""
    if config["channels_last"]:
        net.to(memory_format=torch.channels_last_3d)
    shape = (batch, len(target.contrasts), *target.patch_vox)
    states = optimizer_states(config["optimizer"]) + (config["ema_decay"] is not None)
    loss = DeepSupervision(build(config["loss"]))
    train = profile(net, shape, training=True, optimizer_states=states, loss=loss)
    return profile(net, shape, training=False), train


def _what(file: Path) -> str:
    """First comment line of a config, which describes it."""
    lines = file.read_text(encoding="utf-8").splitlines()
    told = (line.lstrip("# ") for line in lines if line.startswith("#") and "@package" not in line)
    return next(told, "")


def _cells(line: Line) -> list[str]:
    if line.reason:
        return [line.model, *[NOTHING] * (len(HEAD) - 2), line.reason]
    return [
        line.model,
        f"{line.parameters:,}",
        line.stride,
        line.patch_vox,
        "yes" if line.deep_supervision else "no",
        line.optimizer,
        NOTHING if line.learning_rate is None else f"{line.learning_rate:g}",
        number(line.gflops_predict),
        number(line.gflops_train),
        number(line.memory_predict_mib, 0),
        number(line.memory_train_mib, 0),
        line.what,
    ]


def _batch(text: str) -> int:
    return read_whole("batch", text, 1, 65_536)


def _patch(text: str) -> TripleVox:
    sides = [whole_number(side) or 0 for side in text.strip("[]").split(",")]
    if len(sides) != 3 or not all(0 < side <= 4096 for side in sides):
        found = f"{text[:40]!r}"
        raise DataError(f"patch: got {found}, wanted three sides in voxels such as patch=48,64,48")
    return tuple(sides)
