"""`python train.py experiment=…`, `neurotarget train …`: one training from its configuration."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from neurotarget.cli.plain import plain
from neurotarget.files.memory_limits import breakdowns
from neurotarget.process.signals import resumable_with
from neurotarget.runs.folder.multirun import resume_command_of
from neurotarget.sweeps.command_overrides import overrides_of, repeated_overrides
from neurotarget.sweeps.pruning import pruning
from neurotarget.training.train import Start
from neurotarget.training.train import train as run_training


def train(cfg: DictConfig) -> dict[str, float]:
    """Run one experiment from files to tables; returns the validation scores at their best.

    Raises:
        DataError: a setting or the data are invalid.
    """
    hydra, config = HydraConfig.get(), plain(cfg)
    folder = Path(hydra.runtime.output_dir)
    start = Start(
        folder,
        overrides_of(hydra),
        resume_command_of(folder, repeated_overrides(hydra)),
        hydra.runtime.choices.get("model"),
        pruning(config, folder),
    )
    with resumable_with(start.resume_command), breakdowns(start.resume_command):
        return run_training(config, start)
