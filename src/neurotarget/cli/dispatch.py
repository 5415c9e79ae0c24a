"""Which program a configuration asks for; imported when it runs, as that takes seconds.

A slip on the command line is so answered before torch, Lightning and MONAI are read from disk.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, OmegaConf

from neurotarget.cli.setting_table import check_predict, check_train
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.process.signals import going_on, same_command

JOBS = {
    "train": "neurotarget.cli.train:train",
    "qsm": "neurotarget.cli.reconstruct:reconstruct",
    "swi": "neurotarget.cli.reconstruct:reconstruct",
}
PREDICT = "neurotarget.cli.predict:predict"


def act(cfg: DictConfig) -> Mapping[str, float]:
    """Do the job of `cfg.job`: train a network, or reconstruct scans; returns its best values.

    Raises:
        DataError: there is no such job, or what the job itself raises.
    """
    if cfg.job not in JOBS:
        raise DataError(f"job: found {cfg.job!r}, wanted one of {', '.join(JOBS)}")
    check_train(OmegaConf.to_container(cfg, resolve=True))
    return _program(JOBS[cfg.job])(cfg)


@exits_with_sentence
def predict(cfg: DictConfig) -> None:
    """Segment scans with a trained run."""
    check_predict(OmegaConf.to_container(cfg, resolve=True))
    with going_on(same_command(sys.argv[1:])):
        _program(PREDICT)(cfg)


def _program(place: str) -> Callable[[DictConfig], Any]:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
