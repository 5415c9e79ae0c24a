"""Overrides (`key=value`) of a command, from Hydra's config."""

from pathlib import Path

from hydra.conf import HydraConf
from omegaconf import DictConfig

from neurotarget.runs.folder.jobs import INVOCATION_KEYS
from neurotarget.runs.folder.multirun import must_be_repeated

WHERE = ("hydra.mode=", "hydra.sweep.dir=", *(f"{key}=" for key in INVOCATION_KEYS))


def multirun_overrides(config: DictConfig) -> list[str]:
    """Return the overrides of a multirun's command, without those that name its folder.

    The command that resumes the multirun names its folder itself.
    """
    hydra = config.hydra
    overrides = [*hydra.overrides.task, *hydra.overrides.hydra]
    return [*own_folders(hydra), *(one for one in overrides if not one.startswith(WHERE))]


def own_folders(hydra: HydraConf) -> list[str]:
    """Return `--config-dir=` arguments for the user's own config folders; empty without any."""
    return [
        f"--config-dir={source.path}"
        for source in hydra.runtime.config_sources
        if source.provider == "command-line"
    ]


def overrides_of(hydra: HydraConf) -> list[str]:
    """Return the user's own config folder, and the overrides that started a job, in their order."""
    return [*own_folders(hydra), *hydra.overrides.task]


def repeated_overrides(hydra: HydraConf) -> list[str]:
    """Return overrides that must be typed again to resume a run, as its record is untrusted.

    They name the user's own config folder, other output folders, and the tracker of scores.
    """
    folder = Path(hydra.runtime.output_dir)
    again = [override for override in hydra.overrides.task if must_be_repeated(override, folder)]
    return [*own_folders(hydra), *again]
