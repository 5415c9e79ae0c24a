"""`python train.py experiment=…`, `neurotarget train …`: one training from its configuration."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from neurotarget.cli.plain import plain
from neurotarget.files.memory_limits import breakdowns
from neurotarget.process.signals import going_on
from neurotarget.runs.folder.multirun import to_go_on
from neurotarget.sweeps.command_overrides import overrides_of, typed_again
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
        to_go_on(folder, typed_again(hydra)),
        hydra.runtime.choices.get("model"),
        pruning(config, folder),
    )
    with going_on(start.resume_command), breakdowns(start.resume_command):
        return run_training(config, start)
