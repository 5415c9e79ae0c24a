"""Compose the configuration of a training from overrides, as the command line does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from neurotarget.cli.argv import literal, resumed_argv, with_own_conf
from neurotarget.cli.configs.overrides import MULTIRUN, check_overrides
from neurotarget.cli.configs.plain import plain
from neurotarget.cli.configs.run_output import claim_folder
from neurotarget.problems import DataError
from neurotarget.process.programs import home
from neurotarget.runs.folder.jobs import quoted


class Composed(NamedTuple):
    """A resolved configuration, the folder reserved for its run, and the overrides.

    `config` holds plain values without Hydra's own keys; `overrides` are the arguments that Hydra
    reads, which the run records so that `resume=` can repeat them.
    """

    config: dict[str, Any]
    folder: Path
    overrides: list[str]
    model: str | None  # name of the model in `conf/model`


def compose_training(overrides: Sequence[str]) -> Composed:
    """Compose `conf/train.yaml` with overrides, and reserve the folder of its run.

    Raises:
        DataError: an override is invalid or names no key, or the folder cannot be used.
    """
    conf = home() / "conf"
    argv = resumed_argv(with_own_conf([literal(one) for one in overrides], conf))
    config = check_overrides(argv, conf, "train")
    if config is None or set(argv) & set(MULTIRUN):
        raise DataError(
            f"overrides: found {' '.join(overrides)}, wanted those of one training; several "
            "trainings, and other options, belong to the command `neurotarget train`"
        )
    folder = claim_folder(config)
    values = plain(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"]))
    return Composed(values, folder, argv, config.hydra.runtime.choices.get("model"))


def override(key: str, value: object) -> str:
    """Return the override that sets a key to a Python value; `a__b` stands for `a.b`.

    None becomes `null`, a mapping or list its form in Hydra's grammar, and a Path a quoted text.
    Other texts stay as they are; `compose_training` quotes those that Hydra would misread.
    """
    return f"{key.replace('__', '.')}={_text(value)}"


def _text(value: object) -> str:
    """Write a value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    return quoted(value) if isinstance(value, Path) else str(value)
