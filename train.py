"""Train one target: `python train.py experiment=pituitary`."""

import sys
from pathlib import Path

from neurotarget.process.programs import print_help_or_version
from neurotarget.process.signals import quit_while_loading, stoppable

if __name__ == "__main__":
    print_help_or_version(["train", *sys.argv[1:]])
    quit_while_loading()  # torch and others, for seconds

if __name__ != "__mp_main__":  # as which loader workers run this file, and use nothing of it
    import hydra
    from omegaconf import DictConfig

    from neurotarget.cli.argv import check_argv
    from neurotarget.sweeps.run_job import run_as_job

    @hydra.main(version_base="1.3", config_path="conf", config_name="train")
    def main(cfg: DictConfig) -> float:
        """Run one experiment; return the monitored value, for sweeps."""
        from neurotarget.cli.commands.train import (
            train,  # takes seconds, after arguments are checked
        )

        return run_as_job(train, cfg)


if __name__ == "__main__":
    check_argv(Path(__file__).parent / "conf", "train")
    stoppable(main)()
