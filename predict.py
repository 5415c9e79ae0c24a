"""Segment scans with a trained run: `python predict.py run=… input=… output=…`."""

import sys
from pathlib import Path

from neurotarget.process.programs import print_help_or_version
from neurotarget.process.signals import quit_while_loading, stoppable

if __name__ == "__main__":
    print_help_or_version(["predict", *sys.argv[1:]])
    quit_while_loading()  # torch and others, for seconds

import hydra
from omegaconf import DictConfig

from neurotarget.cli.argv import check_argv


@hydra.main(version_base="1.3", config_path="conf", config_name="predict")
def main(cfg: DictConfig) -> None:
    """Predict every case of the input into the output folder."""
    from neurotarget.cli.commands.predict import (
        predict,
    )  # takes seconds, after arguments are checked

    predict(cfg)


if __name__ == "__main__":
    check_argv(Path(__file__).parent / "conf", "predict")
    stoppable(main)()
