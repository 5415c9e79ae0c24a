"""The words of a search: what each trial is told, what is searched, what tells searches apart."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from neurotarget.cli.overrides import keys_of
from neurotarget.problems import DataError
from neurotarget.sweeps.search_space import EXAMPLE, Dimension, read_space

CHOICES_CHECKED = 50  # of one setting
NOT_OF_TRIALS = ("trials", "parallel", "sampler", "seed", "space")  # a trial needs no word of these
ANYWHERE = (  # words that may differ from one machine to the next
    "sweep",
    "logger.",
    "paths.",
    "data.root",
    "data.cache",
    "data.workers",
    "trainer.accelerator",
    "trainer.devices",
)


def split_words(
    loader: ConfigLoader, config: DictConfig, space: Mapping[str, Any], words: Sequence[str]
) -> tuple[list[str], tuple[Dimension, ...]]:
    """The words of every trial, and what is searched: on the command line, or in `sweep.space`.

    What the command line says of a key of `sweep.space` counts.

    Raises:
        DataError: nothing is searched, or something that cannot be.
    """
    said = {word.partition("=")[0].lstrip("+~") for word in words}
    further = [
        f"{key}={_text(key, value)}" for key, value in space.items() if key.lstrip("+") not in said
    ]
    fixed, found = read_space([*further, *words], loader)
    fixed = [word for word in fixed if not word.startswith("resume=")]
    if not found:
        raise DataError(
            "sweep=optuna: found nothing to search, wanted at least one setting with several "
            f"values; say {EXAMPLE}, or model=unet,segresnet"
        )
    firsts = [one.first_values[0] for one in found]
    for one in found:
        if one.text in further:  # those on the command line were tried before Hydra started
            for word in one.first_values[:CHOICES_CHECKED]:
                others = [other for other in firsts if other != one.first_values[0]]
                _try(loader, config, [*fixed, *others, word], word)
    return fixed, found


def _text(key: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise DataError(
        f"sweep.space: found {key}: {value!r}, wanted text as on the command line; say "
        f"{key}: 'interval(low, high)' or 'choice(…)'"
    )


def _try(loader: ConfigLoader, config: DictConfig, words: list[str], word: str) -> None:
    """Refuse a word of `sweep.space` that makes no configuration."""
    try:
        loader.load_sweep_config(config, words)
    except (HydraException, OmegaConfBaseException) as error:
        key = word.partition("=")[0]
        ours = [one for one in keys_of(config) if not one.startswith("hydra.")]
        near = difflib.get_close_matches(key, ours, n=1)
        hint = f"did you mean {near[0]}?" if near else "mend it there"
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"sweep.space: {word} makes no configuration ({reason}); {hint}") from error


def of_trials(words: Sequence[str]) -> tuple[str, ...]:
    """Words that a trial is told: a search may get more trials without telling its old ones."""
    dropped = tuple(f"sweep.{key}=" for key in NOT_OF_TRIALS)
    return tuple(word for word in words if not word.lstrip("+").startswith(dropped))


def signature(
    objectives: Sequence[str], words: Sequence[str], space: Sequence[Dimension]
) -> dict[str, Any]:
    """What makes two searches the same: objectives, what is searched, and all other settings."""
    others = [word for word in words if not word.lstrip("+~").startswith(ANYWHERE)]
    searched = {one.key: one.text.partition("=")[2] for one in space}
    return {"objective": list(objectives), "words": sorted(others)} | searched
