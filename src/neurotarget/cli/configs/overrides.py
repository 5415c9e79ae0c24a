"""Check overrides before Hydra starts, so that an error gets a one-sentence message."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from neurotarget.cli.configs.check_config import CHECKS
from neurotarget.files.reading import real_path
from neurotarget.problems import DataError, nearest
from neurotarget.runs.folder.jobs import quoted
from neurotarget.sweeps.trial_overrides import keys_of

MULTIRUN = ("-m", "--multirun")
CONFIG_DIR = ("--config-dir", "-cd")
CHOICES_CHECKED = 50  # choices checked in one sweep over a group


def check_overrides(argv: Sequence[str], config_path: Path, config_name: str) -> DictConfig | None:
    """Compose the configuration once from `argv` (without the program) and explain any failure.

    Every choice of a sweep over a group is checked, and the first value of other sweeps. Flags
    other than `-m` (`--help`, `--cfg`, …) are left to Hydra. Returns the configuration, for a sweep
    without the swept keys; None with flags of Hydra, or if the configuration needs the swept keys.

    Raises:
        DataError: an override is invalid, or has an unknown key, group or choice; the message
            gives the nearest known name.
    """
    own, argv = _search_path(argv)
    if any(argument.startswith("-") and argument not in MULTIRUN for argument in argv):
        return None
    swept = any(argument in MULTIRUN for argument in argv)
    arguments = [*own, *(argument for argument in argv if argument not in MULTIRUN)]
    with initialize_config_dir(str(Path(config_path).resolve()), version_base="1.3"):
        overrides = [_parse(argument) for argument in arguments]
        if not swept:
            return _compose(config_name, arguments)
        for combination in _combinations(overrides):
            _compose(config_name, combination)
        fixed = [
            argument
            for argument, one in zip(arguments, overrides, strict=True)
            if not one.is_sweep_override()
        ]
        with suppress(HydraException, OmegaConfBaseException):
            return compose(config_name, fixed, return_hydra_config=True)
    return None


def joined_options(argv: Sequence[str]) -> list[str]:
    """Join `--config-dir <folder>` to one argument, `--config-dir=<folder>`.

    The short form `-cd` becomes the long one; all other arguments keep their order.
    """
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] in CONFIG_DIR:
            joined[-1] = f"{CONFIG_DIR[0]}={argument}"
        else:
            joined.append(argument)
    return joined


def _search_path(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Replace `--config-dir`, the user's own config folder, with a Hydra search path."""
    joined = joined_options(argv)
    folders = [
        argument.partition("=")[2]
        for argument in joined
        if argument.startswith(f"{CONFIG_DIR[0]}=")
    ]
    for folder in folders:
        if not Path(folder).is_dir():
            raise DataError(f"{CONFIG_DIR[0]}={folder}: no such folder; give one like conf")
    rest = [argument for argument in joined if not argument.startswith(f"{CONFIG_DIR[0]}=")]
    paths = ",".join(quoted(f"file://{real_path(folder)}") for folder in folders)
    return [f"hydra.searchpath=[{paths}]"] if folders else [], rest


def _parse(argument: str) -> Override:
    try:
        (override,) = OverridesParser.create(_loader()).parse_overrides([argument])
    except OverrideParseException as error:
        key, sign, value = argument.partition("=")
        if not sign:
            raise DataError(f"{argument}: found no value, wanted {argument}=<value>") from error
        raise DataError(
            f"{argument}: the value cannot be read; put quotes around the whole and around the "
            f"value: {shlex.quote(f'{key}={quoted(value)}')}"
        ) from error
    if not override.key_or_group:
        raise DataError(f"{argument}: found no key, wanted <key>=<value>")
    return override


def _combinations(overrides: list[Override]) -> list[list[str]]:
    """Return overrides without sweeps: all first values, then each further choice of a group."""
    values = [list(_values(override)) for override in overrides]
    firsts = [several[0] for several in values if several]
    lines = [firsts]
    for several in values:
        lines += [
            [other if argument == several[0] else argument for argument in firsts]
            for other in several[1:]
        ]
    return lines


def _values(override: Override) -> Iterator[str]:
    """Yield single-value overrides of a sweep: all choices of a group, else the first value."""
    if not override.is_sweep_override():
        yield override.input_line or ""
        return
    key = override.get_key_element()
    if override.is_choice_sweep() or override.is_range_sweep():
        many = CHOICES_CHECKED if _options(override.key_or_group) else 1
        for value in islice(override.sweep_string_iterator(), many):
            yield f"{key}={value}"
    else:  # an interval, from which the sweeper samples
        start = override.value().start  # a float even if both ends are integers
        yield f"{key}={int(start) if start == int(start) else start}"


def _compose(config_name: str, arguments: list[str]) -> DictConfig:
    for override in map(_parse, arguments):
        _check_choice(override)
    try:
        config = compose(config_name, arguments, return_hydra_config=True)
    except MissingConfigException as error:
        raise DataError(_unknown_choice(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise DataError(_explain(config_name, arguments, error)) from error
    ours = _check_references(config)
    if ours is not None and config_name in CHECKS:
        CHECKS[config_name](ours)
    return config


def _check_choice(override: Override) -> None:
    """Refuse a value that is not a choice of a group, such as null, which Hydra cannot handle."""
    if override.is_delete() or override.is_sweep_override():
        return
    options, value = _options(override.key_or_group), override.value()
    if options and any(_is_path(one) for one in (value if isinstance(value, list) else [value])):
        raise DataError(
            f"{override.input_line}: found a path, wanted a name of {override.key_or_group}; put "
            f"the file into a folder <conf>/{override.key_or_group} of your own and set "
            "--config-dir=<conf>"
        )
    if options and not isinstance(value, str | QuotedString | list | dict):
        wanted = f"{override.key_or_group}=<{' | '.join(options)}>"
        raise DataError(
            f"{override.input_line}: found no choice, wanted {wanted}; choose one, or leave "
            f"{override.key_or_group} out"
        )


def _is_path(choice: object) -> bool:
    text = choice.text if isinstance(choice, QuotedString) else choice
    parts = str(text).replace("\\", "/").split("/")
    return isinstance(text, str) and ("" in parts[:-1] or ".." in parts or text[:1] == "~")


def _check_references(config: DictConfig) -> dict[str, Any] | None:
    """Refuse a reference to a value that does not exist, such as when no target is chosen.

    Returns the plain values, or None if they can only be resolved in a running job.
    """
    ours = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    try:
        return OmegaConf.to_container(ours, resolve=True)
    except InterpolationKeyError as error:
        raise DataError(_dangling(error)) from error
    except InterpolationResolutionError:
        return None


def _dangling(error: InterpolationKeyError) -> str:
    reason = str(error).splitlines()[0]
    group = reason.partition("'")[2].partition("'")[0].partition(".")[0]
    if not (options := _options(group)):
        return f"{error.full_key}: {reason}; check the name in ${{…}}"
    overrides = f"{group}=<{' | '.join(options)}>"
    if group != "experiment" and (whole := _options("experiment")):
        overrides += f" or experiment=<{' | '.join(whole)}>"
    return f"{group}: nothing is chosen; set {overrides}"


def _unknown_choice(error: MissingConfigException) -> str:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    options = list(error.options or [])
    whole, _, variant = group.rpartition("/")
    if whole and not group.startswith("hydra/"):  # `model=small/resunet`, not `model/small=resunet`
        several = _options(group)
        if choice in options and several:
            return f"{whole}={variant}/{choice}: {no_variant(whole, variant, choice, several)}"
        group, choice = whole, f"{variant}/{choice}"
        options += [f"{variant}/{one}" for one in several]
    near = nearest(choice, options)
    hint = f"did you mean {group}={near}? " if near else ""
    return f"{group}={choice}: no such choice; {hint}(choices: {', '.join(options)})"


def no_variant(group: str, variant: str, choice: str, options: Sequence[str]) -> str:
    """Return the message for a choice without a variant, such as `small/resunet`.

    `options` are the choices that have the variant.
    """
    return (
        f"no such choice: {choice} has no {variant} variant, it comes in one size; set "
        f"{group}={choice} ({variant} variants: {', '.join(options)}; `neurotarget models` lists "
        "what each costs)"
    )


def _explain(config_name: str, arguments: list[str], error: Exception) -> str:
    """Return the message about the failing override, found by composing without plain values."""
    overrides = [_parse(argument) for argument in arguments]
    kept = [one for one in overrides if one.key_or_group == "hydra.searchpath"]
    kept += [one for one in overrides if _options(one.key_or_group)]
    groups = [one.input_line for one in kept]
    without = OmegaConf.create()
    with suppress(HydraException):
        without = compose(config_name, groups, return_hydra_config=True)
    known = keys_of(without)
    for override in overrides:
        if override.is_sweep_override():
            return (
                f"{override.input_line}: found several values, wanted one; add -m to run them one "
                "after another, or brackets around them for a list"
            )
        forced = override.is_force_add() or override.input_line in groups
        if known and not (forced or override.is_add()) and override.key_or_group not in known:
            return _unknown_key(override, known)
        branch = None if forced else OmegaConf.select(without, override.key_or_group)
        if isinstance(branch, DictConfig) and not isinstance(override.value(), dict | None):
            return _value_for_a_branch(override, branch)
    return " ".join(str(error).split())


def _unknown_key(override: Override, known: Sequence[str]) -> str:
    key = override.key_or_group
    ours = [one for one in known if key.startswith("hydra.") or not one.startswith("hydra.")]
    ours += [group for group in _loader().list_groups("") if not group.startswith("hydra")]
    # a nested key of that name is more likely than a similar spelling
    deeper = sorted((one for one in ours if one.endswith(f".{key}")), key=len)
    near = next(iter(deeper), None) or nearest(key, ours)
    is_class = key.endswith("._target_")  # may be one of the user's own
    hint = f"did you mean {near}? " if near and not is_class else ""
    if override.is_delete():
        return f"{override.input_line}: no such key to remove; {hint}".rstrip("; ")
    return f"{key}: no such key; {hint}(add a new key with +{key}=...)"


def _value_for_a_branch(override: Override, branch: DictConfig) -> str:
    now = yaml.safe_dump(OmegaConf.to_container(branch), default_flow_style=True, sort_keys=False)
    now = " ".join(now.split())
    return (
        f"{override.input_line}: found no keys, wanted keys with values; set "
        f"{shlex.quote(f'{override.key_or_group}={now}')} (as it is now) with your own values, or "
        "null"
    )


def _options(group: str) -> list[str]:
    """Return the choices of a group; none for a key in one, as Hydra would search every folder."""
    if "." in group:
        return []
    return _loader().get_group_options(group, ObjectType.CONFIG)


def _loader() -> ConfigLoader:
    return GlobalHydra.instance().config_loader()
