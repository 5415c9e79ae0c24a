"""From Hydra's configuration to plain values and the target of a run."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build
from neurotarget.types import Target


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Resolved config as dicts and lists, for files and trackers."""
    return OmegaConf.to_container(cfg, resolve=True)


def build_target(cfg: DictConfig | None) -> Target:
    """The target of a run.

    Raises:
        DataError: the run names none.
    """
    if not cfg:
        raise DataError(
            "no target: say experiment=<name> or target=<name>, "
            "such as python train.py experiment=pituitary"
        )
    return build(plain(cfg))
