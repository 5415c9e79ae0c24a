"""Configurations that may be a stranger's: plain values, and no code but the classes listed here.

Ours are the `conf` of this program, a folder that is typed as `--config-dir`, and overrides that
are typed. Foreign are files that are given by their path (`target=`, `run=`, `resume=`, runs that
are compared or studied) and what they in turn name. `trust=true`, typed each time, lifts this.
"""

import importlib
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from torch.optim import Optimizer

from neurotarget.files.reading import check_regular, load_yaml
from neurotarget.problems import DataError
from neurotarget.runs.folder.known_caches import CACHES, is_noted

KEPT_HERE = re.compile(r"logger\.((group|tags|pictures)=.*|wandb=(offline|disabled))", re.DOTALL)
PARAMS = ("hydra.sweeper.params.", "sweep.space.")  # before the keys that a sweep sets
PLACES = ("data.cache", "data.source.folder", "paths.cache", "paths.datasets", "paths.runs")
SHAREABLE = ("neurotarget.models.", "neurotarget.types.", "neurotarget.data.batches.prepare.")
LARGEST_BYTES = 4_000_000  # of a config; those of runs have a few thousand
MOST_VALUES = 200_000  # aliases of YAML let a small file stand for a huge one
TRUST = "say trust=true where it is your own"

HYDRAS = re.compile(r"_(target|partial|args|recursive|convert)_")
RESOLVER = re.compile(r"\$\{[^}]*:")  # ${oc.env:HOME}; ${paths.runs} only names another setting
HARMLESS = re.compile(  # settings of Hydra itself that neither name code nor a command
    r"hydra/launcher=(basic|joblib|ray|slurm|submitit_local|submitit_slurm)"
    r"|hydra/sweeper=(grid|neurotarget_optuna)"
    r"|hydra\.(run|sweep)\.dir=.*"  # which are set anew
    r"|hydra\.launcher\.(n_jobs|timeout_min|cpus_per_task|gpus_per_node|gpus_per_task|mem_gb|nodes"
    r"|tasks_per_node|array_parallelism|max_num_timeout)=\d+"
    r"|hydra\.launcher\.(partition|qos|account|constraint)=[\w.-]+",
    re.DOTALL,
)


def is_shareable(path: str) -> bool:
    """Whether a `_target_` is a class that is defined in the shareable modules.

    What these modules merely import is not.
    """
    module, _, _ = path.rpartition(".")
    kind = _class_of(path) if path.startswith(SHAREABLE) else None
    return kind is not None and kind.__module__ == module


def refuse_foreign(node: object, source: str, *, optimizers: bool = False) -> None:
    """Refuse a tree of plain values that names code, or asks for values from outside of it.

    With `optimizers` it may name those of torch.

    Raises:
        DataError: a `_target_` at any depth is not one of these, or a text asks for an environment
            variable or another setting.
    """
    _refuse_huge(node, source)
    for key, value in _walk(node):
        if key == "_target_" and not _may_name(str(value), optimizers=optimizers):
            raise DataError(
                f"{source}: found _target_ {str(value)!r}, wanted a class of "
                f"{', '.join(SHAREABLE)}; use only files that neurotarget has written, or {TRUST}"
            )
        if isinstance(value, str) and "${" in value:
            raise DataError(
                f"{source}: found {value!r}, wanted a plain value; write the value itself there, "
                f"or {TRUST}"
            )


def read_foreign(path: Path) -> dict[str, Any]:
    """A YAML file as plain values; nothing in it is resolved or called.

    Raises:
        DataError: it cannot be read, is too large, or holds no settings.
    """
    try:
        check_regular(path)
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path}: found over 4 MB, wanted a config; check the path")
        plain = load_yaml(path)
        _refuse_huge(plain, str(path))
        found = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except DataError:
        raise
    except Exception as error:  # of the file system, YAML's, OmegaConf's, too deep a nesting
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{path}: no settings can be read from it ({reason})") from error
    if not isinstance(plain, dict) or not found:  # OmegaConf takes a word for a key
        raise DataError(f"{path}: found no settings, wanted keys with values; check the file")
    return found


def refuse_replayed(words: Sequence[str], folder: Path) -> None:
    """Refuse overrides, recorded in a run that goes on, that do more than choose settings.

    Raises:
        DataError: one names code, a config folder, an environment variable or a database.
    """
    for word in words:
        if reason := _why_not(word, folder):
            key = word.partition("=")[0]
            raise DataError(
                f"resume={folder}: found the override {word!r} among those that it was started "
                f"with, which {reason}; type {key}=… again beside resume= with the value that you "
                "want, or say trust=true where the run is your own"
            )


def sends(word: str) -> bool:
    """Whether an override may have scores and pictures sent away, or to somebody else."""
    bare = _bare(word)
    if bare.startswith("sweep.space="):
        return "logger" in bare
    return bool(re.match(r"logger\b", bare)) and not KEPT_HERE.fullmatch(bare)


def is_known_cache(word: str, folder: Path) -> bool:
    """Whether an override names a cache that was typed for the run in `folder`."""
    key, _, value = _bare(word).partition("=")
    return key in CACHES and value[:1] != "~" and is_noted(Path(value.strip("'\"")), folder)


def is_elsewhere(word: str) -> bool:
    """Whether an override may have files written outside of the folder that we work in."""
    bare, _, value = _bare(word).partition("=")
    if bare not in PLACES:  # a branch may hold one, or the values of a search
        is_space = bare == "sweep.space" and any(one in value for one in PLACES)
        is_branch = value[:1] == "{" and any(one.startswith(f"{bare}.") for one in PLACES)
        return is_space or is_branch
    place = value.strip("'\"")
    here = Path.cwd()
    found = Path(os.path.normpath(here / place))
    return place.startswith("~") or not found.is_relative_to(here)


def _refuse_huge(node: object, source: str) -> None:
    if any(count >= MOST_VALUES for count, _ in enumerate(_walk(node))):
        raise DataError(
            f"{source}: found more than {MOST_VALUES:,} values, wanted the config of a target or a "
            "run; use the file as neurotarget wrote it"
        )


def _bare(word: str) -> str:
    """An override as `key=value`, also one that a sweep is to set."""
    bare = word.lstrip("+~")
    return next((bare.removeprefix(one) for one in PARAMS if bare.startswith(one)), bare)


def _why_not(word: str, folder: Path) -> str:
    key, _, value = word.partition("=")
    bare = key.lstrip("+~")
    if bare.startswith(PARAMS):
        return _why_not(_bare(word), folder)
    if word.startswith("-"):
        return "names a config folder" if word.startswith("--config-dir=") else "is an option"
    if bare.startswith(("hydra.", "hydra/", "hydra@")) or bare == "hydra":
        return "" if HARMLESS.fullmatch(word.lstrip("+")) else "changes how jobs are started"
    if "@" in key:
        return "puts settings in another place"
    if HYDRAS.search(word):
        is_known = bare.endswith("._target_") and _may_name(value.strip("'\""), optimizers=True)
        return "" if is_known and not HYDRAS.search(value) else "names code to call"
    if RESOLVER.search(word):
        return "asks for a value from outside of the configuration"
    if is_elsewhere(word) and not is_known_cache(word, folder):
        return "may have files written outside of the folder that you work in"
    return "names a database" if bare == "sweep.storage" and value != "null" else ""


def _may_name(path: str, *, optimizers: bool) -> bool:
    if is_shareable(path) or not optimizers:
        return is_shareable(path)
    kind = _class_of(path) if re.fullmatch(r"torch\.optim\.\w+", path) else None
    return kind is not None and issubclass(kind, Optimizer)


def _class_of(path: str) -> type | None:
    if not all(part.isidentifier() for part in path.split(".")):
        return None
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return kind if inspect.isclass(kind) else None


def _walk(node: object) -> Iterator[tuple[object, object]]:
    """Keys and values at any depth; the items of a list have no key."""
    waiting: list[object] = [[node]]
    while waiting:
        one = waiting.pop()
        pairs = one.items() if isinstance(one, Mapping) else ((None, item) for item in one)
        for key, value in pairs:
            yield key, value
            if isinstance(value, Mapping | list | tuple):
                waiting.append(value)
