"""From configs to objects; the only place that turns a `_target_` into a call."""

import difflib
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from neurotarget.problems import DataError
from neurotarget.runs.folder.foreign import refuse_foreign
from neurotarget.types import Target

# what constructors raise on a value that they cannot take: their own, Python's and torch's errors
REFUSALS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError)
MEND = "mend the setting in conf or on the command line"
RESTORE = "restore the file, or use the version that wrote it"
FOREIGN = "a config that is not this program's own"


def build(cfg: DictConfig | Mapping, **values: object) -> Any:  # noqa: ANN401
    """Call a node's `_target_` with its own plain values and further ones of any type.

    Raises:
        DataError: a setting is unknown (with the nearest one), or has a value that is refused.
    """
    # bound first and called after: Hydra would turn dataclasses among `values` into configs
    try:
        return instantiate(cfg, _convert_="all", _partial_=True)(**values)
    except (InstantiationException, *REFUSALS) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(refused(cfg, error)) from error


def refused(cfg: DictConfig | Mapping, error: BaseException, todo: str = MEND) -> str:
    """One sentence of what a constructor would not take; the innermost error knows it best."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = " ".join(str(error).split())
    unknown = re.search(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'", said)
    absent = re.search(r"([\w.]+)\(\) missing \d+ required positional arguments?: (.+)", said)
    if absent is not None:
        return f"{absent[1].split('.')[0]}: found no setting {absent[2]}, wanted a value; add it"
    if unknown is None:
        advice = "" if "; " in said else f"; {todo}"
        name = str(cfg.get("_target_", "")).rpartition(".")[2]
        return f"{said}{advice}" if said.startswith(f"{name}:") else f"{name}: {said}{advice}"
    owner, key = unknown[1].split(".")[0], unknown[2]
    near = difflib.get_close_matches(key, _parameters(cfg, owner), n=1)
    hint = f"did you mean {near[0]}?" if near else "take it out"
    return f"{owner}: no such setting {key!r}; {hint}"


def _parameters(cfg: object, owner: str) -> list[str]:
    """Parameters of the class called `owner` that this node, or one inside it, names."""
    if not isinstance(cfg, Mapping | DictConfig):
        return []
    module, _, name = str(cfg.get("_target_", "")).rpartition(".")
    if name == owner:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    return next((found for key in cfg if (found := _parameters(cfg.get(key), owner))), [])


def build_foreign(cfg: Mapping[str, Any], **values: object) -> Any:  # noqa: ANN401
    """Call a `_target_` read from a run folder or a file, which may be a stranger's.

    Only classes that are defined in the shareable modules are called, nothing that these modules
    merely import, so a config cannot run code of its own.

    Raises:
        DataError: the config names anything else at any depth, or settings that are refused.
    """
    node = cfg if isinstance(cfg, Mapping) and "_target_" in cfg else {"_target_": ""}
    refuse_foreign(node, FOREIGN)
    module, _, name = str(node["_target_"]).rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    plain_keys = [key for key in node if not str(key).startswith("_")]
    given = {str(key): _foreign_value(node[key]) for key in plain_keys}
    try:
        return kind(**given, **values)
    except REFUSALS as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{FOREIGN}: {refused(node, error, RESTORE)}") from error


def recorded_target(config: Mapping[str, Any], folder: Path) -> Target:
    """The target of a run, which may be a stranger's, as its config.yaml has it.

    Raises:
        DataError: it has none, or one that is refused.
    """
    path = folder / "config.yaml"
    with read_from(path):
        target = build_foreign(config["target"]) if config.get("target") else None
    if not isinstance(target, Target):
        raise DataError(f"{path}: found no target, wanted that of a run; say target=<name>")
    return target


@contextmanager
def read_from(path: Path) -> Iterator[None]:
    """Name the file of a run's configuration in all that is wrong with what it holds."""
    try:
        yield
    except DataError as error:
        reason = str(error).removeprefix(f"{FOREIGN}: ")
        raise DataError(reason if str(path) in reason else f"{path}: {reason}") from error


def _foreign_value(value: object) -> object:
    nested = isinstance(value, Mapping) and "_target_" in value
    return build_foreign(value) if nested else value


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Resolved config as dicts and lists, for files and trackers."""
    return OmegaConf.to_container(cfg, resolve=True)


def build_target(cfg: DictConfig | None) -> Target:
    """The target of a run.

    Raises:
        DataError: the run names none.
    """
    if not cfg:
        raise DataError(
            "no target: say experiment=<name> or target=<name>, "
            "such as python train.py experiment=pituitary"
        )
    return build(cfg)
