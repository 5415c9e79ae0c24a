"""Conversion of Hydra's configuration to plain values."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Return a resolved configuration as dicts and lists, for files and trackers.

    A missing value stays `???`.

    Raises:
        OmegaConfBaseException: a reference leads nowhere.
    """
    return OmegaConf.to_container(cfg, resolve=True)


def resolved(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values with each reference `${…}` resolved."""
    return plain(OmegaConf.create(dict(settings)))
