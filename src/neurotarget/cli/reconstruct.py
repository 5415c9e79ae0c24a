"""`python train.py experiment=qsm|swi`: compare reconstruction methods from a configuration."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from neurotarget.cli.plain import plain
from neurotarget.reconstruction import experiment
from neurotarget.sweeps.command_overrides import overrides_of


def reconstruct(cfg: DictConfig) -> dict[str, float]:
    """Run one experiment; returns the headline score of the first method and of each.

    Raises:
        DataError: a setting is invalid, or no scan can be read.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    return experiment.reconstruct(plain(cfg), folder, overrides_of(hydra))
