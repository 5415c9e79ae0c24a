"""From Hydra's configuration to plain values and the target of a run."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Resolved config as dicts and lists, for files and trackers."""
    return OmegaConf.to_container(cfg, resolve=True)
