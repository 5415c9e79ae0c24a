"""Untrusted configurations: plain values, and no code except the classes listed here.

Trusted are the `conf` of this program, a folder given as `--config-dir`, and overrides on the
command line. Untrusted are files given by path (`target=`, `run=`, `resume=`, runs that are
compared or studied) and what they name. `trust=true` lifts this; it is never recorded.
"""

import importlib
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurotarget.files.reading import check_regular, load_yaml
from neurotarget.problems import DataError
from neurotarget.runs.folder.known_caches import CACHES, is_noted
from neurotarget.runs.folder.moved_names import with_present_names

KEPT_HERE = re.compile(r"logger\.((group|tags|pictures)=.*|wandb=(offline|disabled))", re.DOTALL)
PARAMS = ("hydra.sweeper.params.", "sweep.space.")  # prefixes of keys that a sweep sets
PLACES = ("data.cache", "data.source.folder", "paths.cache", "paths.datasets", "paths.runs")
SHAREABLE = ("neurotarget.models.", "neurotarget.types.", "neurotarget.data.batches.prepare.")
MOVED = {"neurotarget.types": ("neurotarget.target_fields",)}  # where classes of a module are
LARGEST_BYTES = 4_000_000  # of a config; those of runs have a few thousand
MOST_VALUES = 200_000  # YAML aliases let a small file expand to a huge one
TRUST = "set trust=true where it is your own"

HYDRAS = re.compile(r"_(target|partial|args|recursive|convert)_")
RESOLVER = re.compile(r"\$\{[^}]*:")  # ${oc.env:HOME}; ${paths.runs} only names another setting
HARMLESS = re.compile(  # settings of Hydra itself that name neither code nor a command
    r"hydra/launcher=(basic|joblib|ray|slurm|submitit_local|submitit_slurm)"
    r"|hydra/sweeper=(grid|neurotarget_optuna)"
    r"|hydra\.(run|sweep)\.dir=.*"  # which are replaced
    r"|hydra\.launcher\.(n_jobs|timeout_min|cpus_per_task|gpus_per_node|gpus_per_task|mem_gb|nodes"
    r"|tasks_per_node|array_parallelism|max_num_timeout)=\d+"
    r"|hydra\.launcher\.(partition|qos|account|constraint)=[\w.-]+",
    re.DOTALL,
)


def is_shareable(path: str) -> bool:
    """Return whether a `_target_` is a class that is defined in the shareable modules.

    Classes that these modules only import do not count.
    """
    module, _, _ = path.rpartition(".")
    kind = _class_of(path) if path.startswith(SHAREABLE) else None
    return kind is not None and kind.__module__ in (module, *MOVED.get(module, ()))


def refuse_foreign(node: object, source: str, *, optimizers: bool = False) -> None:
    """Refuse plain values that name code, or refer to values outside of them.

    Args:
        node: plain values, of which each mapping and list is searched.
        source: file or folder of the values, for messages.
        optimizers: whether torch's optimizers are allowed.

    Raises:
        DataError: a `_target_` at any level is not allowed, or a text refers to an environment
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
    """Read a YAML file as plain values; nothing in it is resolved or called.

    Class paths of older versions are replaced by their present names.

    Raises:
        DataError: it cannot be read, is too large, or contains no settings.
    """
    try:
        check_regular(path)
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path}: found over 4 MB, wanted a config; check the path")
        plain = load_yaml(path)
        _refuse_huge(plain, str(path))
    except DataError:
        raise
    except Exception as error:  # of the file system or YAML, or too deep nesting
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{path}: no settings can be read from it ({reason})") from error
    if not isinstance(plain, dict) or not plain:
        raise DataError(f"{path}: found no settings, wanted keys with values; check the file")
    return with_present_names(plain)


def refuse_replayed(overrides: Sequence[str], folder: Path) -> None:
    """Refuse recorded overrides of a resumed run that do more than choose settings.

    Args:
        overrides: as the run's record lists them.
        folder: of the run, for the message and for the caches that are known for it.

    Raises:
        DataError: an override names code, a config folder, an environment variable or a database,
            or has files written elsewhere.
    """
    for override in overrides:
        if reason := _why_not(override, folder):
            key = override.partition("=")[0]
            raise DataError(
                f"resume={folder}: found the override {override!r} among those that it was started "
                f"with, which {reason}; type {key}=… again next to resume= with the value that you "
                "want, or set trust=true where the run is your own"
            )


def sends(override: str) -> bool:
    """Return whether an override may send scores and pictures away, or to another account.

    Group, tags and the offline modes of W&B do not; any other setting of the logger may.
    """
    bare = _bare(override)
    if bare.startswith("sweep.space="):
        return "logger" in bare
    return bool(re.match(r"logger\b", bare)) and not KEPT_HERE.fullmatch(bare)


def is_known_cache(override: str, folder: Path) -> bool:
    """Return whether an override names a cache that was given for the run in `folder`.

    Only the settings in `CACHES` name caches; see `known_caches`.
    """
    key, _, value = _bare(override).partition("=")
    return key in CACHES and value[:1] != "~" and is_noted(Path(value.strip("'\"")), folder)


def is_elsewhere(override: str) -> bool:
    """Return whether an override may write files outside of the working folder.

    Args:
        override: `key=value`, also as a setting of a sweep; False if it names no path.
    """
    bare, _, value = _bare(override).partition("=")
    if bare not in PLACES:  # a branch may contain one, or the values of a search
        is_space = bare == "sweep.space" and any(one in value for one in PLACES)
        is_branch = value[:1] == "{" and any(one.startswith(f"{bare}.") for one in PLACES)
        return is_space or is_branch
    place = value.strip("'\"")
    here = Path.cwd()
    target = Path(os.path.normpath(here / place))
    return place.startswith("~") or not target.is_relative_to(here)


def _refuse_huge(node: object, source: str) -> None:
    if any(count >= MOST_VALUES for count, _ in enumerate(_walk(node))):
        raise DataError(
            f"{source}: found more than {MOST_VALUES:,} values, wanted the config of a target or a "
            "run; use the file as neurotarget wrote it"
        )


def _bare(override: str) -> str:
    """An override as `key=value`, also one that is nested in a sweep's settings."""
    bare = override.lstrip("+~")
    return next((bare.removeprefix(one) for one in PARAMS if bare.startswith(one)), bare)


def _why_not(override: str, folder: Path) -> str:
    key, _, value = override.partition("=")
    bare = key.lstrip("+~")
    if bare.startswith(PARAMS):
        return _why_not(_bare(override), folder)
    if override.startswith("-"):
        return "names a config folder" if override.startswith("--config-dir=") else "is an option"
    if bare.startswith(("hydra.", "hydra/", "hydra@")) or bare == "hydra":
        return "" if HARMLESS.fullmatch(override.lstrip("+")) else "changes how jobs are started"
    if "@" in key:
        return "puts settings in another place"
    if HYDRAS.search(override):
        is_known = bare.endswith("._target_") and _may_name(value.strip("'\""), optimizers=True)
        return "" if is_known and not HYDRAS.search(value) else "names code to call"
    if RESOLVER.search(override):
        return "asks for a value from outside of the configuration"
    if is_elsewhere(override) and not is_known_cache(override, folder):
        return "may have files written outside of the folder that you work in"
    return "names a database" if bare == "sweep.storage" and value != "null" else ""


def _may_name(path: str, *, optimizers: bool) -> bool:
    if is_shareable(path) or not optimizers:
        return is_shareable(path)
    kind = _class_of(path) if re.fullmatch(r"torch\.optim\.\w+", path) else None
    # torch is loaded with the class
    return kind is not None and issubclass(kind, importlib.import_module("torch.optim").Optimizer)


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
    """Keys and values at all levels; the items of a list have no key."""
    waiting: list[object] = [[node]]
    while waiting:
        one = waiting.pop()
        pairs = one.items() if isinstance(one, Mapping) else ((None, item) for item in one)
        for key, value in pairs:
            yield key, value
            if isinstance(value, Mapping | list | tuple):
                waiting.append(value)
