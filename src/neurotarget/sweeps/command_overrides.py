"""The overrides of a command, from Hydra's own record of them."""

from pathlib import Path

from hydra.conf import HydraConf
from omegaconf import DictConfig

from neurotarget.runs.folder.jobs import SITTING
from neurotarget.runs.folder.multirun import is_typed_again

WHERE = ("hydra.mode=", "hydra.sweep.dir=", *(f"{key}=" for key in SITTING))


def command_words(config: DictConfig) -> list[str]:
    """Words of a multirun's command, from Hydra's config, but those that say where it lies."""
    hydra = config.hydra
    words = [*hydra.overrides.task, *hydra.overrides.hydra]
    return [*own_folders(hydra), *(word for word in words if not word.startswith(WHERE))]


def own_folders(hydra: HydraConf) -> list[str]:
    """Words that name the user's own config folder, as Hydra's config knows it."""
    return [
        f"--config-dir={source.path}"
        for source in hydra.runtime.config_sources
        if source.provider == "command-line"
    ]


def overrides_of(hydra: HydraConf) -> list[str]:
    """The overrides that started a job, and the user's own config folder."""
    return [*own_folders(hydra), *hydra.overrides.task]


def typed_again(hydra: HydraConf) -> list[str]:
    """Words to type whenever a run goes on, as it may be a stranger's.

    They name the user's own config folder, folders elsewhere that are written to, and where
    scores are sent.
    """
    folder = Path(hydra.runtime.output_dir)
    again = [word for word in hydra.overrides.task if is_typed_again(word, folder)]
    return [*own_folders(hydra), *again]
