"""Split the overrides of a search into fixed and searched settings, and compute its signature."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from neurotarget.problems import DataError, did_you_mean
from neurotarget.runs.folder.jobs import key_of
from neurotarget.sweeps.search_space import EXAMPLE, Dimension, read_space

CHOICES_CHECKED = 50  # of one setting
NOT_OF_TRIALS = ("trials", "parallel", "sampler", "seed", "space")  # not passed to trials
ANYWHERE = (  # overrides that may differ between machines
    "sweep",
    "logger.",
    "paths.",
    "data.root",
    "data.cache",
    "data.workers",
    "trainer.accelerator",
    "trainer.devices",
)


def split_overrides(
    loader: ConfigLoader, config: DictConfig, space: Mapping[str, Any], overrides: Sequence[str]
) -> tuple[list[str], tuple[Dimension, ...]]:
    """Split overrides into fixed and searched settings, including those of `sweep.space`.

    The command line takes precedence over `sweep.space`. Values of `sweep.space` are tried before
    the first trial starts, so that a misspelt value cannot stop a search after hours.

    Args:
        loader: Hydra's config loader.
        config: Hydra's configuration before the overrides of any trial.
        space: settings with their values as text, from `sweep.space`.
        overrides: overrides of the command line.

    Returns:
        Overrides with one value, and searched settings.

    Raises:
        DataError: nothing is searched, or a setting cannot be searched.
    """
    given = set(map(key_of, overrides))
    further = [
        f"{key}={_text(key, value)}" for key, value in space.items() if key.lstrip("+") not in given
    ]
    fixed, searched = read_space([*further, *overrides], loader)
    fixed = [override for override in fixed if not override.startswith("resume=")]
    if not searched:
        raise DataError(
            "sweep=optuna: found nothing to search, wanted at least one setting with several "
            f"values; write {EXAMPLE}, or model=unet,segresnet"
        )
    firsts = [one.first_values[0] for one in searched]
    for one in searched:
        if one.text in further:  # those on the command line were checked before Hydra started
            for override in one.first_values[:CHOICES_CHECKED]:
                others = [other for other in firsts if other != one.first_values[0]]
                _try(loader, config, [*fixed, *others, override], override)
    return fixed, searched


def _text(key: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise DataError(
        f"sweep.space: found {key}: {value!r}, wanted text as on the command line; write "
        f"{key}: 'interval(low, high)' or 'choice(…)'"
    )


def _try(loader: ConfigLoader, config: DictConfig, overrides: list[str], override: str) -> None:
    """Refuse an override of `sweep.space` with which no configuration can be composed."""
    try:
        loader.load_sweep_config(config, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        key = override.partition("=")[0]
        ours = [one for one in keys_of(config) if not one.startswith("hydra.")]
        hint = did_you_mean(key, ours) or "correct it there"
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"sweep.space: {override} makes no configuration ({reason}); {hint.rstrip()}"
        ) from error


def of_trials(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides that are passed to a trial.

    Settings of the search that do not affect a training are dropped, such as the number of trials.
    """
    dropped = tuple(f"sweep.{key}=" for key in NOT_OF_TRIALS)
    return tuple(override for override in overrides if not override.lstrip("+").startswith(dropped))


def signature(
    objectives: Sequence[str], overrides: Sequence[str], space: Sequence[Dimension]
) -> dict[str, Any]:
    """Return the definition of a search: objectives, searched settings, and fixed overrides.

    Settings that may differ between machines, such as paths and devices, are absent, so that
    several machines can share a search.

    Returns:
        `objective` and `words` (fixed overrides, sorted) as lists, and the text of each searched
        setting by its key.
    """
    others = [override for override in overrides if not override.lstrip("+~").startswith(ANYWHERE)]
    searched = {one.key: one.text.partition("=")[2] for one in space}
    return {"objective": list(objectives), "words": sorted(others)} | searched


def keys_of(config: DictConfig) -> list[str]:
    """List every dotted key of a configuration, including branches, in its order."""

    def walk(node: object, prefix: str) -> Iterator[str]:
        """Yield the keys below a node, each branch before its content."""
        if isinstance(node, dict):
            for key, value in node.items():
                yield f"{prefix}{key}"
                yield from walk(value, f"{prefix}{key}.")

    return list(walk(OmegaConf.to_container(config, resolve=False), ""))
