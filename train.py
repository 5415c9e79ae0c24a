"""Train one target: `python train.py experiment=pituitary`."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from neurotarget.cli.argv import check_argv
from neurotarget.cli.reconstruction import reconstruct
from neurotarget.cli.run_job import run_as_job
from neurotarget.cli.train import train


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    """Run one experiment; return the monitored value, for sweeps."""
    return run_as_job(train if cfg.job == "train" else reconstruct, cfg)


if __name__ == "__main__":
    check_argv(Path(__file__).parent / "conf", "train")
    main()
