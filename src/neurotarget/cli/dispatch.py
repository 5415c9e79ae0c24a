"""Select the program of a configuration; its module is imported late, since that takes seconds.

Errors on the command line are thus reported before torch, Lightning and MONAI are imported.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, OmegaConf

from neurotarget.cli.setting_table import check_predict, check_train
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.process.signals import resumable_with, same_command

JOBS = {
    "train": "neurotarget.cli.train:train",
    "qsm": "neurotarget.cli.reconstruct:reconstruct",
    "swi": "neurotarget.cli.reconstruct:reconstruct",
}
PREDICT = "neurotarget.cli.predict:predict"


def act(cfg: DictConfig) -> Mapping[str, float]:
    """Run the job `cfg.job`, a training or a reconstruction; returns its best values.

    Raises:
        DataError: the job is unknown, or the job raises it.
    """
    if cfg.job not in JOBS:
        raise DataError(f"job: found {cfg.job!r}, wanted one of {', '.join(JOBS)}")
    check_train(OmegaConf.to_container(cfg, resolve=True))
    return _program(JOBS[cfg.job])(cfg)


@exits_with_sentence
def predict(cfg: DictConfig) -> None:
    """Segment scans with a trained run."""
    check_predict(OmegaConf.to_container(cfg, resolve=True))
    with resumable_with(same_command(sys.argv[1:])):
        _program(PREDICT)(cfg)


def _program(place: str) -> Callable[[DictConfig], Any]:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
